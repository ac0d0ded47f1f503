package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// dial connects nats.go with options and closes with the test.
func dial(t *testing.T, s *served, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.url(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got fails if a value is not the wanted one.
func got[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestGoClientSeesTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t, "max_payload: 2048\nclient_advertise: \"127.0.0.1:4333\"")
	nc := dial(t, s, nats.Name("seer"))
	got(t, "name", nc.ConnectedServerName(), "S1")
	got(t, "version", nc.ConnectedServerVersion(), "2.15.2")
	got(t, "max payload", nc.MaxPayload(), 2048)
	got(t, "headers", nc.HeadersSupported(), true)
	got(t, "auth", nc.AuthRequired(), false)
	got(t, "tls", nc.TLSRequired(), false)
	got(t, "length of the id", len(nc.ConnectedServerId()), 56)
	if id, err := nc.GetClientID(); err != nil || id == 0 {
		t.Errorf("client id %d, %v", id, err)
	}
	if ip, err := nc.GetClientIP(); err != nil || !ip.IsLoopback() {
		t.Errorf("client ip %v, %v", ip, err)
	}
	if rtt, err := nc.RTT(); err != nil || rtt <= 0 {
		t.Errorf("rtt %v, %v", rtt, err)
	}
}

func TestGoClientSubscriptions(t *testing.T) {
	t.Parallel()
	nc := dial(t, serve(t, ""))
	plain, err := nc.SubscribeSync("s.*")
	must(t, err)
	async := make(chan *nats.Msg, 10)
	_, err = nc.Subscribe("s.a", func(m *nats.Msg) { async <- m })
	must(t, err)
	channel := make(chan *nats.Msg, 10)
	_, err = nc.ChanSubscribe("s.>", channel)
	must(t, err)
	queue := make(chan *nats.Msg, 10)
	for range 3 {
		_, err = nc.ChanQueueSubscribe("s.a", "workers", queue)
		must(t, err)
	}
	must(t, nc.Publish("s.a", []byte("hello")))
	m, err := plain.NextMsg(soon)
	must(t, err)
	got(t, "data", string(m.Data), "hello")
	got(t, "async", receive(t, async, "the async message").Subject, "s.a")
	got(t, "channel", string(receive(t, channel, "the message of the channel").Data), "hello")
	got(t, "queue", string(receive(t, queue, "the message of the group").Data), "hello")
	must(t, nc.Flush())
	got(t, "further messages of the group", len(queue), 0)

	must(t, plain.Unsubscribe())
	must(t, nc.Publish("s.a", nil))
	receive(t, channel, "a message after unsubscribe")
	if _, err := plain.NextMsg(time.Millisecond); !errors.Is(err, nats.ErrBadSubscription) {
		t.Errorf("NextMsg after unsubscribe: %v", err)
	}
}

func TestGoClientAutoUnsubscribe(t *testing.T) {
	t.Parallel()
	nc := dial(t, serve(t, ""))
	sub, err := nc.SubscribeSync("a")
	must(t, err)
	must(t, sub.AutoUnsubscribe(3))
	for range 10 {
		must(t, nc.Publish("a", nil))
	}
	must(t, nc.Flush())
	for range 3 {
		_, err := sub.NextMsg(soon)
		must(t, err)
	}
	if _, err := sub.NextMsg(soon); !errors.Is(err, nats.ErrMaxMessages) {
		t.Errorf("fourth message: %v", err)
	}
}

func TestGoClientRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	service, nc := dial(t, s), dial(t, s)
	_, err := service.QueueSubscribe("svc", "q", func(m *nats.Msg) {
		reply := nats.NewMsg(m.Reply)
		reply.Header.Set("Echo", m.Header.Get("Ask"))
		reply.Data = append([]byte("re: "), m.Data...)
		_ = m.RespondMsg(reply)
	})
	must(t, err)
	must(t, service.Flush())
	msg := nats.NewMsg("svc")
	msg.Header.Set("Ask", "why")
	msg.Data = []byte("x")
	m, err := nc.RequestMsg(msg, soon)
	must(t, err)
	got(t, "data", string(m.Data), "re: x")
	got(t, "header", m.Header.Get("Echo"), "why")
	for i := range 100 {
		m, err := nc.Request("svc", fmt.Append(nil, i), soon)
		must(t, err)
		got(t, "data", string(m.Data), fmt.Sprintf("re: %d", i))
	}
	old := dial(t, s, nats.UseOldRequestStyle())
	m, err = old.Request("svc", []byte("y"), soon)
	must(t, err)
	got(t, "old style", string(m.Data), "re: y")
}

