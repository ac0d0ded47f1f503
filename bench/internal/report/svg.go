package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"

	"dunlin/bench/internal/scenario"
)

// bar is one line of the plot.
type bar struct {
	label, figures string
	value, floor   float64
	pass           bool
}

// Geometry of the plot, in SVG user units.
const (
	plotWidth  = 960
	labelWidth = 365
	rightRoom  = 190
	barPitch   = 24
	barHeight  = 14
	topRoom    = 76
	footRoom   = 44
)

// The card has a background of its own in both schemes, so that it is readable
// wherever it is embedded.
const plotStyle = `
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 }
  .quiet { fill: #59636e; font-size: 12px }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .one { stroke: #59636e; stroke-width: 1.5 }
  .bar { fill: #1a7f8e }
  .missed { fill: #c4432b }
  .floor { stroke: #1f2328; stroke-width: 2.5 }
  .value { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #151b23; stroke: #3d444d }
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .grid { stroke: #2f3742 }
    .one { stroke: #9198a1 }
    .bar { fill: #3fb6c6 }
    .missed { fill: #f0705a }
    .floor { stroke: #f0f6fc }
  }
`

// bars takes the comparisons with the peer out of a report.
func bars(r Report) []bar {
	var out []bar
	for _, row := range r.Rows {
		peer, judged, _ := row.sides()
		for _, c := range row.Checks {
			b := bar{label: row.Title, value: c.Value, floor: c.Floor, pass: c.Pass}
			switch {
			case judged == nil || c.Against == scenario.Reference || c.Metric == scenario.Others:
				continue
			case c.Against == scenario.Nothing:
				// A bound on the figure itself, shown as the ratio it comes to.
				b.value = peer.value(c.Metric) / judged.value(c.Metric)
				b.floor = peer.value(c.Metric) / c.Floor
			}
			if math.IsNaN(b.value) || math.IsInf(b.value, 0) {
				continue
			}
			if c.Metric != scenario.CPU {
				b.label += ", " + plotWord(c.Metric)
			}
			b.figures = Figure(c.Metric, peer.value(c.Metric)) + " → " + Figure(c.Metric, judged.value(c.Metric))
			out = append(out, b)
		}
	}
	return out
}

func plotWord(m scenario.Metric) string {
	if m == scenario.RSS {
		return "RSS"
	}
	return string(m)
}

// SVG draws the ratios as bars, the floors as ticks.
func SVG(r Report) string {
	bars := bars(r)
	top := 1.0
	for _, b := range bars {
		top = max(top, b.value, b.floor)
	}
	step := gridStep(top)
	top = math.Ceil(top/step) * step
	height := topRoom + len(bars)*barPitch + footRoom
	x := func(v float64) float64 { return labelWidth + v/top*(plotWidth-labelWidth-rightRoom) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", plotWidth, height, plotWidth, height)
	title := "How many times better Dunlin is than nats-server"
	if len(r.Servers) > 1 && r.Servers[0].Name == r.Servers[1].Name {
		title = r.Servers[0].Name + " against itself"
	}
	what := "server CPU for the same work"
	if r.Set == scenario.Cluster {
		title += ", as a cluster"
		what = "CPU of all nodes for the same work"
	}
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", escapeXML(title), plotStyle)
	fmt.Fprintf(&b, `<rect class="card" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>`+"\n", plotWidth-1, height-1)
	text(&b, 20, 30, "title", "", title)
	text(&b, 20, 50, "quiet", "", what+" unless said; 128-byte payloads unless said; medians. The tick is the floor.")
	for v := 0.0; v <= top+step/2; v += step {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x(v), x(v), topRoom-8, height-footRoom+4)
		text(&b, x(v), float64(height-footRoom+20), "quiet", "middle", fmt.Sprintf("%g×", v))
	}
	// As good as the other.
	fmt.Fprintf(&b, `<line class="one" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x(1), x(1), topRoom-8, height-footRoom+4)
	for i, row := range bars {
		y := float64(topRoom + i*barPitch)
		class := "bar"
		if !row.pass {
			class = "bar missed"
		}
		text(&b, labelWidth-10, y+barHeight-2, "", "end", row.label)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2"/>`+"\n", class, x(0), y, max(x(row.value)-x(0), 1), barHeight)
		fmt.Fprintf(&b, `<line class="floor" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", x(row.floor), x(row.floor), y-3, y+barHeight+3)
		text(&b, x(max(row.value, row.floor))+8, y+barHeight-2, "value", "", ratio(row.value))
		text(&b, plotWidth-16, y+barHeight-2, "quiet", "end", row.figures)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// gridStep keeps the number of grid lines readable.
func gridStep(top float64) float64 {
	for _, s := range []float64{0.5, 1, 2, 5, 10, 20, 50} {
		if top/s <= 10 {
			return s
		}
	}
	return math.Ceil(top / 10)
}

func text(b *strings.Builder, x, y float64, class, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f"`, x, y)
	if class != "" {
		fmt.Fprintf(b, ` class="%s"`, class)
	}
	if anchor != "" {
		fmt.Fprintf(b, ` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(b, ">%s</text>\n", escapeXML(s))
}

func escapeXML(s string) string {
	var b strings.Builder
	// A strings.Builder takes every write.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
