package route

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"log/slog"
	"net"
	"reflect"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/mesh"
	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// stage is how far the handshake is.
type stage uint8

const (
	begun     stage = iota
	switching       // the compressed INFO of the other side is awaited
	known           // the other server has said who it is
)

// Bounds of a line: little before the handshake, since anybody can connect.
const (
	lineBefore = 16 << 10
	lineAfter  = 64 << 10
)

// switchTimeout bounds what was sent before the compression begins.
const switchTimeout = 5 * time.Second

// dialedTimeout bounds the handshake of a connection that was dialed, also of one
// that the mesh has given up meanwhile.
const dialedTimeout = 10 * time.Second

// nonceSize is that of the nonce in INFO, which nobody uses on routes.
const nonceSize = 15

// greet does what comes before the first operation; false if the connection
// has ended.
func (c *Conn) greet() bool {
	c.nonce = rand.Text()[:nonceSize]
	c.parser = routewire.Parser{MaxControlLine: lineBefore, MaxPayload: 0} // a stranger has no room for messages
	c.log(slog.LevelInfo, "Route connection created")
	err := c.secure()
	if err != nil {
		c.log(slog.LevelError, "TLS route handshake error: "+err.Error())
		c.Close(sysapi.TLSHandshakeError)
	} else {
		wait := c.cfg.AuthTimeout
		if c.dial != nil {
			wait = dialedTimeout
		}
		c.SetTimer(wait, c.expire)
	}
	c.host.Opened(c, err)
	return err == nil
}

func (c *Conn) secure() error {
	if c.cfg.TLS == nil {
		return nil
	}
	if c.dial == nil {
		if err := c.StartTLS(c.cfg.TLS, c.cfg.TLSTimeout, nil); err != nil {
			return err
		}
	} else {
		cfg := c.cfg.ClientTLS
		if cfg.ServerName == "" {
			cfg = cfg.Clone()
			if cfg.ServerName = c.dial.TLSHost; cfg.ServerName == "" {
				if host, _, err := net.SplitHostPort(c.dial.Addr); err == nil {
					cfg.ServerName = host
				}
			}
		}
		if err := c.StartTLSClient(cfg, c.cfg.TLSTimeout); err != nil {
			return err
		}
	}
	if len(c.cfg.PinnedCerts) > 0 {
		return tlsconf.CheckPinned(c.TLSState(), c.cfg.PinnedCerts)
	}
	return nil
}

// expire is the timer of the handshake.
func (c *Conn) expire() {
	if c.welcome.Load() || c.reg.Load() != nil {
		return // after CONNECT the mesh has an eye on it
	}
	c.log(slog.LevelDebug, "Authentication timeout")
	c.End(sysapi.AuthenticationTimeout, wire.TextAuthTimeout)
}

// Hello sends CONNECT, INFO and PING, as far as the mesh asks for them.
func (c *Conn) Hello(m *mesh.Send) {
	var out []byte
	if m.Connect != nil && !c.toldHello.Swap(true) {
		out = routewire.AppendConnect(out, c.connectLine(m.Connect))
	}
	if m.Info != nil {
		line := c.infoLine(m.Info, c.modeSaid(m.Info))
		if m.Info.AccAddReqID != "" { // asks for one thing and says nothing else
			line = &routewire.Info{PoolSize: line.PoolSize, Account: line.Account, AccAddReqID: line.AccAddReqID}
		}
		out = routewire.AppendInfo(out, line)
	}
	if m.Ping {
		c.Pinged(time.Now())
		out = append(out, "PING\r\n"...)
	}
	c.Send(out)
}

func (c *Conn) connectLine(own *mesh.Connect) *routewire.Connect {
	cfg := c.config.Load()
	m := &routewire.Connect{
		Echo: true, Headers: true, LNOC: true, LN: true, Name: own.ID, Cluster: own.Cluster, ClusterDynamic: own.Dynamic,
		TLSRequired: cfg.TLS != nil, User: cfg.User, Pass: cfg.Password,
	}
	if c.url != nil && c.url.User != nil {
		m.User = c.url.User.Username()
		m.Pass, _ = c.url.User.Password()
	}
	return m
}

// infoLine is INFO on this connection.
func (c *Conn) infoLine(own *mesh.Info, compression string) *routewire.Info {
	info := c.config.Load().Info
	info.Nonce = c.nonce
	info.Compression = compression
	fill(&info, own)
	if own.LameDuck { // says no more than that
		info.Nonce, info.Compression = "", ""
	}
	return &info
}

// fill puts what the mesh decides into info.
func fill(info *routewire.Info, own *mesh.Info) {
	info.ServerID, info.ServerName = own.ID, own.Name
	info.Cluster, info.ClusterDynamic = own.Cluster, own.Dynamic
	info.IP = own.IP
	info.ConnectURLs, info.WSConnectURLs = own.ConnectURLs, own.WSConnectURLs
	info.PoolSize, info.PoolIdx, info.Account = own.PoolSize, own.PoolIdx, own.Account
	info.AccAddReqID, info.GossipMode, info.LameDuckMode = own.AccAddReqID, byte(own.GossipMode), own.LameDuck
	info.Dunlin, info.DunlinLanes = own.Dunlin, own.Lanes
}

// modeSaid is the mode of compression that INFO names: what was agreed on, or
// before that what is configured.
func (c *Conn) modeSaid(own *mesh.Info) string {
	if m := c.mode.Load(); m != nil && (*m != modeNotSupported || own.PoolSize > 0 && own.Account == "") {
		return *m
	}
	return c.config.Load().Compression
}

