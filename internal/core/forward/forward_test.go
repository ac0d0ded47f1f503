package forward

import "testing"

// TestOneHop: what came from another server goes to no third one.
func TestOneHop(t *testing.T) {
	for _, c := range []struct {
		origin, interest Kind
		want             bool
	}{
		{Client, Client, true},
		{Client, Route, true},
		{Route, Client, true},
		{Route, Route, false},
	} {
		if got := Reaches(c.origin, c.interest); got != c.want {
			t.Errorf("from %v to %v: %v, want %v", c.origin, c.interest, got, c.want)
		}
	}
	if Reroutes(Client) || !Reroutes(Route) {
		t.Error("only what a route brought for a queue group is offered elsewhere")
	}
}
