package server

import (
	"slices"

	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// evictOver closes the oldest clients beyond max, as nats-server does. max <= 0 is no limit.
func (s *Server) evictOver(list []*client.Client, left, max int) {
	if max <= 0 || left <= max {
		return
	}
	slices.SortFunc(list, func(a, b *client.Client) int {
		if a.ID() < b.ID() {
			return -1
		}
		return 1
	})
	for _, c := range list {
		if left <= max {
			return
		}
		if c.ClosedFor() == sysapi.NotClosed {
			c.CloseWith(sysapi.MaxConnectionsExceeded, wire.AppendErr(nil, wire.TextMaxConnections))
			left--
		}
	}
}
