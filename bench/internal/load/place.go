package load

// Where connections go in a cluster of so many nodes. On a single server
// everything is on node 0. A flow's first subscriber is never where its
// publisher is, and further subscribers take the nodes in turn: as many as
// there are nodes are one on each.

func publisherNode(nodes, flow, n int) int { return (flow + n) % nodes }

func subscriberNode(nodes, flow, n int) int {
	if nodes == 1 {
		return 0
	}
	// Flows of the same publisher's node go round over the others.
	away := 1 + flow/nodes%(nodes-1)
	return (flow + away + n) % nodes
}

// requesterNode spreads requesters over the nodes on which the responder is not.
func requesterNode(nodes, i int) int {
	if nodes == 1 {
		return 0
	}
	return 1 + i%(nodes-1)
}
