package testkit

import (
	"testing"
	"time"
)

// Patience is how long a test waits for what should happen at once. It is
// generous: the machine may be busy, and only a failing test waits so long.
const Patience = 20 * time.Second

// Eventually waits until cond holds, and fails the test if it never does. what
// ends the sentence "never: ...".
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !Within(Patience, cond) {
		t.Fatalf("never: %s", what)
	}
}

// Within reports whether cond comes to hold before d has passed.
func Within(d time.Duration, cond func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(d)
	for !cond() {
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
	return true
}
