package dev

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Ports are those of one node.
type Ports struct{ Client, Cluster, Monitor int }

// The first node's ports, where they are free.
const (
	FirstClient  = 4222
	FirstCluster = 6222
	FirstMonitor = 8222
)

// Reserve chooses the ports of nodes on host: those of the first node and the
// ones that follow, and any free port instead of one that is taken. They are
// free when it returns; a cluster's must be known before its first node starts,
// so that no node can simply take what it finds.
func Reserve(host string, nodes int, first Ports) (list []Ports, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	take := func(want int) (int, error) {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(want)))
		if err != nil {
			if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
				return 0, fmt.Errorf("no port is free on %s: %w", host, err)
			}
		}
		held = append(held, l)
		return l.Addr().(*net.TCPAddr).Port, nil
	}
	for i := range nodes {
		var p Ports
		for _, port := range []struct {
			of    *int
			first int
		}{{&p.Client, first.Client}, {&p.Cluster, first.Cluster}, {&p.Monitor, first.Monitor}} {
			want := port.first + i
			if port.first < 0 || want > 65535 {
				want = 0 // any
			}
			if *port.of, err = take(want); err != nil {
				return nil, err
			}
		}
		list = append(list, p)
	}
	return list, nil
}
