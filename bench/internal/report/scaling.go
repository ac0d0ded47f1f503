package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/stats"
)

// family is rows of the scaling set that differ in the number of nodes only,
// and how their cost depends on it.
type family struct {
	name, title, unit string
	// cost says what a unit of the row is multiplied by to get what the model is
	// about; hops how often that goes over a route, on average.
	cost, hops func(nodes float64) float64
	formula    string
}

func one(float64) float64 { return 1 }

var families = []family{
	{
		"pairs", "pairs across", "delivery", one,
		func(n float64) float64 { return min(n-1, 1) }, "a + b: every message goes over one route",
	},
	{
		"all", "one to every node", "publish",
		func(n float64) float64 { return n }, func(n float64) float64 { return n - 1 }, "a + b·(N−1)",
	},
	{
		"queue", "queue group over all nodes", "delivery", one,
		func(n float64) float64 { return (n - 1) / n }, "a + b·(N−1)/N: the member is mostly elsewhere",
	},
	{
		"random", "random subjects", "delivery", one,
		func(n float64) float64 { return (n - 1) / n }, "a + b·(N−1)/N",
	},
	{
		"interest", "subscriptions", "subscription", one,
		func(n float64) float64 { return n - 1 }, "a + b·(N−1): every node hears of each",
	},
}

// curve is one family on one server: what was measured and what fits.
type curve struct {
	family
	server string
	nodes  []float64
	cpu    []float64 // ns for what the model is about
	fit    stats.Line
}

