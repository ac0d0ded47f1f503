package mesh

import (
	"log/slog"
	"time"

	"dunlin/internal/proto/sysapi"
)

// Bounds of what others can make this server remember.
const (
	ServersMax    = 1024 // other servers in the cluster
	HandshakesMax = 1024 // connections before they are registered
	LearntMax     = 1024 // addresses learnt from others
	ClientURLsMax = 64   // client addresses of one server
	AccountsMax   = 1024 // pinned accounts one server may connect for
	PoolSizeMax   = 256  // connections of a pool
	textMax       = 512  // bytes of a name or an address
)

// ConnID names a connection for its life, from the Dial effect or from Accepted
// on. It is never used twice.
type ConnID uint64

// Self is what never changes while the server runs.
type Self struct {
	ID, Name string
	// Cluster is the configured name, or with Dynamic a generated one that
	// gives way to others.
	Cluster string
	Dynamic bool
	// Version of Dunlin, said as "dunlin" in INFO; "" plays a nats-server.
	Version string
	// Lanes: this server divides interest and messages by lane where the
	// other one does too.
	Lanes bool
	// Seed of the jitter of retries.
	Seed uint64
}

// Options are the configuration, which Reload may replace.
type Options struct {
	// Cluster and Dynamic are compared by Reload only: a change is refused.
	// Both empty: not compared.
	Cluster string
	Dynamic bool

	Routes    []string // configured, "host:port"
	Addresses []string // this server's own listen and advertised "host:port"; never dialed
	// PoolSize is the number of connections to each server; < 1: no pool.
	PoolSize int
	// Accounts have a connection of their own while there is a pool. The
	// system account belongs here.
	Accounts       []string
	ConnectRetries int // of learnt addresses
	ConnectBackoff bool
	// NoAdvertise: clients of this server hear of no addresses, and other
	// servers do not hear of ours.
	NoAdvertise   bool
	ClientURLs    []string // "host:port" of this server's client listener
	WSClientURLs  []string
	AdvertisedURL string // "nats-route://host:port/" that others dial
}

// Slot is a place for one connection to a server: a pinned account's, or an
// index of the pool (0 without a pool).
type Slot struct {
	Index   int
	Account string
}

// Gossip modes, as gossip_mode in INFO.
const (
	GossipDefault  = 0 // others are told of the sender
	GossipDisabled = 1 // somebody else tells them
	GossipOverride = 2 // others are told, and tell others in turn
)

// Info is what this package reads and decides of an INFO on a route.
type Info struct {
	ID, Name string
	Version  string // of the nats-server it is or plays
	Dunlin   string // version of Dunlin, "" = another server
	Lanes    bool
	Cluster  string
	Dynamic  bool
	// IP is where to dial it, "nats-route://host:port/". Where INFO has none
	// the shell puts the address the connection comes from, with INFO's port.
	IP            string
	ConnectURLs   []string
	WSConnectURLs []string
	PoolSize      int // 0 = no pool
	PoolIdx       int
	Account       string // route_account
	AccAddReqID   string
	GossipMode    int
	LameDuck      bool
	Gateway       string
}

// Connect is what this package reads and decides of a CONNECT on a route.
type Connect struct {
	ID      string // "name" on the wire
	Cluster string
	Dynamic bool
	Lang    string
	Gateway string
}

// Peer is another server as far as connections need to know it.
type Peer struct {
	ID, Name, Version, Dunlin, IP string
	// Pool is the number of pool connections, 0 = one for everything.
	Pool int
	// Lanes: both sides divide by lane (see LaneMask).
	Lanes bool
}

// Effect is something to do. The shell does them in their order.
type Effect interface{ effect() }

// Dial asks for a connection. The shell reports Dialed.
type Dial struct {
	Conn ConnID
	Addr string // "host:port"
	// TLSHost is the name to expect in the certificate; "" = the host of Addr.
	TLSHost  string
	Explicit bool // a configured route
	Attempt  int  // from 1, since the last success
	Slot     Slot // what it is meant for
	Peer     string
}

// Send asks to write CONNECT, INFO, PING, as far as they are set, in this
// order and at once.
type Send struct {
	Conn    ConnID
	Connect *Connect
	Info    *Info
	Ping    bool // and to report Confirmed
}

// Register: the connection is now the server's for this slot. Interest goes
// out after the effects before it are done.
type Register struct {
	Conn  ConnID
	Peer  Peer
	Slot  Slot
	First bool // the first connection of this server
	// Solicited: this side dialed. Configured: by a configured route.
	Solicited, Configured bool
	// LaneMask has a bit for each lane this connection carries.
	LaneMask uint16
}

// Close asks to close a connection, after a -ERR with Err if it is not "".
type Close struct {
	Conn   ConnID
	Reason sysapi.CloseReason
	Err    string
	Log    string // "" = nothing to log but the closing
	Level  slog.Level
}

// Forward tells other servers (To) of the one About is a connection of: its
// INFO as it came, without nonce and route_pool_idx, with this route_account,
// ip, gossip_mode, and the cluster's name, which it may have taken over after its INFO.
type Forward struct {
	To         []ConnID
	About      ConnID
	Account    string
	IP         string
	Cluster    string
	GossipMode int
}

// ClientURLs is the new list for the INFO of clients, own addresses first.
type ClientURLs struct{ URLs, WS []string }

// ServerGone: the last connection of the server is closed.
type ServerGone struct{ Peer Peer }

// PinnedRefused: the server has no connection of its own for the account, so the
// pool carries it until a Register for the account says otherwise.
type PinnedRefused struct {
	Peer    string
	Account string
}

// ClusterName: the cluster's name has changed to that of others.
type ClusterName struct{ Name string }

// Log is a line for the log; Conn may be 0.
type Log struct {
	Conn  ConnID
	Level slog.Level
	Text  string
}

func (Dial) effect()          {}
func (Send) effect()          {}
func (Register) effect()      {}
func (Close) effect()         {}
func (Forward) effect()       {}
func (ClientURLs) effect()    {}
func (ServerGone) effect()    {}
func (PinnedRefused) effect() {}
func (ClusterName) effect()   {}
func (Log) effect()           {}

// Times, in the order of their length.
const (
	jitterMax     = 100 * time.Millisecond
	retryEvery    = time.Second
	settleAfter   = 2 * time.Second // a connection is no longer one of two that crossed
	introduceWait = 2 * time.Second // a server that asked for no gossip is told of after all
	takeOverAfter = 3 * time.Second // a missing slot is opened by the side that did not have to
	retryMax      = 30 * time.Second
	handshakeMax  = 30 * time.Second // until registered; the shell's own limits are shorter
	retryLearnt   = 5 * time.Minute  // at most between tries of a learnt address
	forgetAfter   = time.Hour        // a learnt address that never answers
)
