package mesh

import (
	"hash/fnv"
	"time"

	"dunlin/internal/core/interest"
)

// Mesh is the membership of one server. It is owned by whoever calls it, one
// goroutine at a time.
type Mesh struct {
	self Self
	opts Options
	out  []Effect
}

// New makes the state of a server that has started and knows nobody. Call Tick
// to have the configured routes dialed.
func New(self Self, opts Options) *Mesh { return &Mesh{self: self, opts: opts} }

// Dialed reports the outcome of a Dial effect.
func (m *Mesh) Dialed(now time.Time, conn ConnID, err error) []Effect { return nil }

// Accepted reports a connection that somebody else has dialed, and names it.
func (m *Mesh) Accepted(now time.Time) (ConnID, []Effect) { return 0, nil }

// Connect reports a CONNECT whose credentials are good.
func (m *Mesh) Connect(now time.Time, conn ConnID, c Connect) []Effect { return nil }

// Info reports an INFO. While compression is negotiated only the last INFO of a side
// is reported, the one after the switch.
func (m *Mesh) Info(now time.Time, conn ConnID, info Info) []Effect { return nil }

// Pong reports the answer to a Send with Ping.
func (m *Mesh) Pong(now time.Time, conn ConnID) []Effect { return nil }

// RemoteError reports a -ERR of the other side, without quotes.
func (m *Mesh) RemoteError(now time.Time, conn ConnID, text string) []Effect { return nil }

// Closed reports that a connection has ended, whoever did it. After a Close
// effect it may be called or not.
func (m *Mesh) Closed(now time.Time, conn ConnID) []Effect { return nil }

// Tick does what is due at this time.
func (m *Mesh) Tick(now time.Time) []Effect { return nil }

// Next is when Tick has something to do; false: nothing is planned.
func (m *Mesh) Next() (time.Time, bool) { return time.Time{}, false }

// Reload takes over a changed configuration, or refuses it as a whole.
func (m *Mesh) Reload(now time.Time, opts Options) ([]Effect, error) { return nil, nil }

// LameDuck says goodbye: clients elsewhere shall not come here any more, and nothing is
// dialed from now on.
func (m *Mesh) LameDuck(now time.Time) []Effect { return nil }

// OwnInfo is what INFO says on this connection, for those that negotiation
// needs besides the Send effects.
func (m *Mesh) OwnInfo(conn ConnID) Info { return Info{} }

// ClusterName is the name in force.
func (m *Mesh) ClusterName() string { return m.self.Cluster }

// AccountIndex is the pool connection of an account: 32-bit FNV-1a of its name
// modulo the size of the pool, as in nats-server.
func AccountIndex(account string, pool int) int {
	if pool < 2 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(account))
	return int(h.Sum32() % uint32(pool))
}

// LaneMask has the bits of the lanes that connection index of a pool carries
// between servers that divide by lane.
func LaneMask(index, pool int) uint16 {
	if pool < 2 {
		return interest.AllLanes
	}
	var mask uint16
	for lane := index; lane < interest.Lanes; lane += pool {
		mask |= 1 << lane
	}
	return mask
}
