package mesh

import (
	"fmt"
	"log/slog"
	"slices"

	"dunlin/internal/proto/sysapi"
)

// dynamic says whether this server's name gives way. A name taken from a
// server that has it by configuration does not, as long as anybody is
// connected: where nats-server goes on calling it dynamic, a third server with
// a larger generated name and the configured one can take the name back and
// forth between them.
func (m *Mesh) dynamic() bool { return m.self.Dynamic && !m.anchored }

// sameCluster holds the other side's cluster name against this one's. A
// dynamic name gives way to a configured one and to a larger dynamic one. It closes the
// connection if the names cannot become one, or not on this connection.
func (m *Mesh) sameCluster(c *conn, name string, dynamic bool) bool {
	switch {
	case name == m.cluster:
		m.anchored = m.anchored || m.self.Dynamic && !dynamic
		return true
	case name != "" && len(name) <= textMax && m.dynamic() && (!dynamic || name > m.cluster):
		m.adopt(c, name, !dynamic)
		return true
	case c.dialed && dynamic && (!m.dynamic() || m.cluster > name):
		return true // it gives way when it hears our CONNECT
	}
	text := fmt.Sprintf("Rejecting connection, cluster name %q does not match %q", clip(name), m.cluster)
	if c.dialed {
		m.close(c, sysapi.ClusterNameConflict, "", slog.LevelError, text)
	} else {
		m.close(c, sysapi.ClusterNameConflict, text, slog.LevelError, text)
	}
	return false
}

// adopt takes over the name of others. Those who know this server by its
// former one hear the new one when they are connected again.
func (m *Mesh) adopt(c *conn, name string, configured bool) {
	m.cluster = name
	m.emit(ClusterName{Name: name})
	for _, s := range slices.Clone(m.servers) {
		m.closeServer(s, c, sysapi.ClusterNameConflict, "", "The cluster's name has changed to "+name)
	}
	for _, p := range slices.Clone(m.pending) {
		if p != c && p.greeted {
			m.close(p, sysapi.ClusterNameConflict, "", slog.LevelDebug, "The cluster's name has changed to "+name)
		}
	}
	m.anchored = configured // not before: a server that nobody is connected to is free again
}
