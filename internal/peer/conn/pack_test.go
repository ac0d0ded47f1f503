package conn_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"dunlin/internal/peer/conn"
)

// text is n bytes that compress well, noise n that do not.
func text(n int) []byte {
	return bytes.Repeat([]byte("RMSG $G orders.eu.1 12\r\nhello, hello\r\n"), n/38+1)[:n]
}

func noise(n int) []byte {
	rnd := rand.NewChaCha8([32]byte{1})
	p := make([]byte, n)
	_, _ = rnd.Read(p)
	return p
}

// switcher takes everything up to the first line end for plain, and asks for
// decompression there.
type switcher struct {
	c      *conn.Conn
	plain  []byte
	packed []byte
	want   int
	done   chan struct{}
	failed chan error
}

func (s *switcher) Consume(buf []byte) (n, need int, ok bool) {
	if s.plain == nil {
		at := bytes.IndexByte(buf, '\n')
		if at < 0 {
			return 0, 0, true
		}
		s.plain = bytes.Clone(buf[:at+1])
		s.c.Decompress()
		return at + 1, 0, false
	}
	s.packed = append(s.packed, buf...)
	if len(s.packed) >= s.want {
		close(s.done)
		return len(buf), 0, false
	}
	return len(buf), 0, true
}

func (s *switcher) EndBatch() {}

// sends writes parts on its own side after switching, and reads them back with
// the format's reference implementation.
func TestCompressIsReadByTheReference(t *testing.T) {
	for _, kind := range []string{"tcp", "pipe", "tls"} {
		for _, level := range []conn.Level{conn.Uncompressed, conn.Fast, conn.Better, conn.Best} {
			e, peer := open(t, kind, roomy)
			e.start(ignore)
			got := make(chan []byte, 1)
			parts := [][]byte{text(10), text(100000), noise(300000), text(1), text(900000)}
			want := bytes.Join(parts, nil)
			go func() {
				first := make([]byte, len("plain\n"))
				if _, err := io.ReadFull(peer, first); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				buf := make([]byte, len(want))
				if _, err := io.ReadFull(s2.NewReader(peer), buf); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				got <- buf
			}()
			e.Send([]byte("plain\n"))
			if err := e.Compress(level, patience); err != nil {
				t.Fatal(err)
			}
			for i, p := range parts {
				e.Send(p)
				if i == 2 {
					e.SetLevel(conn.Best)
				}
			}
			if g := within(t, "reading", got); !bytes.Equal(g, want) {
				t.Errorf("%s level %d: what came is not what was sent", kind, level)
			}
			if lvl, on := e.Compressed(); !on || lvl != conn.Best {
				t.Errorf("Compressed says %v, %v", lvl, on)
			}
		}
	}
}

func TestDecompressReadsTheReference(t *testing.T) {
	for _, kind := range []string{"tcp", "pipe", "tls"} {
		e, peer := open(t, kind, roomy)
		parts := [][]byte{text(10), text(700000), noise(300000), text(1), text(3 << 20)}
		want := bytes.Join(parts, nil)
		s := &switcher{c: &e.Conn, want: len(want), done: make(chan struct{})}
		e.start(s)
		go func() {
			var out bytes.Buffer
			out.WriteString("plain\n")
			w := s2.NewWriter(&out, s2.WriterConcurrency(1))
			for _, p := range parts {
				_, _ = w.Write(p)
				_ = w.Flush()
			}
			all := out.Bytes()
			for len(all) > 0 { // cut anywhere
				n := min(len(all), 1+rand.IntN(100000))
				if _, err := peer.Write(all[:n]); err != nil {
					return
				}
				all = all[n:]
			}
		}()
		within(t, "reading", s.done)
		if string(s.plain) != "plain\n" || !bytes.Equal(s.packed, want) {
			t.Errorf("%s: what came is not what was sent", kind)
		}
	}
}

func TestCorruptStreams(t *testing.T) {
	good := func() []byte {
		var out bytes.Buffer
		w := s2.NewWriter(&out, s2.WriterConcurrency(1))
		_, _ = w.Write(text(1000))
		_ = w.Flush()
		return out.Bytes()
	}()
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 0xff
	for name, bad := range map[string][]byte{
		"no identifier": good[10:], "flipped": flipped,
		"clear text":      []byte("INFO {}\r\nPING\r\n"),
		"unknown frame":   append(bytes.Clone(good[:10]), 0x40, 1, 0, 0, 0),
		"huge frame":      append(bytes.Clone(good[:10]), 0x00, 0xff, 0xff, 0xff, 0),
		"too short":       append(bytes.Clone(good[:10]), 0x01, 1, 0, 0, 0),
		"wrong identity":  []byte("\xff\x06\x00\x00S2sTwX"),
		"lies about size": append(bytes.Clone(good[:10]), 0x00, 12, 0, 0, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0),
	} {
		e, peer := open(t, "tcp", roomy)
		s := &switcher{c: &e.Conn, want: 1 << 20, done: make(chan struct{})}
		e.start(s)
		if _, err := peer.Write(append([]byte("plain\n"), bad...)); err != nil {
			t.Fatal(err)
		}
		if err := within(t, name, e.read); err == nil || !strings.Contains(err.Error(), "corrupt") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLSClient(t *testing.T) {
	a, b := dial(t, "tcp", "127.0.0.1:0")
	e := wrap(t, a, roomy)
	t.Cleanup(func() { _ = b.Close() })
	server := tls.Server(b, serverTLS())
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := e.StartTLSClient(&tls.Config{InsecureSkipVerify: true}, patience); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "handshake", shaken); err != nil {
		t.Fatal(err)
	}
	e.start(ignore)
	e.Send([]byte("hello"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if e.TLSState() == nil {
		t.Error("no TLS state")
	}
}

func TestTLSClientTimeout(t *testing.T) {
	a, b := net.Pipe()
	t.Cleanup(func() { _ = b.Close() })
	e := wrap(t, a, roomy)
	go func() { _, _ = io.Copy(io.Discard, b) }()
	if err := e.StartTLSClient(&tls.Config{InsecureSkipVerify: true}, 1); err == nil {
		t.Error("a peer that is silent passed for a TLS server")
	}
}

func FuzzDecompress(f *testing.F) {
	var out bytes.Buffer
	w := s2.NewWriter(&out, s2.WriterConcurrency(1))
	_, _ = w.Write(text(1000))
	_ = w.Close()
	f.Add(out.Bytes(), uint16(3))
	f.Add([]byte("\xff\x06\x00\x00S2sTwO\x01\x05\x00\x00abcde"), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		if len(data) > 1<<16 {
			return
		}
		whole, err := conn.Unpack(data, len(data))
		parts, err2 := conn.Unpack(data, 1+int(cut))
		if !bytes.Equal(whole, parts) || (err == nil) != (err2 == nil) {
			t.Errorf("in one piece %d bytes, %v; in pieces of %d %d bytes, %v", len(whole), err, 1+cut, len(parts), err2)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	for name, level := range map[string]conn.Level{"uncompressed": conn.Uncompressed, "fast": conn.Fast, "better": conn.Better} {
		b.Run(name, func(b *testing.B) {
			in := text(64 << 10)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				conn.Pack(in, level)
			}
		})
	}
}
