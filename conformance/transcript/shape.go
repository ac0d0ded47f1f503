package transcript

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Shape describes a JSON document by its keys and the types of their values,
// one line a key. Values of the keys in keep are shown (lists sorted), keys in
// drop are left out, at any depth. Elements of an array are merged into one description.
func Shape(doc []byte, keep, drop []string) ([]string, error) {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return nil, fmt.Errorf("body is no JSON: %w", err)
	}
	s := &shaper{keep: keep, drop: append([]string{"dunlin"}, drop...), types: map[string]map[string]bool{}}
	s.walk("", v, "")
	paths := make([]string, 0, len(s.types))
	for p := range s.types {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	lines := make([]string, 0, len(paths))
	for _, p := range paths {
		var kinds []string
		for k := range s.types[p] {
			kinds = append(kinds, k)
		}
		slices.Sort(kinds)
		lines = append(lines, p+": "+strings.Join(kinds, "|"))
	}
	return lines, nil
}

type shaper struct {
	keep, drop []string
	types      map[string]map[string]bool
}

func (s *shaper) add(path, kind string) {
	if path == "" {
		path = "."
	}
	if s.types[path] == nil {
		s.types[path] = map[string]bool{}
	}
	s.types[path][kind] = true
}

// sorted puts a list of texts in order: lists of names have none in the answers.
func sorted(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	return slices.SortedFunc(slices.Values(list), func(a, b any) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
}

func (s *shaper) walk(path string, v any, key string) {
	if slices.Contains(s.keep, key) {
		text, err := json.Marshal(sorted(v))
		if err != nil {
			text = []byte(err.Error())
		}
		s.add(path, string(text))
		return
	}
	switch v := v.(type) {
	case map[string]any:
		s.add(path, "object")
		for k, inner := range v {
			if !slices.Contains(s.drop, k) {
				s.walk(strings.TrimPrefix(path+"."+k, "."), inner, k)
			}
		}
	case []any:
		s.add(path, "array")
		for _, inner := range v {
			s.walk(path+"[]", inner, "")
		}
	case string:
		s.add(path, "string")
	case float64:
		s.add(path, "number")
	case bool:
		s.add(path, "bool")
	case nil:
		s.add(path, "null")
	}
}
