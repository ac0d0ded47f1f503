package monitor

import (
	"bytes"
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"

	"dunlin/internal/proto/sysapi"
)

// stacksMax is up to how many goroutines /stacksz prints each one's stack.
// The runtime stops everything while it does that, some 5 microseconds a
// goroutine; above the limit goroutines with the same stack are printed once
// with their number, for which nothing is stopped for long.
const stacksMax = 512

// stacksBytesMax bounds the text of the full form.
const stacksBytesMax = 1 << 20

func (h *Handler) stacksz(w http.ResponseWriter, _ *http.Request) {
	jsonHeader(w) // nats-server sends this text as application/json
	n := runtime.NumGoroutine()
	if n <= stacksMax {
		buf := make([]byte, stacksBytesMax)
		h.write(w, buf[:runtime.Stack(buf, true)])
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d goroutines, those with the same stack printed once; each alone up to %d goroutines\n\n", n, stacksMax)
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		h.log.Error("stacks could not be read", "error", err)
	}
	h.write(w, b.Bytes())
}

// debugVars is expvar's page, but passwords that were given as flags are not
// shown in cmdline.
func (h *Handler) debugVars(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	var b bytes.Buffer
	b.WriteString("{\n")
	first := true
	expvar.Do(func(kv expvar.KeyValue) {
		if !first {
			b.WriteString(",\n")
		}
		first = false
		value := kv.Value.String()
		if f, ok := kv.Value.(expvar.Func); ok && kv.Key == "cmdline" {
			if args, ok := f.Value().([]string); ok {
				value = commandLine(args)
			}
		}
		fmt.Fprintf(&b, "%q: %s", kv.Key, value)
	})
	b.WriteString("\n}\n")
	if _, err := io.Copy(w, &b); err != nil {
		h.log.Debug("monitoring answer not finished", "error", err)
	}
}

// secretFlags are the flags whose value is a secret, without dashes. Routes
// may hold user and password.
var secretFlags = []string{"pass", "auth", "routes", "cluster", "cluster_listen"}

// commandLine is the JSON of the arguments with secrets hidden.
func commandLine(args []string) string {
	shown := slices.Clone(args)
	for i, arg := range shown {
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || !slices.Contains(secretFlags, name) {
			continue
		}
		switch {
		case given:
			shown[i] = strings.TrimSuffix(arg, value) + sysapi.Redacted
		case i+1 < len(shown):
			shown[i+1] = sysapi.Redacted
		}
	}
	b, err := json.Marshal(shown)
	if err != nil { // cannot happen for texts
		return "[]"
	}
	return string(b)
}
