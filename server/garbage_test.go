//go:build !race

package server_test

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestListOfSubscriptionsLeavesLittleGarbage: the collector's turns are what
// messages wait for, so a connection on the page may not cost a batch's buffer.
func TestListOfSubscriptionsLeavesLittleGarbage(t *testing.T) {
	testkit.NothingLeft(t)
	s := testkit.StartLogging(t, &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, slog.LevelError)
	const many = 300
	for range many {
		c := testkit.Join(t, s.Address(), "")
		c.Send("SUB a.b 1\r\n")
		c.Sync()
	}
	var least uint64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if n := strings.Count(s.Text(t, "/connz?subs=1"), `"a.b"`); n != many {
			t.Fatalf("%d connections on the page, want %d", n, many)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; least == 0 || n < least {
			least = n
		}
	}
	// A batch's buffer has 8 KB; what remains is the reading side of this test.
	if most := uint64(many * 4 << 10); least > most {
		t.Errorf("%d bytes of garbage for a page of %d connections, the bound is %d", least, many, most)
	}
	t.Logf("%d bytes a connection", least/many)
}