// curves takes a report of the scaling set apart.
func curves(r Report) []curve {
	var out []curve
	for _, f := range families {
		bySide := map[string]*curve{}
		var order []string
		for _, row := range r.Rows {
			name, size, _ := cutLast(row.Name, "-")
			nodes, err := strconv.Atoi(size)
			if name != f.name || err != nil || row.Error != "" {
				continue
			}
			for _, s := range row.Sides {
				c := bySide[s.Name]
				if c == nil {
					c = &curve{family: f, server: s.Name}
					bySide[s.Name], order = c, append(order, s.Name)
				}
				n := float64(nodes)
				c.nodes = append(c.nodes, n)
				c.cpu = append(c.cpu, s.value(scenario.CPU)*f.cost(n))
			}
		}
		for _, name := range order {
			c := bySide[name]
			var x []float64
			for _, n := range c.nodes {
				x = append(x, f.hops(n))
			}
			c.fit = stats.Fit(x, c.cpu)
			out = append(out, *c)
		}
	}
	return out
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// predict is the units a second that so many machines do whose one core each is
// busy with nothing else, publishers being spread over all.
func (c curve) predict(nodes float64) float64 {
	return nodes * 1e9 / c.fit.At(c.hops(nodes))
}

// predicted are the sizes of clusters in the table.
var predicted = []float64{1, 3, 9, 50, 200}

// Measured is the table of what units cost on clusters of each size.
func Measured(r Report) string {
	t := &table{head: []string{"load", "server"}, side: []align{left, left}}
	for _, n := range scenario.ScalingNodes {
		t.head, t.side = append(t.head, fmt.Sprintf("N = %d", n)), append(t.side, right)
	}
	for _, c := range curves(r) {
		cells := []string{c.title + ", a " + c.unit, c.server}
		for _, n := range scenario.ScalingNodes {
			cell := "–"
			if i := slices.Index(c.nodes, float64(n)); i >= 0 {
				cell = Figure(scenario.CPU, c.cpu[i])
			}
			cells = append(cells, cell)
		}
		t.add(cells...)
	}
	return "CPU of all nodes together, medians:\n\n" + t.String()
}

// Model is the table of fits and what they predict.
func Model(r Report) string {
	t := &table{
		head: []string{"load", "server", "CPU, N nodes", "a", "b", "R²"},
		side: []align{left, left, left, right, right, right},
	}
	for _, n := range predicted {
		t.head, t.side = append(t.head, fmt.Sprintf("N = %g", n)), append(t.side, right)
	}
	for _, c := range curves(r) {
		cells := []string{
			c.title, c.server, c.formula, Figure(scenario.CPU, c.fit.At0), Figure(scenario.CPU, c.fit.Slope), fmt.Sprintf("%.2f", c.fit.R2),
		}
		for _, n := range predicted {
			cells = append(cells, Figure(scenario.Throughput, c.predict(n)))
		}
		t.add(cells...)
	}
	return "a is what a unit costs without a route, b what a route adds. The last columns are units a second of N machines\n" +
		"with one core each for the servers, publishers spread over all of them: predictions, not measurements.\n\n" + t.String()
}

// Geometry of the plot of curves, in SVG user units.
const (
	panelWidth  = 300
	panelHeight = 210
	panelGap    = 24
	panelTop    = 70
	panelMost   = 9.0 // nodes
)

// ScalingSVG draws for each load what a unit costs, measured (dots) and by the
// model (lines).
func ScalingSVG(r Report) string {
	all := curves(r)
	var names []string
	for _, c := range all {
		if !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	const columns = 3
	rows := (len(names) + columns - 1) / columns
	width := columns*(panelWidth+panelGap) + panelGap
	height := panelTop + rows*(panelHeight+panelGap+16)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>What a unit costs on 1 to 9 nodes</title>\n<style>%s%s</style>\n", plotStyle, scalingStyle)
	fmt.Fprintf(&b, `<rect class="card" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>`+"\n", width-1, height-1)
	text(&b, 20, 30, "title", "", "CPU of all nodes together for one unit, 1 to 9 nodes")
	text(&b, 20, 50, "quiet", "", "dots: measured, medians; lines: the fitted model")
	for i, server := range serversOf(all) {
		x := float64(width - 250 + 120*i)
		fmt.Fprintf(&b, `<circle class="dot s%d" cx="%.1f" cy="26" r="4"/>`+"\n", i, x)
		text(&b, x+10, 30, "quiet", "", server)
	}
	for i, name := range names {
		x := float64(panelGap + i%columns*(panelWidth+panelGap))
		y := float64(panelTop + i/columns*(panelHeight+panelGap+16))
		panel(&b, x, y, name, all)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

const scalingStyle = `
  .s0 { stroke: #8a5cc2; fill: #8a5cc2 }
  .s1 { stroke: #1a7f8e; fill: #1a7f8e }
  .line { fill: none; stroke-width: 2 }
  .dot { stroke: none }
  @media (prefers-color-scheme: dark) {
    .s0 { stroke: #b692e8; fill: #b692e8 }
    .s1 { stroke: #3fb6c6; fill: #3fb6c6 }
  }
`

func serversOf(all []curve) []string {
	var out []string
	for _, c := range all {
		if !slices.Contains(out, c.server) {
			out = append(out, c.server)
		}
	}
	return out
}

// panel draws one load.
func panel(b *strings.Builder, left, top float64, name string, all []curve) {
	servers := serversOf(all)
	most := 0.0
	for _, c := range all {
		if c.name == name {
			most = max(most, slices.Max(c.cpu))
		}
	}
	most *= 1.1
	px := func(n float64) float64 { return left + 8 + (n-1)/(panelMost-1)*(panelWidth-24) }
	py := func(v float64) float64 { return top + panelHeight - 24 - v/most*(panelHeight-54) }
	fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", left, left+panelWidth, py(0), py(0))
	for _, n := range scenario.ScalingNodes {
		text(b, px(float64(n)), py(0)+18, "quiet", "middle", fmt.Sprint(n))
	}
	for _, c := range all {
		if c.name != name {
			continue
		}
		i := slices.Index(servers, c.server)
		if i == 0 {
			text(b, left, top+12, "value", "", c.title+", a "+c.family.unit)
		}
		if !math.IsNaN(c.fit.Slope) {
			var points []string
			for n := 1.0; n <= panelMost; n += 0.25 {
				points = append(points, fmt.Sprintf("%.1f,%.1f", px(n), py(c.fit.At(c.hops(n)))))
			}
			fmt.Fprintf(b, `<polyline class="line s%d" points="%s" style="fill:none"/>`+"\n", i, strings.Join(points, " "))
		}
		for k, n := range c.nodes {
			fmt.Fprintf(b, `<circle class="dot s%d" cx="%.1f" cy="%.1f" r="4"/>`+"\n", i, px(n), py(c.cpu[k]))
		}
		last := len(c.nodes) - 1
		text(b, px(c.nodes[last])-8, py(c.cpu[last])-8, "quiet", "end", Figure(scenario.CPU, c.cpu[last]))
	}
}
