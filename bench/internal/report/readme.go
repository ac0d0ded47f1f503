package report

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"dunlin/bench/internal/scenario"
)

// markers are the lines of the README between which the table of a set stands.
func markers(set string) (begin, end string) {
	if set == scenario.Core {
		return "<!-- results: written by make bench; do not edit -->", "<!-- end of results -->"
	}
	return fmt.Sprintf("<!-- results of %s: written by make bench-%s; do not edit -->", set, set),
		fmt.Sprintf("<!-- end of results of %s -->", set)
}

// Folder is where the files of a set are kept, below the results of all.
func Folder(results, set string) string {
	if set == scenario.Core {
		return results
	}
	return path.Join(results, set)
}

// Page is where the table of a set stands, seen from the folder of the benchmark.
func Page(set string) string {
	if set == scenario.Scaling {
		return "../docs/scaling.md"
	}
	return "README.md"
}

// InReadme puts the report between its set's markers of a README.
func InReadme(readme string, r Report) (string, error) {
	begin, end := markers(r.Set)
	plot, body := "", Summary(r)
	switch {
	case r.Set == scenario.Scaling:
		plot = "![Plot](../bench/" + Folder("results", r.Set) + "/results.svg)\n\n"
		body = Measured(r) + "\n" + Model(r)
	case len(bars(r)) > 0:
		plot = "![Plot](" + Folder("results", r.Set) + "/results.svg)\n\n"
	}
	return between(readme, begin, end, Circumstances(r)+"\n"+plot+body)
}

// excerpts are the rows of a set that the project's own README shows.
var excerpts = map[string][]string{
	scenario.Core:    {"publish-16", "1-1-128", "1-1-1k", "1-1-16k", "1-100", "50-pairs", "request-50", "idle", "subscriptions-500k"},
	scenario.Cluster: {"a-b-128", "9-pairs", "interest-300k", "restart-1m"},
}

// HasExcerpt reports whether the project's README shows rows of a set.
func HasExcerpt(set string) bool { return len(excerpts[set]) > 0 }

// InProjectReadme puts the first figure of some rows between the markers of the
// project's README. All of these rows have to have been measured.
func InProjectReadme(readme string, r Report) (string, error) {
	t := &table{head: []string{"load", "measured", "nats-server", "Dunlin", ""}, side: []align{left, left, right, right, right}}
	for _, name := range excerpts[r.Set] {
		i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Name == name })
		if i < 0 {
			return "", fmt.Errorf("row %s is part of the excerpt and was not played", name)
		}
		row := r.Rows[i]
		if row.Error != "" {
			return "", fmt.Errorf("row %s is part of the excerpt and failed: %s", name, row.Error)
		}
		lines := Lines(row)
		if len(lines) == 0 {
			return "", fmt.Errorf("row %s is part of the excerpt and has no figure", name)
		}
		l := lines[0]
		t.add(row.Title, l.Measured, l.Peer, l.Value, l.Ratio)
	}
	begin := fmt.Sprintf("<!-- excerpt of %s: written by the benchmark; do not edit -->", r.Set)
	body := fmt.Sprintf("%s\nMeasured on %s, build %s.\n", t.String(), r.When.Format(time.DateOnly), r.Revision)
	return between(readme, begin, fmt.Sprintf("<!-- end of excerpt of %s -->", r.Set), body)
}

// between replaces what stands between two lines of a page.
func between(page, begin, end, body string) (string, error) {
	head, rest, ok := strings.Cut(page, begin)
	if !ok {
		return "", fmt.Errorf("the README has no line %q", begin)
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the README has no line %q after %q", end, begin)
	}
	return head + begin + "\n\n" + body + "\n" + end + tail, nil
}
