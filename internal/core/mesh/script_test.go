package mesh

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScripts tells the stories of testdata: events of one server, and what it
// does. Each file begins with "new".
//
//	new id=.. name=.. cluster=.. [dynamic] [dunlin] [routes=a,b] [pool=3] [accounts=a,b] [backoff] [retries=n] [no-advertise] [urls=..] [ip=..]
//	wait 1.2s [refused]       lets time go by, and ticks whenever something is due; refused: nobody answers, and dials are counted
//	dialed 1 [err=..] · accepted · connect 2 id=.. · info 2 id=.. · check 2 id=.. · confirmed 1 · closed 1 · error 1 text=..
//	reload (as new) · lame-duck · next (in whole tenths of a second, rounded down)
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &story{now: time.Unix(1_000_000, 0)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			for _, line := range strings.Split(strings.TrimSpace(d.Cmd+argText(d)+"\n"+d.Input), "\n") {
				s.line(t, d, line)
			}
			if s.out.Len() == 0 {
				return "nothing"
			}
			return s.out.String()
		})
	})
}

func argText(d *datadriven.TestData) string {
	text := ""
	for _, a := range d.CmdArgs {
		text += " " + a.Key
		if len(a.Vals) > 0 {
			text += "=" + strings.Join(a.Vals, ",")
		}
	}
	return text
}

type story struct {
	m   *Mesh
	now time.Time
	out strings.Builder
}

// fields are the words of a line: key=value or key.
type fields map[string]string

func (f fields) list(key string) []string {
	if f[key] == "" {
		return nil
	}
	return strings.Split(f[key], ",")
}

func (f fields) int(key string) int {
	n, _ := strconv.Atoi(f[key])
	return n
}

func (f fields) has(key string) bool { _, ok := f[key]; return ok }

func (s *story) line(t *testing.T, d *datadriven.TestData, line string) {
	words := strings.Fields(line)
	f := fields{}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		f[key] = strings.ReplaceAll(value, "_", " ")
	}
	var conn ConnID
	if len(words) > 1 {
		n, _ := strconv.Atoi(words[1])
		conn = ConnID(n)
	}
	switch words[0] {
	case "new":
		self := Self{ID: f["id"], Name: f["name"], Cluster: f["cluster"], Dynamic: f.has("dynamic")}
		if f.has("dunlin") {
			self.Version, self.Lanes = "1.0", true
		}
		s.m = New(self, options(f))
		s.print(s.m.Tick(s.now))
	case "wait":
		s.wait(t, words[1], f.has("refused"))
	case "dialed":
		var err error
		if f["err"] != "" {
			err = errors.New(f["err"])
		}
		s.print(s.m.Dialed(s.now, conn, err))
	case "accepted":
		id, effects := s.m.Accepted(s.now)
		fmt.Fprintf(&s.out, "it is %d\n", id)
		s.print(effects)
	case "connect":
		s.print(s.m.Connect(s.now, conn, Connect{ID: f["id"], Cluster: f["cluster"], Dynamic: f.has("dynamic"), Lang: f["lang"], Gateway: f["gateway"]}))
	case "info":
		s.print(s.m.Info(s.now, conn, infoOf(f)))
	case "check":
		s.print(s.m.Check(s.now, conn, infoOf(f)))
	case "confirmed":
		s.print(s.m.Confirmed(s.now, conn))
	case "closed":
		s.print(s.m.Closed(s.now, conn))
	case "error":
		s.print(s.m.RemoteError(s.now, conn, f["text"]))
	case "lame-duck":
		s.print(s.m.LameDuck(s.now))
	case "reload":
		effects, err := s.m.Reload(s.now, options(f))
		if err != nil {
			fmt.Fprintf(&s.out, "refused: %v\n", err)
		}
		s.print(effects)
	case "next":
		if at, ok := s.m.Next(); ok {
			fmt.Fprintf(&s.out, "in %v\n", at.Sub(s.now).Truncate(100*time.Millisecond))
		}
	default:
		d.Fatalf(t, "unknown event %q", line)
	}
}

func (s *story) wait(t *testing.T, text string, refused bool) {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	end := s.now.Add(d)
	dials := map[string]int{}
	for {
		at, ok := s.m.Next()
		if !ok || at.After(end) {
			break
		}
		if at.After(s.now) {
			s.now = at
		}
		for _, e := range s.m.Tick(s.now) {
			if dial, ok := e.(Dial); ok && refused {
				dials[dial.Addr]++
				s.m.Dialed(s.now, dial.Conn, errors.New("refused"))
				continue
			}
			fmt.Fprintln(&s.out, describe(e))
		}
	}
	s.now = end
	for _, addr := range slices.Sorted(maps.Keys(dials)) {
		fmt.Fprintf(&s.out, "%s dialed %d times\n", addr, dials[addr])
	}
}

func options(f fields) Options {
	o := Options{
		Cluster: f["cluster"], Dynamic: f.has("dynamic"),
		Routes: f.list("routes"), Addresses: f.list("addresses"), PoolSize: -1, Accounts: f.list("accounts"),
		ConnectRetries: f.int("retries"), ConnectBackoff: f.has("backoff"), NoAdvertise: f.has("no-advertise"),
		ClientURLs: f.list("urls"), AdvertisedURL: f["ip"],
	}
	if f.has("pool") {
		o.PoolSize = f.int("pool")
	}
	return o
}

