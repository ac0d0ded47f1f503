package server_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"dunlin/internal/core/perm"
	"dunlin/internal/ops/config"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestClusterInterestDuringReload: while permissions of the cluster change again and
// again, clients subscribe to what all of them allow, and some go; the other server
// comes to know exactly what there is.
func TestClusterInterestDuringReload(t *testing.T) {
	deny := func(i int) *config.RoutePermissions {
		return &config.RoutePermissions{Import: &perm.Subjects{Allow: []string{">"}, Deny: []string{fmt.Sprint("never.", i)}}}
	}
	n := formLogging(t, 1, slog.LevelInfo, func(_ int, o *server.Options) { o.Cluster.Permissions = deny(0) })
	n = append(n, n.start(t, 1, slog.LevelInfo, nil))
	n.settled(t, defaultRoutes)
	subs := testkit.Join(t, n[0].Address(), "")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			o := testkit.Local(&server.Options{ServerName: "n0", HTTPHost: "127.0.0.1", HTTPPort: -1})
			o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}, Permissions: deny(i)}
			if err := n[0].ReloadOptions(o); err != nil {
				t.Error(err)
			}
		}
	}()
	const many, step, lag = 20_000, 200, 1000
	want := map[string]bool{}
	for from := 0; from < many; from += step {
		var b strings.Builder
		for i := from; i < from+step; i++ {
			fmt.Fprintf(&b, "SUB a.%d %d\r\n", i, i)
			want[fmt.Sprint("a.", i)] = true
			if gone := i - lag; i%10 == 9 && gone >= 0 { // told a while ago
				fmt.Fprintf(&b, "UNSUB %d\r\n", gone)
				delete(want, fmt.Sprint("a.", gone))
			}
		}
		subs.Send("%s", b.String())
		subs.Sync()
	}
	close(stop)
	<-ended
	var lost, stale []string
	agrees := func() bool {
		var page struct {
			Routes []struct {
				List []string `json:"subscriptions_list"`
			} `json:"routes"`
		}
		n[1].Page(t, "/routez?subs=1", &page)
		lost, stale = nil, nil
		there := map[string]bool{}
		for _, r := range page.Routes {
			for _, s := range r.List {
				if there[s] = true; !want[s] {
					stale = append(stale, s)
				}
			}
		}
		for s := range want {
			if !there[s] {
				lost = append(lost, s)
			}
		}
		return len(lost)+len(stale) == 0
	}
	if !testkit.Within(testkit.Patience, agrees) {
		t.Errorf("the other server does not know of %d subscriptions and believes in %d that are gone, such as %.3q and %.3q",
			len(lost), len(stale), lost[:min(len(lost), 3)], stale[:min(len(stale), 3)])
	}
}
