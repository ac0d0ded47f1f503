package conn_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/internal/proto/sysapi"
)

// TestKeyUpdate: a TLS 1.3 peer asks for new keys while messages flow in both
// directions, and while nothing flows. crypto/tls answers from inside Read, so
// the answer goes out between the records of whoever is sending just then.
func TestKeyUpdate(t *testing.T) {
	a, b := dial(t, "tcp", "127.0.0.1:0")
	t.Cleanup(func() { _ = b.Close() })
	e := wrap(t, a, roomy)
	peer := keyUpdater(t, e, b)

	const appenders, each, updates = 2, 200, 50
	heard := make(chan int, updates*10)
	e.start(consumerFunc(func(buf []byte) (int, int, bool) { heard <- len(buf); return len(buf), 0, true }))
	var all sync.WaitGroup
	for from := range uint32(appenders) {
		all.Go(func() { appendLetters(e, from, each) })
	}
	result := make(chan error, 1)
	go func() { result <- readLetters(peer, appenders, each) }()
	for range updates {
		if err := peer.update(); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if n := within(t, "reading", heard); n != 4 {
			t.Fatalf("the server read %d bytes, want 4", n)
		}
	}
	if err := within(t, "the last letter", result); err != nil {
		t.Fatal(err)
	}
	all.Wait()

	// Nothing is being sent now; the answers must come all the same.
	go func() {
		for peer.updated < updates {
			if err := peer.next(); err != nil {
				result <- err
				return
			}
		}
		result <- nil
	}()
	if err := within(t, "the answer to the last key update", result); err != nil || peer.updated != updates {
		t.Errorf("%d answers to %d key updates, %v", peer.updated, updates, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, "Finish", e.done)
}

// TestKeyUpdatesUnheard: a peer that asks for new keys again and again and takes
// no answer is cut off, before the answers are more than a stranger may hold.
func TestKeyUpdatesUnheard(t *testing.T) {
	a, b := dial(t, "tcp", "127.0.0.1:0")
	t.Cleanup(func() { _ = b.Close() })
	e := wrap(t, a, roomy)
	peer := keyUpdater(t, e, b)
	e.start(ignore)
	fill(e) // from here on nothing that TLS answers can go out
	const most = 10_000
	for sent := range most {
		// What has ended takes no more; how that shows here depends on the moment.
		if peer.update() != nil {
			break
		}
		if _, err := peer.Write([]byte(".")); err != nil {
			break
		}
		if sent == most-1 {
			t.Fatalf("%d key updates, no answer taken, and the connection lives", most)
		}
	}
	if slow := within(t, "the end", e.slow); slow.deadline {
		t.Error("cut off by the write deadline")
	}
	if reason := e.ClosedFor(); reason != sysapi.SlowConsumerPendingBytes {
		t.Errorf("closed for %v", reason)
	}
	within(t, "Finish", e.done)
}

// TestKeyUpdateAfterBlock: an answer that TLS gave while the socket was full goes out
// when the rest does, without anything else being sent or read.
func TestKeyUpdateAfterBlock(t *testing.T) {
	a, b := dial(t, "tcp", "127.0.0.1:0")
	t.Cleanup(func() { _ = b.Close() })
	e := wrap(t, a, roomy)
	peer := keyUpdater(t, e, b)
	heard := make(chan int, 1)
	e.start(consumerFunc(func(buf []byte) (int, int, bool) { heard <- len(buf); return len(buf), 0, true }))
	fill(e)
	if err := peer.update(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte(".")); err != nil {
		t.Fatal(err)
	}
	within(t, "reading", heard)
	for peer.updated == 0 {
		if err := peer.next(); err != nil {
			t.Fatalf("waiting for the answer to a key update: %v", err)
		}
		peer.data = nil
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, "Finish", e.done)
}

// fill sends until the socket takes no more.
func fill(e *end) {
	big := make([]byte, 1<<20)
	for stuck := false; !stuck; {
		_, before := e.Out()
		e.Send(big)
		_, after := e.Out()
		stuck = after-before >= int64(len(big))
	}
}

// keyUpdater makes e a TLS 1.3 server's end and returns its peer, on b.
func keyUpdater(t *testing.T, e *end, b net.Conn) *records {
	t.Helper()
	var keys bytes.Buffer
	shaken := handshake(t, e, b, &tls.Config{MinVersion: tls.VersionTLS13, KeyLogWriter: &keys})
	if suite := shaken.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the test knows one cipher suite and %s was chosen", tls.CipherSuiteName(suite))
	}
	return &records{Conn: b, in: newHalf(t, keys.String(), "SERVER"), out: newHalf(t, keys.String(), "CLIENT")}
}

// records is the least of a TLS 1.3 peer after the handshake that can ask for
// new keys, which crypto/tls does not offer.
type records struct {
	net.Conn
	in, out *half
	data    []byte // decrypted and not read yet
	updated int    // key updates of the other side
}

// half is one direction.
type half struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func newHalf(t *testing.T, keyLog, side string) *half {
	t.Helper()
	for line := range strings.Lines(keyLog) {
		if w := strings.Fields(line); len(w) == 3 && w[0] == side+"_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(w[2])
			if err != nil {
				t.Fatal(err)
			}
			h := &half{secret: secret}
			if err := h.rekey(); err != nil {
				t.Fatal(err)
			}
			return h
		}
	}
	t.Fatalf("no secret of the %s in the key log", side)
	return nil
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1.
func expand(secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := string(binary.BigEndian.AppendUint16(nil, uint16(size))) + string(byte(len(label))) + label + "\x00"
	return hkdf.Expand(sha256.New, secret, info, size)
}

func (h *half) rekey() error {
	key, err := expand(h.secret, "key", 16)
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	if h.aead, err = cipher.NewGCM(block); err != nil {
		return err
	}
	h.iv, err = expand(h.secret, "iv", 12)
	h.seq = 0
	return err
}

func (h *half) update() (err error) {
	if h.secret, err = expand(h.secret, "traffic upd", 32); err != nil {
		return err
	}
	return h.rekey()
}

func (h *half) nonce() []byte {
	n := bytes.Clone(h.iv)
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^h.seq)
	h.seq++
	return n
}

const (
	typeHandshake   = 22
	typeApplication = 23
)

func (r *records) send(kind byte, p []byte) error {
	inner := append(bytes.Clone(p), kind)
	head := binary.BigEndian.AppendUint16([]byte{typeApplication, 3, 3}, uint16(len(inner)+16))
	_, err := r.Conn.Write(r.out.aead.Seal(head, r.out.nonce(), inner, head))
	return err
}

func (r *records) Write(p []byte) (int, error) { return len(p), r.send(typeApplication, p) }

// update sends KeyUpdate with update_requested.
func (r *records) update() error {
	if err := r.send(typeHandshake, []byte{24, 0, 0, 1, 1}); err != nil {
		return err
	}
	return r.out.update()
}

// next reads one record.
func (r *records) next() error {
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var head [5]byte
	if _, err := io.ReadFull(r.Conn, head[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(r.Conn, body); err != nil {
		return err
	}
	inner, err := r.in.aead.Open(nil, r.in.nonce(), body, head[:])
	if err != nil {
		return err
	}
	inner = bytes.TrimRight(inner, "\x00")
	p, kind := inner[:len(inner)-1], inner[len(inner)-1]
	switch {
	case kind == typeApplication:
		r.data = append(r.data, p...)
	case kind == typeHandshake && p[0] == 24:
		r.updated++
		return r.in.update()
	default:
		return errors.New("a record of an unexpected type")
	}
	return nil
}

func (r *records) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}