func infoOf(f fields) Info {
	info := Info{
		ID: f["id"], Name: f["name"], Version: "2.15.2", Cluster: f["cluster"], Dynamic: f.has("dynamic"),
		IP: f["ip"], ConnectURLs: f.list("urls"), PoolSize: f.int("pool"), PoolIdx: f.int("idx"),
		Account: f["account"], AccAddReqID: f["request"], GossipMode: f.int("mode"), LameDuck: f.has("ldm"), Gateway: f["gateway"],
	}
	if f.has("dunlin") {
		info.Dunlin, info.Lanes = "1.0", true
	}
	if f.has("version") {
		info.Version = f["version"]
	}
	return info
}

func (s *story) print(effects []Effect) {
	for _, e := range effects {
		fmt.Fprintln(&s.out, describe(e))
	}
}

func describe(effect Effect) string {
	switch e := effect.(type) {
	case Dial:
		text := fmt.Sprintf("dial %d %s%s attempt %d", e.Conn, e.Addr, slotText(e.Slot), e.Attempt)
		if e.Explicit {
			text += " configured"
		}
		if e.TLSHost != "" {
			text += " tls " + e.TLSHost
		}
		return text
	case Send:
		return fmt.Sprintf("send %d", e.Conn) + sendText(e)
	case Register:
		text := fmt.Sprintf("register %d %s %q%s pool %d", e.Conn, e.Peer.ID, e.Peer.Name, slotText(e.Slot), e.Peer.Pool)
		for _, x := range []struct {
			is   bool
			word string
		}{{e.First, "first"}, {e.Solicited, "solicited"}, {e.Configured, "configured"}} {
			if x.is {
				text += " " + x.word
			}
		}
		if e.Peer.Lanes {
			text += fmt.Sprintf(" lanes %012b", e.LaneMask)
		}
		return text
	case Close:
		text := fmt.Sprintf("close %d: %v", e.Conn, e.Reason)
		if e.Err != "" {
			text += fmt.Sprintf(", -ERR '%s'", e.Err)
		}
		if e.Log != "" && e.Log != e.Err {
			text += fmt.Sprintf(", %v %s", e.Level, e.Log)
		}
		return text
	case Forward:
		return fmt.Sprintf("forward INFO of %d%s to %s with ip %s, mode %d", e.About, slotText(Slot{Account: e.Account}), strings.Trim(fmt.Sprint(e.To), "[]"), e.IP, e.GossipMode)
	case ClientURLs:
		return "clients: " + strings.Join(e.URLs, " ")
	case ServerGone:
		return "gone: " + e.Peer.ID
	case PinnedRefused:
		return fmt.Sprintf("%s carries account %s in its pool", e.Peer, e.Account)
	case ClusterName:
		return "cluster is now " + e.Name
	case Log:
		return fmt.Sprintf("log %v: %s", e.Level, e.Text)
	}
	return fmt.Sprintf("%#v", effect)
}

func sendText(e Send) (text string) {
	if e.Connect != nil {
		text += " CONNECT " + e.Connect.Cluster
		if e.Connect.Dynamic {
			text += " dynamic"
		}
	}
	if i := e.Info; i != nil {
		text += fmt.Sprintf(" INFO %s", i.Cluster)
		for _, x := range []struct {
			is   bool
			word string
		}{
			{i.Dynamic, "dynamic"}, {i.PoolSize > 0, fmt.Sprintf("pool %d", i.PoolSize)}, {i.PoolIdx > 0, fmt.Sprintf("idx %d", i.PoolIdx)},
			{i.Account != "", "account " + i.Account}, {i.AccAddReqID != "", "request " + i.AccAddReqID},
			{i.GossipMode > 0, fmt.Sprintf("mode %d", i.GossipMode)}, {i.LameDuck, "ldm"},
			{len(i.ConnectURLs) > 0, "urls " + strings.Join(i.ConnectURLs, " ")},
		} {
			if x.is {
				text += " " + x.word
			}
		}
	}
	if e.Ping {
		text += " PING"
	}
	return text
}

func slotText(slot Slot) string {
	switch {
	case slot.Account != "":
		return " [" + slot.Account + "]"
	case slot.Index > 0:
		return fmt.Sprintf(" [%d]", slot.Index)
	}
	return ""
}

// TestAccountsAndLanes holds the choice of connections against route-17.
func TestAccountsAndLanes(t *testing.T) {
	for account, want := range map[string][4]int{
		"A": {0, 0, 2, 4}, "ACME": {1, 1, 3, 7}, "B": {1, 0, 4, 5}, "P0": {1, 0, 4, 5}, "P1": {0, 1, 0, 2},
		"P10": {0, 0, 0, 6}, "P11": {1, 2, 4, 1}, "Z-very-long-account-name-0001": {1, 1, 2, 3}, "orders": {0, 2, 0, 4},
	} {
		got := [4]int{AccountIndex(account, 2), AccountIndex(account, 3), AccountIndex(account, 5), AccountIndex(account, 8)}
		if got != want {
			t.Errorf("account %s uses %v of pools of 2, 3, 5, 8; recorded %v", account, got, want)
		}
		if i := AccountIndex(account, 0); i != 0 {
			t.Errorf("account %s uses index %d without a pool", account, i)
		}
	}
	for pool := range 20 {
		var all uint16
		for i := range max(pool, 1) {
			mask := LaneMask(i, pool)
			if all&mask != 0 {
				t.Errorf("pool %d: lanes %b are carried twice", pool, all&mask)
			}
			all |= mask
		}
		if all != 1<<12-1 {
			t.Errorf("pool %d carries lanes %b", pool, all)
		}
	}
	if !slices.Equal([]uint16{LaneMask(0, 3), LaneMask(2, 3)}, []uint16{0b001001001001, 0b100100100100}) {
		t.Error("lanes of a pool of 3")
	}
}
