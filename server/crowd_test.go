package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dunlin/internal/testkit"
)

// TestBurst: thousands of connections at once are all served, and a pair that
// was there before loses nothing meanwhile.
func TestBurst(t *testing.T) {
	testkit.NothingLeft(t)
	many := 10_000
	if race {
		many = 1_000
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if free := int(limit.Cur) - 200; many > free {
		t.Logf("only %d connections: the process may not have more open files", free)
		many = free
	}
	s := startChild(t, childOrder{})
	sub, pub := testkit.Join(t, s.addr, ""), testkit.Join(t, s.addr, "")
	sub.Send("SUB steady 1\r\n")
	sub.Sync()

	var failed []error
	var mu sync.Mutex
	conns := make([]net.Conn, many)
	var burst sync.WaitGroup
	for at := range 64 {
		burst.Go(func() {
			for i := at; i < many; i += 64 {
				nc, err := joinQuickly(s.addr)
				if err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
					return
				}
				conns[i] = nc
			}
		})
	}
	over := make(chan struct{})
	go func() { burst.Wait(); close(over) }()
	sent := 0
	for going := true; going; sent++ {
		select {
		case <-over:
			going = false
		default:
		}
		pub.Send("PUB steady 1\r\n.\r\n")
		sub.Want("MSG steady 1 1", ".")
	}
	for _, nc := range conns {
		if nc != nil {
			_ = nc.Close()
		}
	}
	if len(failed) > 0 {
		t.Fatalf("%d connections failed, the first with: %v", len(failed), failed[0])
	}
	if sent < 2 {
		t.Errorf("only %d messages went by meanwhile", sent)
	}
}

// joinQuickly connects, logs in and waits for the answer, with less memory
// than a testkit client takes.
func joinQuickly(addr string) (net.Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, testkit.Patience)
	if err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		return nc, err
	}
	if _, err := nc.Write([]byte("CONNECT {\"verbose\":false}\r\nPING\r\n")); err != nil {
		return nc, err
	}
	in := bufio.NewReaderSize(nc, 1024)
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == "PONG\r\n" {
			return nc, err
		}
	}
}

// TestOutOfFiles: when no file descriptor is left the server says so, does not
// spin, serves those it has, and takes new ones when there is room again.
func TestOutOfFiles(t *testing.T) {
	testkit.NothingLeft(t)
	const files = 48
	s := startChild(t, childOrder{Files: files})
	a := testkit.Join(t, s.addr, "")
	a.Send("SUB still 1\r\n")
	a.Sync()
	var crowd []net.Conn
	for range files * 3 { // the system accepts them; the server cannot
		nc, err := net.DialTimeout("tcp", s.addr, testkit.Patience)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, nc)
	}
	const complaint = "Cannot accept a client"
	start := time.Now()
	testkit.Eventually(t, "the server says that it cannot accept", func() bool { return s.logged(complaint) >= 3 })
	for range 100 {
		a.Send("PUB still 1\r\n.\r\n")
		a.Want("MSG still 1 1", ".")
	}
	// The pauses double from 10 ms on: the n-th complaint comes after 10 ms × 2^n.
	if n, d := s.logged(complaint), time.Since(start); n > 5 && d < 100*time.Millisecond {
		t.Errorf("%d complaints in %v: it does not back off", n, d)
	}
	for _, nc := range crowd {
		_ = nc.Close()
	}
	b := testkit.Join(t, s.addr, "")
	b.Send("PUB still 4\r\nback\r\n")
	a.Want("MSG still 1 4", "back")
}