// connected handles CONNECT.
func (c *Conn) connected(arg []byte) {
	m, err := routewire.ParseConnect(arg)
	if err != nil {
		c.log(slog.LevelError, err.Error())
		c.fail(sysapi.ProtocolViolation, "")
		return
	}
	if c.dial != nil || c.sawConnect {
		return // means nothing here
	}
	if m.Lang == "" && !c.authorized(m) {
		text := "authentication error"
		if m.User != "" {
			text += " - User \"" + m.User + "\""
		}
		c.log(slog.LevelError, text)
		c.fail(sysapi.AuthenticationViolation, wire.TextAuthViolation)
		return
	}
	c.sawConnect = true
	c.welcome.Store(true)
	c.host.Connect(c, m)
	c.stopped = c.stopped || c.ClosedFor() != sysapi.NotClosed
}

func (c *Conn) authorized(m *routewire.Connect) bool {
	if c.cfg.User == "" {
		return true
	}
	user := subtle.ConstantTimeCompare([]byte(m.User), []byte(c.cfg.User))
	pass := subtle.ConstantTimeCompare([]byte(m.Pass), []byte(c.cfg.Password))
	return user&pass == 1
}

// info handles INFO.
func (c *Conn) info(arg []byte) {
	info, err := routewire.ParseInfo(arg)
	if err != nil {
		c.log(slog.LevelError, err.Error())
		c.fail(sysapi.ProtocolViolation, "")
		return
	}
	switch c.stage {
	case begun:
		mode := agree(c.cfg.Compression, info.Compression)
		c.mode.Store(&mode)
		if mode != modeOff && mode != modeNotSupported {
			c.compress(mode, info)
			break
		}
		c.introduced(info)
	case switching:
		c.introduced(info)
	case known:
		before := c.remote.Load()
		if info.ServerID == before.ServerID {
			c.remote.Store(info)
		}
		c.host.Info(c, info)
		if info.ServerID == before.ServerID && !reflect.DeepEqual(info.Export, before.Export) {
			c.Retell(nil) // it may take now what it did not
		}
	}
	c.introduceNow()
	c.stopped = c.stopped || c.ClosedFor() != sysapi.NotClosed
}

// compress makes both directions S2 streams. The side that has dialed says so
// before it does, the other one after.
func (c *Conn) compress(mode string, info *routewire.Info) {
	c.host.Check(c, info)
	if c.ClosedFor() != sysapi.NotClosed {
		return
	}
	hello, own := c.host.Own(c)
	line := c.infoLine(&own, mode)
	if c.dial != nil {
		line.PoolIdx, line.Account = 0, ""
		var out []byte
		if !c.toldHello.Swap(true) {
			out = routewire.AppendConnect(out, c.connectLine(&hello))
		}
		c.Send(routewire.AppendInfo(out, line))
	}
	if err := c.Compress(levelOf(mode), switchTimeout); err != nil {
		c.log(slog.LevelError, err.Error())
		c.fail(sysapi.ProtocolViolation, "")
		return
	}
	c.Decompress()
	c.stage = switching
	if c.dial == nil {
		c.Send(routewire.AppendInfo(nil, line))
	}
}

// introduced: the other server has said who it is.
func (c *Conn) introduced(info *routewire.Info) {
	c.stage = known
	c.peerHeaders = info.Headers
	c.parser.LeafOrigin = info.LNOC || info.LN
	c.parser.MaxControlLine, c.parser.MaxPayload = lineAfter, c.cfg.MaxPayload
	c.remote.Store(info)
	c.peer = c.host.Peers().acquire(info.ServerID)
	if c.dial == nil {
		c.belongsTo(info.Account)
		c.host.Info(c, info) // may register it
		return
	}
	// What this side has dialed it for may not hold any more: the mesh says so with this
	// INFO, and registers it when the other side has confirmed.
	c.host.Info(c, info)
	_, own := c.host.Own(c)
	c.belongsTo(own.Account)
}

// belongsTo makes the connection one account's own, or with "" one of the pool.
func (c *Conn) belongsTo(account string) {
	c.own = account != ""
	if c.parser.Own = c.own; c.own {
		c.last = c.open(account)
	}
}

// agree is what two modes of compression make together.
func agree(own, other string) string {
	switch {
	case own == modeNotSupported || other == modeNotSupported || other == "" || own == "":
		return modeNotSupported
	case own == modeOff || other == modeOff:
		return modeOff
	case own != modeAccept:
		return own
	case other == modeAccept:
		return modeOff
	case other == modeAuto:
		return modeFast
	}
	return other
}

func levelOf(mode string) conn.Level {
	switch mode {
	case modeFast:
		return conn.Fast
	case modeBetter:
		return conn.Better
	case modeBest:
		return conn.Best
	}
	return conn.Uncompressed // s2_auto begins so, and looks at the round trip
}

// autoLevel is the level of s2_auto for a round trip. A threshold of 0 leaves its
// level out.
func autoLevel(rtt time.Duration, thresholds []time.Duration) conn.Level {
	levels := []conn.Level{conn.Uncompressed, conn.Fast, conn.Better, conn.Best}
	for i, most := range thresholds {
		if most > 0 && rtt <= most && i < len(levels) {
			return levels[i]
		}
	}
	return conn.Best
}

// ClientTLS makes of a server's TLS configuration the one of the side that
// dials: it shows the same certificate and trusts the same authorities.
func ClientTLS(cfg *tls.Config, insecure bool) *tls.Config {
	if cfg == nil {
		return nil
	}
	out := cfg.Clone()
	out.RootCAs = cfg.ClientCAs
	if cfg.RootCAs != nil {
		out.RootCAs = cfg.RootCAs
	}
	out.InsecureSkipVerify = insecure
	return out
}
