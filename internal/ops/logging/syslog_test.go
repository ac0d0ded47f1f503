package logging

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dunlin/internal/base/loglevel"
)

func receive(t *testing.T, c net.PacketConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	n, _, err := c.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestRemoteSyslogOverUDP(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, stderr := openLog(t, Options{Debug: true, Trace: true, Time: true, RemoteSyslog: "udp://" + c.LocalAddr().String()})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for level, severity := range map[slog.Level]int{
		loglevel.Trace: 7, slog.LevelDebug: 7, slog.LevelInfo: 5, slog.LevelWarn: 4, slog.LevelError: 3, loglevel.Fatal: 2,
	} {
		l.Logger().Log(t.Context(), level, "a\nb", "k", "v")
		want := regexp.MustCompile(fmt.Sprintf(`^<%d>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+ %s %s\[%d\]: a\\nb k=v\n$`,
			severity, regexp.QuoteMeta(host), regexp.QuoteMeta(filepath.Base(os.Args[0])), os.Getpid()))
		if got := receive(t, c); !want.MatchString(got) {
			t.Errorf("got %q, want %v", got, want)
		}
	}
	l.Logger().Info(strings.Repeat("x", 200_000))
	if got := receive(t, c); len(got) != datagramMax || !strings.HasSuffix(got, "xx ... (cut)\n") {
		t.Errorf("a long line arrives with %d bytes", len(got))
	}
	if got := content(t, stderr.Name()); got != "" {
		t.Errorf("standard error has %q", got)
	}
}

func TestSyslogOverUnixSocketSurvivesARestartOfTheDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	listen := func() net.PacketConn {
		c, err := net.ListenPacket("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := listen()
	l, stderr := openLog(t, Options{Format: "json", RemoteSyslog: "unix://" + path})
	l.Logger().Info("one")
	if got := receive(t, c); !strings.HasSuffix(got, `: {"level":"INFO","msg":"one"}`+"\n") {
		t.Errorf("got %q", got)
	}
	c.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c = listen()
	defer c.Close()
	l.Logger().Info("two")
	if got := receive(t, c); !strings.Contains(got, `"msg":"two"`) {
		t.Errorf("got %q", got)
	}
	if got := content(t, stderr.Name()); got != "" {
		t.Errorf("standard error has %q", got)
	}
}

func TestLocalSyslogTakesTheFirstSocketThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	old := localSyslogs
	defer func() { localSyslogs = old }()
	localSyslogs = []string{path + ".none", path}
	if _, err := Open(Options{Syslog: true}); err == nil || !strings.Contains(err.Error(), path+".none") {
		t.Fatalf("Open without a daemon: %v", err)
	}
	c, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, _ := openLog(t, Options{Syslog: true, Time: true})
	l.Logger().Warn("careful")
	want := regexp.MustCompile(`^<4>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+\[\d+\]: careful\n$`)
	if got := receive(t, c); !want.MatchString(got) {
		t.Errorf("got %q, want %v", got, want)
	}
}

func TestRemoteSyslogOverTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l, _ := openLog(t, Options{RemoteSyslog: "tcp://" + ln.Addr().String()})
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l.Logger().Info("one")
	l.Logger().Info("two")
	r := bufio.NewReader(conn)
	for _, want := range []string{": one\n", ": two\n"} {
		if got, err := r.ReadString('\n'); err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("got %q, %v; want ...%q", got, err, want)
		}
	}
}

func plainHeader(severity int, _ time.Time) []byte { return fmt.Appendf(nil, "<%d>", severity) }

// A daemon that stops reading costs one write's time limit, then nothing
// until the next try; no line is lost.
func TestAHangingDaemonCostsBoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var daemon net.Conn
		dial := func() (net.Conn, error) {
			ours, theirs := net.Pipe()
			daemon = theirs
			return ours, nil
		}
		var fallback bytes.Buffer
		s, err := newSyslog(dial, &fallback, plainHeader)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for i := range 3 {
			if err := s.send(slog.LevelInfo, fmt.Appendf(nil, "line %d\n", i)); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took != syslogTimeout {
			t.Errorf("three lines took %v", took)
		}
		got := fallback.String()
		if strings.Count(got, "Syslog cannot be reached") != 1 || !strings.HasSuffix(got, "\n<5>line 0\n<5>line 1\n<5>line 2\n") {
			t.Errorf("fallback has %q", got)
		}

		fallback.Reset()
		time.Sleep(syslogRetry)
		read := make(chan string)
		before := daemon
		go func() { // the dial comes with the next line
			synctest.Wait()
			b := make([]byte, 100)
			n, _ := daemon.Read(b)
			read <- string(b[:n])
		}()
		if err := s.send(slog.LevelInfo, []byte("back\n")); err != nil {
			t.Error(err)
		}
		if got := <-read; got != "<5>back\n" || daemon == before || fallback.Len() > 0 {
			t.Errorf("daemon read %q, fallback has %q", got, fallback.String())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.send(slog.LevelInfo, []byte("x\n")); !errors.Is(err, errClosed) {
			t.Errorf("send after Close: %v", err)
		}
		if err := s.Close(); !errors.Is(err, errClosed) {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestADaemonThatIsGoneIsDialledNotTooOften(t *testing.T) {
	dials := 0
	first := true
	dial := func() (net.Conn, error) {
		dials++
		if !first {
			return nil, errors.New("nobody there")
		}
		first = false
		ours, theirs := net.Pipe()
		return ours, theirs.Close()
	}
	s, err := newSyslog(dial, io.Discard, plainHeader)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	s.now = func() time.Time { return clock }
	for range 10 {
		if err := s.send(slog.LevelInfo, []byte("x\n")); err != nil {
			t.Error(err)
		}
	}
	if dials != 2 {
		t.Errorf("%d dials, want the first and one more", dials)
	}
	clock = clock.Add(syslogRetry)
	if err := s.send(slog.LevelInfo, []byte("x\n")); err != nil || dials != 3 {
		t.Errorf("after the pause: %d dials, %v", dials, err)
	}
}
