package report

import (
	"fmt"
	"path"
	"strings"

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
	head, rest, ok := strings.Cut(readme, begin)
	if !ok {
		return "", fmt.Errorf("the README has no line %q", begin)
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the README has no line %q after %q", end, begin)
	}
	plot, body := "", Summary(r)
	switch {
	case r.Set == scenario.Scaling:
		plot = "![Plot](../bench/" + Folder("results", r.Set) + "/results.svg)\n\n"
		body = Measured(r) + "\n" + Model(r)
	case len(bars(r)) > 0:
		plot = "![Plot](" + Folder("results", r.Set) + "/results.svg)\n\n"
	}
	return head + begin + "\n\n" + Circumstances(r) + "\n" + plot + body + "\n" + end + tail, nil
}
