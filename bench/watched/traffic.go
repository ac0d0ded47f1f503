package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// join connects, sends lines and waits until the server has taken them.
func join(addr, lines string) (net.Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if _, err := nc.Write([]byte("CONNECT {\"verbose\":false}\r\n" + lines + "PING\r\n")); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(nc, 1024)
	for {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "-ERR") {
			return nil, errors.Join(err, fmt.Errorf("the server said %q", line), nc.Close())
		}
		if line == "PONG\r\n" {
			return nc, nil
		}
	}
}

// load is the child process that keeps the server busy. It is another process
// so that it can stand back behind the flow that is timed.
type load struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (o *options) startLoad(addr string) (*load, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &load{cmd: exec.Command(self, "-load", addr, "-pairs", strconv.Itoa(o.pairs))}
	l.cmd.Stderr = os.Stderr
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewReader(out)
	return l, l.cmd.Start()
}

// count is how many messages have been delivered.
func (l *load) count() (n int64, err error) {
	if _, err := io.WriteString(l.in, "\n"); err != nil {
		return 0, fmt.Errorf("the load has ended: %w", err)
	}
	_, err = fmt.Fscan(l.out, &n)
	return n, err
}

func (l *load) stop() {
	_ = l.in.Close()
	_ = l.cmd.Wait()
}

const (
	loadPayload = 128
	loadBatch   = 64 // messages a write
	loadWindow  = 6  // batches outstanding towards one subscriber
)

// serveLoad is the child: it puts the load on the server at addr, and for each
// line of input prints how many messages have been delivered.
func serveLoad(addr string, pairs int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 10); err != nil {
		return err
	}
	var delivered atomic.Int64
	var fail failure
	for i := range pairs {
		sub, err := join(addr, fmt.Sprintf("SUB load.%d 1\r\n", i))
		if err != nil {
			return err
		}
		pub, err := join(addr, "")
		if err != nil {
			return err
		}
		body := strings.Repeat("x", loadPayload)
		batch := []byte(strings.Repeat(fmt.Sprintf("PUB load.%d %d\r\n%s\r\n", i, loadPayload, body), loadBatch))
		frame := len(fmt.Sprintf("MSG load.%d 1 %d\r\n%s\r\n", i, loadPayload, body))
		credit := make(chan struct{}, loadWindow)
		for range loadWindow {
			credit <- struct{}{}
		}
		go func() {
			for range credit {
				if _, err := pub.Write(batch); err != nil {
					fail.set(err)
					return
				}
			}
		}()
		go func() { fail.set(takeLoad(sub, frame*loadBatch, credit, &delivered)) }()
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := fail.failed(); err != nil {
			return err
		}
		fmt.Println(delivered.Load())
	}
	return nil
}

// takeLoad reads batches and gives credit for each.
func takeLoad(sub net.Conn, batch int, credit chan<- struct{}, delivered *atomic.Int64) error {
	buf := make([]byte, 256<<10)
	for have := 0; ; {
		n, err := sub.Read(buf)
		if err != nil {
			return err
		}
		if n == len("PING\r\n") && string(buf[:n]) == "PING\r\n" {
			if _, err := sub.Write([]byte("PONG\r\n")); err != nil {
				return err
			}
			continue
		}
		for have += n; have >= batch; have -= batch {
			delivered.Add(loadBatch)
			credit <- struct{}{}
		}
	}
}

// flow is what is timed: messages at a fixed rate, each with the time it was due
// at, so that one that could not be sent in time counts as late.
type flow struct {
	failure
	mu      sync.Mutex
	latency []int64 // ns
}

const stampLen = 16

func startFlow(addr string, rate int) (*flow, error) {
	sub, err := blocking(join(addr, "SUB timed 1\r\n"))
	if err != nil {
		return nil, err
	}
	pub, err := blocking(join(addr, ""))
	if err != nil {
		return nil, err
	}
	f := &flow{}
	go func() { f.set(f.send(pub, time.Second/time.Duration(rate))) }()
	go func() { f.set(f.receive(sub)) }()
	return f, nil
}

// blocking takes a connection away from the runtime's poller, whose clock and
// queue would be part of what is timed.
func blocking(nc net.Conn, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	file, err := nc.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	_ = file.Fd() // makes it a blocking one
	return file, nc.Close()
}

func (f *flow) send(pub *os.File, every time.Duration) error {
	runtime.LockOSThread()
	msg := []byte(fmt.Sprintf("PUB timed %d\r\n%0*d\r\n", stampLen, stampLen, 0))
	stamp := msg[len(msg)-stampLen-2:]
	for due := time.Now(); ; due = due.Add(every) {
		if wait := time.Until(due); wait > 0 {
			ts := unix.NsecToTimespec(int64(wait))
			if err := unix.Nanosleep(&ts, nil); err != nil && err != unix.EINTR {
				return err
			}
		}
		copy(stamp, fmt.Sprintf("%0*x", stampLen, due.UnixNano()))
		if _, err := pub.Write(msg); err != nil {
			return err
		}
	}
}

func (f *flow) receive(sub *os.File) error {
	runtime.LockOSThread()
	head := fmt.Appendf(nil, "MSG timed 1 %d\r\n", stampLen)
	ping := []byte("PING\r\n")
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := sub.Read(buf[len(buf):cap(buf)])
		now := time.Now().UnixNano()
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+n]
		left := buf
		for {
			if bytes.HasPrefix(left, ping) {
				if _, err := sub.Write([]byte("PONG\r\n")); err != nil {
					return err
				}
				left = left[len(ping):]
				continue
			}
			if len(left) < len(head)+stampLen+2 {
				break
			}
			due, err := strconv.ParseInt(string(left[len(head):len(head)+stampLen]), 16, 64)
			if err != nil || !bytes.HasPrefix(left, head) {
				return fmt.Errorf("read %.60q, expected a message on timed", left)
			}
			f.mu.Lock()
			f.latency = append(f.latency, now-due)
			f.mu.Unlock()
			left = left[len(head)+stampLen+2:]
		}
		buf = buf[:copy(buf, left)]
	}
}

// take returns the latencies since the last take.
func (f *flow) take() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.latency
	f.latency = nil
	return l
}

// watcher asks for the page again and again while on is set.
type watcher struct {
	failure
	on      atomic.Bool
	ended   atomic.Bool
	answers atomic.Int64
	done    chan struct{}
}

func newWatcher(url string) *watcher {
	w := &watcher{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for !w.ended.Load() {
			if !w.on.Load() {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			if err := ask(url); err != nil {
				w.set(err)
				return
			}
			w.answers.Add(1)
		}
	}()
	return w
}

func ask(url string) error {
	r, err := http.Get(url)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	if r.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s", url, r.Status))
	}
	return errors.Join(err, r.Body.Close())
}

func (w *watcher) stop() {
	w.ended.Store(true)
	<-w.done
}