func TestGoClientNoResponders(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	nc := dial(t, s)
	if _, err := nc.Request("nobody", nil, soon); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("request to nobody: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, err := nc.RequestWithContext(ctx, "nobody", nil); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("request with context: %v", err)
	}
	other := dial(t, s)
	_, err := other.SubscribeSync("silent")
	must(t, err)
	must(t, other.Flush())
	if _, err := nc.Request("silent", nil, 50*time.Millisecond); !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("request to a silent responder: %v", err)
	}
}

func TestGoClientHeaders(t *testing.T) {
	t.Parallel()
	nc := dial(t, serve(t, ""))
	sub, err := nc.SubscribeSync("h")
	must(t, err)
	msg := &nats.Msg{Subject: "h", Header: nats.Header{"Many": {"1", "2"}, "lower": {"x"}, "Empty": {""}}, Data: []byte("body")}
	must(t, nc.PublishMsg(msg))
	m, err := sub.NextMsg(soon)
	must(t, err)
	got(t, "values", strings.Join(m.Header["Many"], ","), "1,2")
	got(t, "case", m.Header["lower"][0], "x")
	got(t, "empty", m.Header["Empty"][0], "")
	got(t, "body", string(m.Data), "body")
}

func TestGoClientDrain(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	closed := make(chan error, 1)
	nc := dial(t, s, nats.ClosedHandler(func(c *nats.Conn) { closed <- c.LastError() }))
	publisher := dial(t, s)
	var count atomic.Int32
	sub, err := nc.Subscribe("d", func(*nats.Msg) { count.Add(1) })
	must(t, err)
	must(t, nc.Flush())
	for range 500 {
		must(t, publisher.Publish("d", []byte("x")))
	}
	must(t, publisher.Flush())
	must(t, sub.Drain())
	must(t, nc.Drain())
	if err := receive(t, closed, "the end of the drain"); err != nil {
		t.Errorf("drain ended with %v", err)
	}
	got(t, "messages before the end", count.Load(), 500)
	if _, err := publisher.Request("d", nil, soon); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("after drain: %v", err)
	}
}

func TestGoClientReconnects(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	lost, back := make(chan error, 4), make(chan string, 4)
	nc := dial(t, s, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err }),
		nats.ReconnectHandler(func(c *nats.Conn) { back <- c.ConnectedServerId() }))
	sub, err := nc.SubscribeSync("r.*")
	must(t, err)
	limited, err := nc.SubscribeSync("r.x")
	must(t, err)
	must(t, limited.AutoUnsubscribe(2))
	must(t, nc.Publish("r.x", []byte("before")))
	must(t, nc.Flush())
	first := nc.ConnectedServerId()

	s.Kill()
	receive(t, lost, "the disconnect")
	must(t, nc.Publish("r.x", []byte("meanwhile"))) // kept by the client until it is back
	s.start()
	if id := receive(t, back, "the reconnect"); id == first {
		t.Errorf("a new server has the id of the old one: %s", id)
	}
	must(t, nc.Publish("r.x", []byte("after")))
	must(t, nc.Flush())
	for _, want := range []string{"before", "meanwhile", "after"} {
		m, err := sub.NextMsg(soon)
		must(t, err)
		got(t, "data", string(m.Data), want)
	}
	for _, want := range []string{"before", "meanwhile"} {
		m, err := limited.NextMsg(soon)
		must(t, err)
		got(t, "limited", string(m.Data), want)
	}
	got(t, "reconnects", nc.Stats().Reconnects, 1)
}

func TestGoClientMaxPayload(t *testing.T) {
	t.Parallel()
	nc := dial(t, serve(t, "max_payload: 100"))
	if err := nc.Publish("a", make([]byte, 101)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("publish over the limit: %v", err)
	}
	must(t, nc.Publish("a", make([]byte, 100)))
	must(t, nc.Flush())
}

func TestGoClientPermissions(t *testing.T) {
	t.Parallel()
	s := serve(t, `authorization { users: [ {user: a, password: a, permissions: {publish: "ok", subscribe: ["ok", "_INBOX.>"]}} ] }`)
	failures := make(chan error, 4)
	nc := dial(t, s, nats.UserInfo("a", "a"), nats.PermissionErrOnSubscribe(true),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { failures <- err }))
	must(t, nc.Publish("no", nil))
	if err := receive(t, failures, "the publish error"); !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), `Publish to "no"`) {
		t.Errorf("publish: %v", err)
	}
	sub, err := nc.SubscribeSync("no")
	must(t, err)
	if err := receive(t, failures, "the subscribe error"); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("subscribe: %v", err)
	}
	if _, err := sub.NextMsg(soon); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("NextMsg: %v", err)
	}
	got(t, "still connected", nc.IsConnected(), true)
}

