package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dunlin/internal/core/mapping"
	"dunlin/internal/proto/conflang"
	"dunlin/internal/proto/subject"
)

// mappings reads a map from source subject to destination: a subject, a map
// with destination and weight, or an array of such maps.
func (r *reader) mappings(v *conflang.Value, path string) []mapping.Rule {
	var rules []mapping.Rule
	for _, e := range v.Map.Entries() {
		if !subject.Valid(e.Key) {
			r.fail(e.Pos, "the source %q in %s is not a valid subject; expected tokens between points, without blanks", e.Key, path)
			continue
		}
		rule := mapping.Rule{Source: e.Key}
		ok := true
		switch e.Value.Kind {
		case conflang.String:
			rule.Destinations = []mapping.Destination{{Subject: e.Value.Str, Weight: 100}}
		case conflang.Object:
			ok = r.destination(&rule, e.Value, path)
		case conflang.Array:
			for _, item := range e.Value.Items {
				if item.Kind != conflang.Object {
					r.fail(item.Pos, "an entry for %q in %s is %s; expected a map with destination and weight", e.Key, path, item.Kind)
					ok = false
					continue
				}
				ok = r.destination(&rule, item, path) && ok
			}
		default:
			r.fail(e.Value.Pos, "the mapping of %q in %s is %s; expected a subject, a map with destination and weight, or an array of such maps", e.Key, path, e.Value.Kind)
			continue
		}
		if !ok || len(rule.Destinations) == 0 {
			continue
		}
		if err := checkRule(&rule); err != nil {
			r.fail(e.Value.Pos, "the mapping of %q in %s cannot be used: %v", e.Key, path, err)
			continue
		}
		rules = append(rules, rule)
	}
	return rules
}

// destination reads one map with destination and weight into the rule.
func (r *reader) destination(rule *mapping.Rule, v *conflang.Value, path string) bool {
	d := mapping.Destination{}
	var weighed bool
	for _, e := range v.Map.Entries() {
		switch strings.ToLower(e.Key) {
		case "destination", "dest":
			if e.Value.Kind != conflang.String {
				r.fail(e.Value.Pos, "the destination of %q in %s is %s; expected a subject", rule.Source, path, e.Value.Kind)
				return false
			}
			d.Subject = e.Value.Str
		case "weight":
			w, ok := percent(e.Value)
			if !ok {
				r.fail(e.Value.Pos, "the weight for %q in %s is out of range; expected 0 to 100, or \"0%%\" to \"100%%\"", rule.Source, path)
				return false
			}
			d.Weight, weighed = uint8(w), true
		case "cluster":
			if e.Value.Kind != conflang.String {
				r.fail(e.Value.Pos, "the cluster for %q in %s is %s; expected a name", rule.Source, path, e.Value.Kind)
				return false
			}
			d.Cluster = e.Value.Str
		default:
			if !e.Used {
				r.fail(e.Pos, "unknown key %q for the destination of %q in %s; expected destination, weight or cluster", e.Key, rule.Source, path)
				return false
			}
		}
	}
	if !weighed {
		r.fail(v.Pos, "a destination of %q in %s has no weight; expected 0 to 100", rule.Source, path)
		return false
	}
	rule.Destinations = append(rule.Destinations, d)
	return true
}

// percent reads 30, "30" or "30%".
func percent(v *conflang.Value) (int64, bool) {
	n := v.Int
	switch v.Kind {
	case conflang.Int:
	case conflang.String:
		var err error
		if n, err = strconv.ParseInt(strings.TrimSuffix(v.Str, "%"), 10, 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return n, n >= 0 && n <= 100
}

func percentage(low int64) func(*conflang.Value) string {
	return func(v *conflang.Value) string {
		if n, ok := percent(v); !ok || n < low {
			return fmt.Sprintf("is no percentage; expected %d to 100, or \"100%%\"", low)
		}
		return ""
	}
}

// checkRule looks at a rule as a whole. What is wrong with a transform is said
// by the room that runs it, without naming the source once more.
func checkRule(rule *mapping.Rule) error {
	sum := make(map[string]int)
	seen := make(map[string]bool)
	for _, d := range rule.Destinations {
		if seen[d.Subject] {
			return fmt.Errorf("the destination %q is listed twice; expected each once", d.Subject)
		}
		seen[d.Subject] = true
		if sum[d.Cluster] += int(d.Weight); sum[d.Cluster] > 100 {
			return fmt.Errorf("the weights add up to %d; expected at most 100", sum[d.Cluster])
		}
	}
	_, err := mapping.Compile([]mapping.Rule{*rule})
	var one *mapping.RuleError
	if errors.As(err, &one) && one.Destination != "" {
		return fmt.Errorf("destination %q: %w", one.Destination, one.Err)
	}
	return err
}
