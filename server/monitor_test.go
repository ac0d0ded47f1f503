package server_test

import (
	"testing"

	"dunlin/internal/testkit"
)

// closed is what /connz tells of a connection that has ended.
type closedConn struct {
	Cid    uint64 `json:"cid"`
	Reason string `json:"reason"`
	IP     string `json:"ip"`
	Port   int    `json:"port"`
	User   string `json:"authorized_user"`
	InMsgs int64  `json:"in_msgs"`
}

func closedConns(t *testing.T, s *testkit.Server) []closedConn {
	t.Helper()
	var page struct {
		Conns []closedConn `json:"connections"`
	}
	s.Page(t, "/connz?state=closed&limit=100000&auth=1", &page)
	return page.Conns
}

func closedReasons(t *testing.T, s *testkit.Server) (reasons []string) {
	t.Helper()
	for _, c := range closedConns(t, s) {
		reasons = append(reasons, c.Reason)
	}
	return reasons
}
