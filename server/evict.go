package server

import (
	"cmp"
	"slices"

	"dunlin/internal/core/account"
	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// evict closes clients beyond the limits of a reload: of the server its oldest
// ones, of an account its newest, as nats-server does.
func evict(list []*client.Client, max int) {
	slices.SortFunc(list, func(a, b *client.Client) int { return cmp.Compare(a.ID(), b.ID()) })
	perAccount := make(map[*account.Account]int64)
	stay := list[:0]
	for _, c := range list {
		acc := c.Account()
		if acc != nil {
			if limit := acc.Limits().MaxConnections; limit > 0 && perAccount[acc] >= limit {
				c.CloseWith(sysapi.MaxAccountConnectionsExceeded, wire.AppendErr(nil, wire.TextMaxAccConnections))
				continue
			}
			perAccount[acc]++
		}
		stay = append(stay, c)
	}
	if max <= 0 || len(stay) <= max {
		return
	}
	for _, c := range stay[:len(stay)-max] {
		c.CloseWith(sysapi.MaxConnectionsExceeded, wire.AppendErr(nil, wire.TextMaxConnections))
	}
}
