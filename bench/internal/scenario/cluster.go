package scenario

import (
	"fmt"

	"dunlin/bench/internal/load"
)

// nodes of the clusters that have floors.
const clusterNodes = 3

// clustered is a flow over a cluster.
func clustered(nodes int, name, title string, l load.Spec, floor float64) Row {
	r := flow(name, title, l, floor)
	r.Nodes = nodes
	return r
}

func cluster() []Row {
	return append(clusterMessaging(), append(clusterInterest(), mixed()...)...)
}

func clusterMessaging() []Row {
	three := func(name, title string, l load.Spec, floor float64) Row {
		return clustered(clusterNodes, name, title, l, floor)
	}
	text := three("a-b-1k-s2", "A → B, 1 KiB of text, s2_fast", load.Spec{Pubs: 1, Subs: 1, Payload: 1 << 10, Text: true}, 1.2)
	text.Compression = "s2_fast"
	churn := three("9-pairs-churn", "9 pairs across beside 20,000 SUB and UNSUB a second",
		load.Spec{Flows: 9, Pubs: 1, Subs: 1, Payload: 128, Window: windowShare, ChurnPerSecond: 20_000, ChurnLater: true}, 0)
	churn.Checks = []Check{{Others, Nothing, 0.85}}
	return []Row{
		three("a-b-16", "A → B, 16 B", load.Spec{Pubs: 1, Subs: 1, Payload: 16}, 3.3),
		three("a-b-128", "A → B", load.Spec{Pubs: 1, Subs: 1, Payload: 128}, 2.5),
		three("a-b-1k", "A → B, 1 KiB", load.Spec{Pubs: 1, Subs: 1, Payload: 1 << 10}, 1.5),
		text,
		three("a-all", "A → one subscriber on each of 3 nodes", load.Spec{Pubs: 1, Subs: 3, Payload: 128, Window: windowShare}, 2.5),
		three("9-pairs", "9 pairs across", load.Spec{Flows: 9, Pubs: 1, Subs: 1, Payload: 128, Window: windowShare}, 2.7),
		three("a-queue", "A → queue group with members on all nodes", load.Spec{Pubs: 1, Subs: 3, Queue: true, Payload: 128}, 2.2),
		{
			Name: "request-1", Title: "request-reply across, one at a time", Unit: "round trip", Stretch: 3, Nodes: clusterNodes,
			Load:   load.Spec{Kind: load.Request, Pubs: 1, Payload: 128},
			Checks: []Check{peer(CPU, 1.15), peer(P999, 1/0.65)},
		},
		{
			Name: "request-50", Title: "50 requesters across at once", Unit: "round trip", Nodes: clusterNodes,
			Load:   load.Spec{Kind: load.Request, Pubs: 50, Payload: 128},
			Checks: []Check{peer(CPU, 1.4)},
		},
		churn,
	}
}

func clusterInterest() []Row {
	return []Row{
		{
			Name: "interest-300k", Title: "300,000 subscriptions known everywhere", Unit: "subscription",
			Nodes: clusterNodes, Rounds: 3,
			Load:   load.Spec{Kind: load.Interest, Count: 300_000},
			Checks: []Check{peer(Time, 8), peer(CPU, 8), peer(RSS, 4)},
		},
		{
			Name: "restart-1m", Title: "1,000,000 subscriptions of a node that restarts", Unit: "subscription",
			Nodes: clusterNodes, Rounds: 2,
			Load:   load.Spec{Kind: load.Restart, Count: 1_000_000},
			Checks: []Check{peer(Time, 5)},
		},
	}
}

// mixed are pairs over a node of each kind, against two nodes of the peer.
func mixed() []Row {
	var rows []Row
	for _, l := range []struct {
		name, title string
		spec        load.Spec
	}{
		{"a-b-16", "16 B", load.Spec{Pubs: 1, Subs: 1, Payload: 16}},
		{"a-b-128", "128 B", load.Spec{Pubs: 1, Subs: 1, Payload: 128}},
		{"a-b-1k", "1 KiB", load.Spec{Pubs: 1, Subs: 1, Payload: 1 << 10}},
	} {
		for _, m := range []struct {
			name, title string
			mix         []NodeKind
		}{
			{"to-peer", "Dunlin → nats-server", []NodeKind{JudgedNode, PeerNode}},
			{"from-peer", "nats-server → Dunlin", []NodeKind{PeerNode, JudgedNode}},
		} {
			r := clustered(2, l.name+"-"+m.name, m.title+", "+l.title, l.spec, 1)
			r.Mix = m.mix
			rows = append(rows, r)
		}
	}
	return rows
}

// ScalingNodes are the sizes of clusters that the scaling set measures.
var ScalingNodes = []int{1, 2, 3, 5, 9}

// scaling shows what a message and a subscription cost as nodes are added. The
// load is the same for every size, only the places differ.
func scaling() []Row {
	var rows []Row
	add := func(n int, r Row) {
		r.Name = fmt.Sprintf("%s-%d", r.Name, n)
		r.Title = fmt.Sprintf("%s, %d nodes", r.Title, n)
		if n == 1 {
			r.Title = r.Title[:len(r.Title)-1]
		}
		r.Nodes, r.Checks = n, nil
		rows = append(rows, r)
	}
	for _, n := range ScalingNodes {
		add(n, flow("pairs", "9 pairs", load.Spec{Flows: 9, Pubs: 1, Subs: 1, Payload: 128, Window: windowShare}, 0))
	}
	for _, n := range ScalingNodes {
		add(n, flow("all", "one publisher, a subscriber on every node", load.Spec{Pubs: 1, Subs: n, Payload: 128, Window: windowShare}, 0))
	}
	for _, n := range ScalingNodes {
		add(n, flow("queue", "queue group of 9", load.Spec{Pubs: 1, Subs: 9, Queue: true, Payload: 128}, 0))
	}
	for _, n := range ScalingNodes {
		add(n, Row{
			Name: "random", Title: "random subjects, 100,000 subscriptions", Unit: "delivery",
			Load: load.Spec{Kind: load.Mixed, Count: 100_000, Payload: 128, Window: window},
		})
	}
	for _, n := range ScalingNodes {
		add(n, Row{
			Name: "interest", Title: "100,000 subscriptions known everywhere", Unit: "subscription", Rounds: 3,
			Load: load.Spec{Kind: load.Interest, Count: 100_000},
		})
	}
	return rows
}
