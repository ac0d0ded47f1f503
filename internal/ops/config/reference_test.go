package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "configuration.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	compareGolden(t, path, Reference())
}

// walk calls f for every key of the table once.
func walk(t *testing.T, f func(path string, k *key)) {
	t.Helper()
	seen := make(map[*schema]bool)
	var visit func(s *schema, path string)
	visit = func(s *schema, path string) {
		if seen[s] {
			return
		}
		seen[s] = true
		names := make(map[string]bool)
		keys := s.keys
		if s.free != nil {
			keys = append(keys[:len(keys):len(keys)], s.free)
		}
		for _, k := range keys {
			for _, n := range k.names() {
				if names[n] {
					t.Errorf("%s: %s stands twice", path, n)
				}
				if n != strings.ToLower(n) {
					t.Errorf("%s: %s is not lower case, so that no file can match it", path, n)
				}
				names[n] = true
			}
			f(path+"."+k.name, k)
			if k.inner != nil {
				visit(k.inner, path+"."+k.name)
			}
		}
	}
	visit(&top, "")
}

// Every row says what it is for, and what is served now goes somewhere.
func TestTableIsComplete(t *testing.T) {
	count := 0
	walk(t, func(path string, k *key) {
		count++
		if k.doc == "" || k.takes == 0 {
			t.Errorf("%s: no doc or no type", path)
		}
		if k.takes&tMap != 0 && k.inner == nil && k.set == nil {
			t.Errorf("%s takes a map whose keys nobody checks", path)
		}
	})
	for _, k := range top.keys {
		if k.later == "" && k.bind == nil && k.set == nil && k.close == nil && k.name != "proxies" {
			t.Errorf("%s is served, and stored nowhere", k.name)
		}
	}
	if count < 250 {
		t.Errorf("the table has %d keys; it had more", count)
	}
}
