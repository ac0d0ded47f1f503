package main

import (
	"fmt"
	"os"
	"regexp"
	"time"

	"dunlin/bench/internal/runner"
	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/target"
)

func main() {
	p, err := target.Source{NATSServer: "/tmp/peers/nats-server"}.Get("nats-server")
	if err != nil {
		panic(err)
	}
	re := regexp.MustCompile(os.Args[1])
	for _, r := range scenario.Table() {
		if !re.MatchString(r.Name) {
			continue
		}
		runner.Play(r, []target.Program{p}, runner.Options{Rounds: 1, Warmup: 300 * time.Millisecond, Duration: time.Second, Progress: func(s runner.Step) {
			if s.Done {
				fmt.Printf("%-24s %-20s err=%v", s.Row.Name, s.Side, s.Err)
				for _, k := range []scenario.Metric{"cpu", "throughput", "p50", "p99", "p99.9", "rss", "anon", "others", "server-load", "gen-load", "foreign", "churn"} {
					if v, ok := s.Metrics[k]; ok {
						fmt.Printf(" %s=%.5g", k, v)
					}
				}
				fmt.Println()
			}
		}})
	}
}
