package report

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"dunlin/bench/internal/scenario"
)

// Figure prints a metric's value with its unit, three digits.
func Figure(m scenario.Metric, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	switch m {
	case scenario.CPU, scenario.Time, scenario.P50, scenario.P99, scenario.P999:
		return scaled(v, 1000, "ns", "µs", "ms", "s")
	case scenario.Throughput, scenario.Churn:
		return scaled(v, 1000, "/s", "k/s", "M/s")
	case scenario.RSS, scenario.Anon:
		return scaled(v, 1024, "B", "KB", "MB")
	}
	return fmt.Sprintf("%.2f", v)
}

func scaled(v, step float64, units ...string) string {
	for math.Abs(v) >= step*0.9995 && len(units) > 1 {
		v, units = v/step, units[1:]
	}
	return threeDigits(v) + " " + units[0]
}

func threeDigits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// measured names a metric for people.
func measured(m scenario.Metric, unit string) string {
	switch m {
	case scenario.CPU:
		return "CPU a " + unit
	case scenario.RSS:
		return "RSS a " + unit
	case scenario.Others:
		return "others' throughput"
	}
	return string(m)
}

// ratio prints how many times better.
func ratio(v float64) string { return fmt.Sprintf("%.2f×", v) }

// floorText says what a check demands.
func floorText(c Check) string {
	switch {
	case c.Against != scenario.Nothing:
		return "≥ " + ratio(c.Floor)
	case c.Metric.MoreIsBetter():
		return "≥ " + Figure(c.Metric, c.Floor)
	}
	return "≤ " + Figure(c.Metric, c.Floor)
}

// FloorOf says what a check of a row demands, before anything was measured.
func FloorOf(c scenario.Check, row scenario.Row) string {
	s := measured(c.Metric, row.Unit) + " " + floorText(Check{Metric: c.Metric, Against: c.Against, Floor: c.Floor})
	if c.Against == scenario.Reference {
		s += " of " + without(row.Variant)
	}
	return s
}

// align is a column's side in a table.
type align bool

const (
	left  align = false
	right align = true
)

// table is a Markdown table whose source is aligned too.
type table struct {
	head []string
	side []align
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	width := make([]int, len(t.head))
	for i, h := range t.head {
		width[i] = max(utf8.RuneCountInString(h), 3)
		for _, r := range t.rows {
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, c := range cells {
			b.WriteString("| ")
			b.WriteString(Pad(c, width[i], t.side[i] == right))
			b.WriteByte(' ')
		}
		b.WriteString("|\n")
	}
	line(t.head)
	for i, w := range width {
		if t.side[i] == right {
			b.WriteString("|" + strings.Repeat("-", w+1) + ":")
		} else {
			b.WriteString("|" + strings.Repeat("-", w+2))
		}
	}
	b.WriteString("|\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// Pad fills s to so many characters, at its left if it is to stand right.
func Pad(s string, width int, toRight bool) string {
	fill := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	if toRight {
		return fill + s
	}
	return s + fill
}
