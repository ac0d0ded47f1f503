package tlsconf

import (
	"sync"
	"time"
)

// RateLimiter bounds the handshakes that begin within a second
// (connection_rate_limit). The second starts with the first handshake after the last second has
// ended, as in nats-server; a token bucket would let through nearly
// twice the limit right after a pause.
type RateLimiter struct {
	mu    sync.Mutex
	limit int64
	count int64
	since time.Time
}

// NewRateLimiter makes a limiter for limit handshakes a second. A limit of 0
// or less gives nil, which allows everything.
func NewRateLimiter(limit int64) *RateLimiter {
	if limit <= 0 {
		return nil
	}
	return &RateLimiter{limit: limit}
}

// Allow reports whether one more handshake may begin at now. If not, the
// client is told that throttling is active and the connection is closed.
func (r *RateLimiter) Allow(now time.Time) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || now.Sub(r.since) >= time.Second {
		r.since, r.count = now, 0
	}
	if r.count >= r.limit {
		return false
	}
	r.count++
	return true
}
