package scenario

import (
	"testing"
	"time"

	"dunlin/bench/internal/load"
)

func TestTableIsConsistent(t *testing.T) {
	for _, set := range Sets {
		t.Run(set, func(t *testing.T) { consistent(t, set) })
	}
	if Table("other") != nil {
		t.Error("there is a set nobody named")
	}
}

func consistent(t *testing.T, set string) {
	seen := map[string]bool{}
	for _, r := range Table(set) {
		if seen[r.Name] {
			t.Errorf("%s: two rows have this name", r.Name)
		}
		seen[r.Name] = true
		if r.Title == "" || r.Unit == "" || len(r.Checks) == 0 && set != Scaling {
			t.Errorf("%s: title, unit or checks are missing", r.Name)
		}
		yields := map[Metric]bool{CPU: true, Throughput: true}
		switch r.Load.Kind {
		case load.Request:
			yields[P50], yields[P99], yields[P999] = true, true, true
		case load.Idle, load.Subscriptions:
			yields[RSS], yields[Anon] = true, true
		case load.Interest, load.Restart:
			yields[RSS], yields[Anon], yields[Time] = true, true, true
		}
		yields[Others] = r.Load.Stall || r.Load.ChurnLater
		if (set == Core) != (r.Nodes == 0) {
			t.Errorf("%s: %d nodes", r.Name, r.Nodes)
		}
		if len(r.Mix) != 0 && len(r.Mix) != r.Nodes {
			t.Errorf("%s: a mix of %d for %d nodes", r.Name, len(r.Mix), r.Nodes)
		}
		for _, c := range r.Checks {
			if !yields[c.Metric] {
				t.Errorf("%s: checks %s, which its load does not yield", r.Name, c.Metric)
			}
			if c.Floor <= 0 {
				t.Errorf("%s: %s has no floor", r.Name, c.Metric)
			}
			if c.Against == Reference && r.Variant == Plain {
				t.Errorf("%s: a plain row has no reference", r.Name)
			}
		}
		// Nothing may be asked for that gets a server to disconnect a subscriber.
		if r.Load.Window > 16<<20 {
			t.Errorf("%s: window of %d bytes", r.Name, r.Load.Window)
		}
	}
}

func TestEveryMessagingRowAlsoRunsWithPermissions(t *testing.T) {
	names := map[string]Variant{}
	for _, r := range Table(Core) {
		names[r.Name] = r.Variant
	}
	for _, r := range messaging() {
		if names[r.Name+"-permissions"] != Permissions {
			t.Errorf("%s has no row with permissions", r.Name)
		}
	}
}

func TestWithStretches(t *testing.T) {
	r := Row{Stretch: 3}.With(time.Second, 2*time.Second)
	if r.Load.Warmup != time.Second || r.Load.Duration != 6*time.Second {
		t.Errorf("%+v", r.Load)
	}
}
