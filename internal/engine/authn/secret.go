package authn

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"regexp"
	"runtime"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// bcryptForm tells a bcrypt hash from clear text, as nats-server does.
var bcryptForm = regexp.MustCompile(`^\$2[abxy]\$\d{2}\$`)

// bcryptSlots bounds the bcrypt checks that run at once, over all servers of
// the process, since the processors are what it protects: a flood of logins waits
// here, in order of arrival and no longer than its authentication time-out,
// while half of the processors go on with messages.
var bcryptSlots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// secret is a configured password or token.
type secret struct {
	hash   []byte            // bcrypt, or nil
	digest [sha256.Size]byte // of the clear text; unused with hash
	set    bool              // not empty
	// print identifies the configured value, so that a reload can tell whether it
	// has changed. It is keyed with a value of this process.
	print [sha256.Size]byte
	// verified is the keyed digest of the last password that bcrypt accepted.
	// A client that comes back with it need not wait behind a flood of
	// wrong ones, and a thousand clients that reconnect do not cost a
	// thousand times 60 ms. The price: who can read the server's memory can
	// try passwords faster than bcrypt would allow. He can also read them
	// as they arrive.
	verified atomic.Pointer[[sha256.Size]byte]
}

// processKey keys the digests kept in memory, so that they mean nothing
// elsewhere.
var processKey = func() (k [32]byte) { rand.Read(k[:]); return }()

func keyed(text string) (out [sha256.Size]byte) {
	m := hmac.New(sha256.New, processKey[:])
	m.Write([]byte(text))
	m.Sum(out[:0])
	return out
}

// newSecret takes a configured value. The error does not show it.
func newSecret(text string) (*secret, error) {
	s := &secret{set: text != "", print: keyed(text)}
	if !bcryptForm.MatchString(text) {
		s.digest = keyed(text)
		return s, nil
	}
	s.hash = []byte(text)
	if _, err := bcrypt.Cost(s.hash); err != nil || len(s.hash) != 60 {
		return nil, fmt.Errorf("looks like bcrypt and is not a complete hash; make a new one, for instance with 'nats server passwd'")
	}
	return s, nil
}

// plain reports whether the configuration holds the secret in clear text.
func (s *secret) plain() bool { return s.set && s.hash == nil }

// check compares text with the secret in time that does not depend on where
// they differ. With bcrypt it may have to wait; the error then is ctx's.
func (s *secret) check(ctx context.Context, text string) (bool, error) {
	d := keyed(text)
	if s.hash == nil {
		return subtle.ConstantTimeCompare(d[:], s.digest[:]) == 1, nil
	}
	if v := s.verified.Load(); v != nil && subtle.ConstantTimeCompare(d[:], v[:]) == 1 {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	select {
	case bcryptSlots <- struct{}{}:
		defer func() { <-bcryptSlots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if bcrypt.CompareHashAndPassword(s.hash, []byte(text)) != nil {
		return false, nil
	}
	s.verified.Store(&d)
	return true, nil
}
