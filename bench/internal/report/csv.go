package report

import (
	"fmt"
	"strings"

	"dunlin/bench/internal/scenario"
)

// CSV is the medians, a line a row and side: for a spreadsheet or a fit.
func CSV(r Report) string {
	metrics := []scenario.Metric{
		scenario.CPU, scenario.Time, scenario.Throughput, scenario.P50, scenario.P99, scenario.P999,
		scenario.RSS, scenario.Others, scenario.ServerLoad, scenario.LoadLoad, scenario.Foreign,
	}
	var b strings.Builder
	b.WriteString("row,nodes,unit,server")
	for _, m := range metrics {
		b.WriteString("," + string(m))
	}
	b.WriteByte('\n')
	for _, row := range r.Rows {
		for _, s := range row.Sides {
			fmt.Fprintf(&b, "%s,%d,%s,%s", row.Name, max(row.Nodes, 1), row.Unit, s.Name)
			for _, m := range metrics {
				b.WriteByte(',')
				if v, ok := s.Median[m]; ok {
					fmt.Fprintf(&b, "%.6g", v)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
