package conformance

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

var (
	soak     = flag.Duration("soak", 6*time.Second, "how long the clusters of TestClusterSoak are shaken")
	soakSeed = flag.Uint64("soak-seed", 0, "what is done to them; 0 = chosen by the clock")
)

// Nodes of a cluster of five die, freeze, end and come back as another kind, one
// at a time and at random, while clients of the others go on: nothing is lost or
// doubled for those, and in the end every node knows the same.
func TestClusterSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	kinds := []composition{"ddddd", "dnddn"}
	if *real || *update {
		kinds = []composition{"nnnnn"}
	}
	t.Parallel()
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			t.Logf("-soak-seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 1))
			c := serveCluster(t, k, setup{seedAll: true})
			mixed := strings.Contains(string(k), "n") && strings.Contains(string(k), "d")
			events := 0
			for end := time.Now().Add(*soak); time.Now().Before(end) && !t.Failed(); events++ {
				shake(t, c, rnd, mixed)
			}
			t.Logf("%d events", events)
			if events == 0 {
				t.Error("nothing happened")
			}
			tablesAgree(t, c)
		})
	}
}

// shake does one thing to one node.
func shake(t *testing.T, c *cluster, rnd *rand.Rand, mixed bool) {
	t.Helper()
	victim, what := rnd.IntN(len(c.nodes)), rnd.IntN(4)
	kind := byte('n')
	if c.nodes[victim].binary.Name == "dunlin" {
		kind = 'd'
	}
	freeze := 100*time.Millisecond + time.Duration(rnd.IntN(700))*time.Millisecond
	settledWhile(t, c, victim, func() {
		n := c.nodes[victim]
		switch what {
		case 0:
			t.Logf("node %d is killed", victim)
			n.Kill()
			c.replace(victim, kind)
		case 1:
			t.Logf("node %d is frozen for %s", victim, freeze)
			must(t, n.Signal(syscall.SIGSTOP))
			thaw := time.NewTimer(freeze)
			<-thaw.C
			must(t, n.Signal(syscall.SIGCONT))
		case 2:
			t.Logf("node %d ends", victim)
			n.Stop()
			c.replace(victim, kind)
		case 3:
			if mixed {
				kind = "nd"[rnd.IntN(2)]
			}
			t.Logf("node %d goes on as %c", victim, kind)
			n.Stop()
			c.replace(victim, kind)
		}
		c.await(c.nodes...)
	})
}

// After subscriptions came and went everywhere, and nodes too, each node knows of
// each other what that one has, and no more.
func TestClusterTables(t *testing.T) {
	over(t, threes(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		tablesAgree(t, c)
		c.nodes[1].Kill()
		c.nodes[1].start()
		c.await(c.nodes...)
		tablesAgree(t, c)
	})
}

// tablesAgree subscribes on every node, takes half of it back, and compares what
// every other node says of it.
func tablesAgree(t *testing.T, c *cluster) {
	t.Helper()
	conns := c.dialAll()
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	want := make([][]string, len(conns))
	for i, nc := range conns {
		var gone []*nats.Subscription
		for n := range 40 {
			subject := fmt.Sprintf("table.%d.%d", i, n)
			var sub *nats.Subscription
			var err error
			switch n % 4 {
			case 0:
				sub, err = nc.SubscribeSync(subject)
			case 1:
				sub, err = nc.QueueSubscribeSync(subject, "g")
			case 2:
				subject += ".*"
				sub, err = nc.SubscribeSync(subject)
			case 3:
				subject += ".>"
				sub, err = nc.QueueSubscribeSync(subject, "h")
			}
			must(t, err)
			if n%3 == 0 {
				gone = append(gone, sub)
				continue
			}
			want[i] = append(want[i], subject)
		}
		for _, sub := range gone {
			must(t, sub.Unsubscribe())
		}
		slices.Sort(want[i])
	}
	known(t, conns...)
	for i := range c.nodes {
		for j := range c.nodes {
			if i == j {
				continue
			}
			var have []string
			within(t, soon, fmt.Sprintf("node %d knows what node %d wants", i, j), func() bool {
				have = interestOf(t, c.nodes[i], fmt.Sprintf("N%d", j))
				return slices.Equal(have, want[j])
			})
		}
	}
}

// interestOf is what a node says it has been told by a peer, without what servers
// want for themselves and without inboxes.
func interestOf(t *testing.T, n *served, peer string) []string {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/routez?subs=1", n.HTTP))
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	must(t, err)
	var routez struct {
		Routes []struct {
			Name string   `json:"remote_name"`
			Subs []string `json:"subscriptions_list"`
		} `json:"routes"`
	}
	must(t, json.Unmarshal(body, &routez))
	var out []string
	for _, r := range routez.Routes {
		if r.Name != peer {
			continue
		}
		for _, s := range r.Subs {
			if !strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "_INBOX") {
				out = append(out, s)
			}
		}
	}
	slices.Sort(out)
	return out
}
