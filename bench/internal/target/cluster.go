package target

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Cluster is servers that know one another; a single server is a cluster of one.
type Cluster struct {
	Nodes []*Process
}

// membership is a node's place in a cluster, fixed before any node starts.
type membership struct {
	name        string
	port        int   // where routes come in
	routes      []int // of the nodes before it
	compression string
}

// StartAll runs one node of each program, on ports of their own. They form one
// cluster, in which each knows the ones before it: so that no two dial each
// other. Whether it has formed is for the load to find out, by messages.
func StartAll(programs []Program, set Setting) (*Cluster, error) {
	c := &Cluster{}
	var ports []int
	for i, p := range programs {
		var m *membership
		if len(programs) > 1 {
			port, err := freePort()
			if err != nil {
				c.Stop()
				return nil, err
			}
			m = &membership{name: fmt.Sprintf("node-%d", i), port: port, routes: ports, compression: set.Compression}
			ports = append(ports[:len(ports):len(ports)], port)
		}
		s, err := p.start(set, m)
		if err != nil {
			log := c.LogTail()
			c.Stop()
			return nil, fmt.Errorf("node %d: %w%s", i, err, log)
		}
		c.Nodes = append(c.Nodes, s)
	}
	return c, nil
}

// clusterName is that of all clusters here: they never meet.
const clusterName = "bench"

func (m *membership) configure(b *strings.Builder) {
	if m == nil {
		return
	}
	fmt.Fprintf(b, "server_name: %q\ncluster {\n name: %q\n listen: \"127.0.0.1:%d\"\n", m.name, clusterName, m.port)
	if m.compression != "" {
		fmt.Fprintf(b, " compression: %s\n", m.compression)
	}
	b.WriteString(" routes: [\n")
	for _, r := range m.routes {
		fmt.Fprintf(b, "  \"nats-route://127.0.0.1:%d\"\n", r)
	}
	b.WriteString(" ]\n}\n")
}

// Addrs are the client addresses, by node.
func (c *Cluster) Addrs() []string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, n.Addr)
	}
	return out
}

// PIDs are those of the nodes that run.
func (c *Cluster) PIDs() []int {
	var out []int
	for _, n := range c.Nodes {
		if n.cmd != nil {
			out = append(out, n.PID)
		}
	}
	return out
}

// Kill ends a node as a crash would, and returns when it has ended.
func (c *Cluster) Kill(node int) error {
	n := c.Nodes[node]
	if n.cmd == nil {
		return fmt.Errorf("node %d does not run", node)
	}
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing node %d: %w", node, err)
	}
	<-n.done
	n.cmd = nil
	return nil
}

// Revive starts a killed node again with its configuration, so at its ports, and
// returns when it greets.
func (c *Cluster) Revive(node int) error {
	if err := c.Nodes[node].launch(); err != nil {
		return fmt.Errorf("starting node %d again: %w", node, err)
	}
	return nil
}

// Stop ends all nodes. Safe to call twice.
func (c *Cluster) Stop() {
	for _, n := range c.Nodes {
		if n.cmd != nil {
			n.cmd.Process.Signal(unix.SIGTERM) // all at once; each is waited for below
		}
	}
	for _, n := range c.Nodes {
		n.Stop()
	}
}

// LogTail is the end of what each node printed, for an error message.
func (c *Cluster) LogTail() string {
	var out string
	for i, n := range c.Nodes {
		if len(c.Nodes) > 1 {
			out += fmt.Sprintf("\nnode %d:", i)
		}
		out += n.LogTail()
	}
	return out
}
