package version

import (
	"runtime/debug"
	"sync"
)

const (
	// Dunlin is the version of this program.
	Dunlin = "0.1.0"
	// NATS is the nats-server version whose behaviour is offered. It is what
	// INFO carries as "version".
	NATS = "2.15.2"
)

// commitLength is how much of a commit id is shown: enough to be unambiguous
// in any repository, short enough for a line of the banner.
const commitLength = 7

// Commit returns the first seven digits of the commit the binary was built
// from, with "-modified" behind it when the checkout had changes, or "" when
// the build did not record one (go test, -buildvcs=false, a module download).
var Commit = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return commit(info.Settings)
})

func commit(settings []debug.BuildSetting) string {
	var revision, suffix string
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				suffix = "-modified"
			}
		}
	}
	if revision == "" {
		return ""
	}
	if len(revision) > commitLength {
		revision = revision[:commitLength]
	}
	return revision + suffix
}
