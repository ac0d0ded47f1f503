package report

import (
	"fmt"
	"strings"
)

// The lines of the README between which the table stands.
const (
	Begin = "<!-- results: written by make bench; do not edit -->"
	End   = "<!-- end of results -->"
)

// InReadme puts the report between the markers of a README.
func InReadme(readme string, r Report) (string, error) {
	head, rest, ok := strings.Cut(readme, Begin)
	if !ok {
		return "", fmt.Errorf("the README has no line %q", Begin)
	}
	_, tail, ok := strings.Cut(rest, End)
	if !ok {
		return "", fmt.Errorf("the README has no line %q after %q", End, Begin)
	}
	return head + Begin + "\n\n" + Circumstances(r) + "\n![Ratios](results/results.svg)\n\n" + Summary(r) + "\n" + End + tail, nil
}
