package server_test

import (
	"runtime"
	"testing"

	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestClusterStrangerGetsNoRoom: the size that a stranger claims makes nobody allocate
// it: the connection ends.
func TestClusterStrangerGetsNoRoom(t *testing.T) {
	n := form(t, 1, func(_ int, o *server.Options) { o.Cluster.Username, o.Cluster.Password = "u", "p" })
	for _, line := range []string{"RMSG $G x 60000000\r\nx", "PUB x 60000000\r\nx", "HMSG $G x 10 60000000\r\nx"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p := testkit.Open(t, n[0].ClusterAddr().String())
		p.Send("%s", line)
		p.Rest() // closed
		runtime.ReadMemStats(&after)
		if d := after.TotalAlloc - before.TotalAlloc; d > 16<<20 {
			t.Errorf("%q made the server allocate %d MB", line, d>>20)
		}
	}
}