func TestGoClientSlowConsumer(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	failures := make(chan error, 1)
	nc := dial(t, s, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case failures <- err:
		default:
		}
	}))
	release := make(chan struct{})
	sub, err := nc.Subscribe("s", func(*nats.Msg) { <-release })
	must(t, err)
	defer close(release)
	must(t, sub.SetPendingLimits(5, -1))
	for range 50 {
		must(t, nc.Publish("s", []byte("x")))
	}
	must(t, nc.Flush())
	if err := receive(t, failures, "the slow consumer error"); !errors.Is(err, nats.ErrSlowConsumer) {
		t.Errorf("got %v", err)
	}
	dropped, err := sub.Dropped()
	must(t, err)
	if dropped == 0 {
		t.Error("nothing dropped")
	}
}

func TestGoClientAnswersPings(t *testing.T) {
	t.Parallel()
	s := serve(t, "ping_interval: \"300ms\"\nping_max: 1")
	back := make(chan struct{}, 4)
	nc := dial(t, s, nats.PingInterval(time.Minute), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	must(t, nc.Flush())
	// nats.go answers PINGs, so it stays for several intervals.
	sub, err := nc.SubscribeSync("a")
	must(t, err)
	if _, err := sub.NextMsg(1200 * time.Millisecond); !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("NextMsg: %v", err)
	}
	got(t, "reconnects", len(back), 0)
	got(t, "connected", nc.IsConnected(), true)
}

func TestGoClientStats(t *testing.T) {
	t.Parallel()
	nc := dial(t, serve(t, ""))
	sub, err := nc.SubscribeSync("a")
	must(t, err)
	for range 10 {
		must(t, nc.Publish("a", make([]byte, 100)))
	}
	for range 10 {
		_, err := sub.NextMsg(soon)
		must(t, err)
	}
	stats := nc.Stats()
	got(t, "in messages", stats.InMsgs, 10)
	got(t, "out messages", stats.OutMsgs, 10)
	got(t, "in bytes", stats.InBytes, 1000)
	delivered, err := sub.Delivered()
	must(t, err)
	got(t, "delivered", delivered, 10)
}

func TestGoClientNoEcho(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	nc, other := dial(t, s, nats.NoEcho()), dial(t, s)
	sub, err := nc.SubscribeSync("a")
	must(t, err)
	must(t, nc.Publish("a", []byte("own")))
	must(t, nc.Flush())
	must(t, other.Publish("a", []byte("other")))
	m, err := sub.NextMsg(soon)
	must(t, err)
	got(t, "first message", string(m.Data), "other")
}

func TestGoClientService(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	nc, user := dial(t, s), dial(t, s)
	service, err := micro.AddService(nc, micro.Config{Name: "adder", Version: "1.0.0",
		Endpoint: &micro.EndpointConfig{Subject: "add", Handler: micro.HandlerFunc(func(r micro.Request) {
			if len(r.Data()) == 0 {
				_ = r.Error("400", "no numbers", nil)
				return
			}
			_ = r.Respond([]byte("3"))
		})}})
	must(t, err)
	t.Cleanup(func() { _ = service.Stop() })
	must(t, nc.Flush())
	m, err := user.Request("add", []byte("1 2"), soon)
	must(t, err)
	got(t, "sum", string(m.Data), "3")
	m, err = user.Request("add", nil, soon)
	must(t, err)
	got(t, "error header", m.Header.Get("Nats-Service-Error-Code"), "400")
	for _, verb := range []string{"PING", "INFO.adder", "STATS.adder"} {
		m, err := user.Request("$SRV."+verb, nil, soon)
		must(t, err)
		if !strings.Contains(string(m.Data), `"name":"adder"`) {
			t.Errorf("%s: %s", verb, m.Data)
		}
	}
}

func TestGoClientLargeMessages(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	nc, publisher := dial(t, s), dial(t, s)
	sub, err := nc.SubscribeSync("big")
	must(t, err)
	must(t, nc.Flush())
	for size := 1; size <= 1<<20; size *= 4 {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7)
		}
		must(t, publisher.Publish("big", data))
		m, err := sub.NextMsg(soon)
		must(t, err)
		got(t, fmt.Sprintf("payload of %d bytes intact", size), string(m.Data) == string(data), true)
	}
}