// TestMemoryBeforeLogin: a thousand clients that have sent something and are
// not done hold less than 16 KB each, until crypto/tls has a hello to work on:
// what it keeps of that, with the stack it has needed, is more.
func TestMemoryBeforeLogin(t *testing.T) {
	testkit.NothingLeft(t)
	ca := testkit.NewAuthority(t)
	begun := `CONNECT {"user":"a","pass":"` + strings.Repeat("p", 4000)
	hello := helloOf(t, ca.Client())
	for _, kind := range []struct {
		name        string
		secure      bool
		text        string                // is sent in two parts
		then        func(*testkit.Client) // happens after that
		least, most int64                 // bytes; less than least is too little to be true
	}{
		{name: "in clear", text: begun, least: 2000, most: 16 << 10},
		{name: "silent when TLS starts", secure: true, least: 2000, most: 16 << 10},
		// A record of 4,100 bytes, of which the last ones do not come.
		{name: "half a hello", secure: true, text: "\x16\x03\x01\x10\x04\x01\x00\x10\x00\x03\x03" + strings.Repeat("h", 4000), least: 2000, most: 16 << 10},
		{name: "nearly the longest hello", secure: true, text: "\x16\x03\x01\x1f\xfb\x01\x00\x1f\xf7\x03\x03" + strings.Repeat("h", 8000), least: 4000, most: 16 << 10},
		{name: "a hello", secure: true, text: hello, least: 4000, most: 48 << 10},
		{name: "TLS and no CONNECT", secure: true, then: func(c *testkit.Client) { c.Secure(ca.Client()) }, least: 4000, most: 32 << 10},
		{name: "TLS and a header that claims 16 KB", secure: true, then: func(c *testkit.Client) {
			raw := c.Conn
			c.Secure(ca.Client())
			c.Conn = raw
			c.Send("\x17\x03\x03\x40\x00")
		}, least: 4000, most: 32 << 10},
		{name: "TLS and half a CONNECT", secure: true, then: func(c *testkit.Client) {
			c.Secure(ca.Client())
			c.Send(begun)
		}, least: 4000, most: 36 << 10},
	} {
		t.Run(kind.name, func(t *testing.T) {
			var order childOrder
			withUsers(&order.Options, "a")
			order.Options.Auth.Timeout = time.Hour
			if kind.secure {
				withTLS(&order.Options, ca.Issue("server")).TLS.Timeout = time.Hour
			}
			each := held(t, order, kind.most, func(c *testkit.Client, i int) {
				// In two parts, so that a buffer is kept from one to the next.
				at := min(1+i, len(kind.text))
				c.Send(kind.text[:at])
				c.Send(kind.text[at:])
				if kind.then != nil {
					kind.then(c)
				}
			})
			if each < kind.least {
				t.Errorf("%d bytes each: too little to be true", each)
			}
			t.Logf("%d bytes each", each)
		})
	}
}

// held is what a server holds for each of many clients that do begin and then
// nothing more; not more than most.
func held(t *testing.T, order childOrder, most int64, begin func(c *testkit.Client, i int)) (each int64) {
	t.Helper()
	const many = 1000
	if race {
		most *= 2 // it makes stacks larger
	}
	s := startChild(t, order)
	before := s.memory()
	for i := range many {
		begin(testkit.Dial(t, s.addr), i)
	}
	testkit.Eventually(t, "the server has read everything", func() bool { return unread(t, s.addr) == 0 })
	// What was read last may still be in a large buffer for a moment.
	if !testkit.Within(testkit.Patience, func() bool {
		each = (s.memory() - before) / many
		return each < most
	}) {
		t.Errorf("%d bytes for a client that is not logged in, the bound is %d", each, most)
	}
	return each
}

// TestTooLongHello: a client whose handshake is longer than any needs to be is
// sent away as soon as it says so, and the log tells why.
func TestTooLongHello(t *testing.T) {
	testkit.NothingLeft(t)
	var order childOrder
	ca := testkit.NewAuthority(t)
	withTLS(&order.Options, ca.Issue("server")).TLS.Timeout = time.Hour
	s := startChild(t, order)
	for i, text := range []string{
		"\x16\x03\x01\x40\x00",
		"\x16\x03\x01\x10\x00\x01\x00\x1f\xfc\x03\x03" + strings.Repeat("h", 4090) + "\x16\x03\x01\x10\x00",
		helloOf(t, ca.Client()) + "\x17\x03\x03\x40\x00",
	} {
		c := testkit.Dial(t, s.addr)
		c.Send(text)
		testkit.Eventually(t, "the log says why", func() bool { return s.logged("the TLS handshake is too long: over 8192 bytes") == i+1 })
		c.Rest() // returns when the server has closed it
	}
}

// helloOf is the first thing a TLS client sends.
func helloOf(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	go func() { _ = tls.Client(a, cfg).Handshake() }() // ends with the pipe
	buf := make([]byte, 16<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// unread is how many bytes wait in the system for the server at addr.
func unread(t *testing.T, addr string) (sum int64) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skipf("this system does not tell how much is unread: %v", err)
	}
	const localAddress, queues = 1, 4
	own := fmt.Sprintf(":%04X", n)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) <= queues || !strings.HasSuffix(f[localAddress], own) {
			continue
		}
		_, rx, _ := strings.Cut(f[queues], ":")
		waiting, err := strconv.ParseInt(rx, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += waiting
	}
	return sum
}
