package transcript

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Golden is the recorded transcripts of one area, by script name.
type Golden map[string][]string

const header = "# Recorded from nats-server %s by \"go test -run TestScripts -update\". Do not edit.\n"

// ReadGolden reads the transcripts of an area. A missing file is an empty area.
func ReadGolden(path string) (Golden, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return Golden{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read golden transcripts: %w", err)
	}
	g := Golden{}
	name := ""
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "=== "):
			name = strings.TrimPrefix(line, "=== ")
			g[name] = []string{}
		case name == "" || line == "":
		default:
			g[name] = append(g[name], line)
		}
	}
	return g, nil
}

// Write keeps the transcripts of an area, in the order of names.
func (g Golden) Write(path, version string, names []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, header, version)
	for _, name := range names {
		lines, ok := g[name]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "\n=== %s\n%s\n", name, strings.Join(lines, "\n"))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write golden transcripts: %w", err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write golden transcripts: %w", err)
	}
	return nil
}
