package archtest

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
)

// floors, lowest first. What stands on one may import what stands lower.
var floors = []string{
	"internal/base", "internal/proto", "internal/core", "internal/engine", "internal/peer", "internal/ops", "server", "cmd",
}

// siblings are the imports between rooms of one floor, "importer imported",
// with a reason each.
var siblings = map[string]string{
	"internal/core/account internal/core/interest": "an account counts what other servers are told",
	"internal/core/account internal/core/mapping":  "an account has the table of mappings in force",
	"internal/core/account internal/core/sublist":  "an account has its interest table",
	"internal/core/mesh internal/core/interest":    "the lanes of a connection",
	"internal/core/sublist internal/core/forward":  "a subscription has the kind of its remote end",
	"internal/proto/routewire internal/proto/wire": "a message is the same on a route",
	"internal/peer/client internal/peer/conn":      "conn is what all kinds of remote end share",
	"internal/peer/route internal/peer/conn":       "conn is what all kinds of remote end share",
}

// guest is a third-party module that may be imported.
type guest struct {
	reason string
	tests  bool // in tests and examples only
}

var guests = map[string]guest{
	"github.com/nats-io/nkeys":            {reason: "identities of users and servers; the format is nkeys' own"},
	"golang.org/x/crypto":                 {reason: "bcrypt for hashed passwords and tokens"},
	"golang.org/x/sys":                    {reason: "process statistics, signals and the Windows service API"},
	"github.com/klauspost/compress":       {reason: "S2, the compression of links between servers"},
	"github.com/prometheus/client_golang": {reason: "the /metrics exposition format"},
	"github.com/nats-io/nats.go":          {reason: "the official client, as the counterpart in tests", tests: true},
	"github.com/cockroachdb/datadriven":   {reason: "tests as scripts", tests: true},
	"go.uber.org/goleak":                  {reason: "finds goroutines that outlive a test", tests: true},
	"pgregory.net/rapid":                  {reason: "property-based tests against a model", tests: true},
}

func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value) // the parser accepted it as a string
	return p
}

// own is the folder of a package of this module, "" for others.
func own(p string) string {
	dir, ok := strings.CutPrefix(p, module+"/")
	if !ok {
		return ""
	}
	return dir
}

// floor is the index in floors, -1 for what stands outside (testkit, sim,
// archtest, examples).
func floor(dir string) int {
	for i, f := range floors {
		if dir == f || strings.HasPrefix(dir, f+"/") {
			return i
		}
	}
	return -1
}

func forTestsOnly(dir string) bool {
	return floor(dir) < 0 && strings.HasPrefix(dir, "internal/")
}

// importsGoDown also binds test files: a test that needs a higher floor is a
// test of the higher floor.
func importsGoDown(t *tree) (wrong []string) {
	for _, s := range t.files {
		for _, spec := range s.ast.Imports {
			from, to := s.dir(), own(importPath(spec))
			if s.nested || to == "" || to == from || forTestsOnly(from) || forTestsOnly(to) {
				continue
			}
			switch a, b := floor(from), floor(to); {
			case a < 0: // examples and the like see only what a user sees
				if to != "server" {
					wrong = append(wrong, s.at(spec, "%s imports %s; outside the house only server is visible", from, to))
				}
			case b < 0:
				wrong = append(wrong, s.at(spec, "%s imports %s, which stands on no floor", from, to))
			case b > a:
				wrong = append(wrong, s.at(spec, "%s imports %s, which stands higher", from, to))
			case b == a && siblings[from+" "+to] == "":
				wrong = append(wrong, s.at(spec, "%s imports its sibling %s; not in the table of siblings", from, to))
			}
		}
	}
	return wrong
}

func siblingsAreNeeded(t *tree, table map[string]string) (wrong []string) {
	seen := map[string]bool{}
	for _, s := range t.files {
		for _, spec := range s.ast.Imports {
			seen[s.dir()+" "+own(importPath(spec))] = true
		}
	}
	for pair := range table {
		if !seen[pair] {
			wrong = append(wrong, "the table of siblings lists "+pair+", which nothing needs any more")
		}
	}
	return wrong
}

// thirdParty is the guest list's key for an import path, "" for the standard
// library and this module. The standard library has no dot in its first element.
func thirdParty(p string) string {
	first, _, _ := strings.Cut(p, "/")
	if !strings.Contains(first, ".") {
		return ""
	}
	for name := range guests {
		if p == name || strings.HasPrefix(p, name+"/") {
			return name
		}
	}
	return p
}

func guestsAreInvited(t *tree) (wrong []string) {
	for _, s := range t.files {
		for _, spec := range s.ast.Imports {
			name := thirdParty(importPath(spec))
			if s.nested || name == "" {
				continue
			}
			g, ok := guests[name]
			switch {
			case !ok:
				wrong = append(wrong, s.at(spec, "%s is not on the guest list", name))
			case g.tests && !s.test && !s.in("examples") && !forTestsOnly(s.dir()):
				wrong = append(wrong, s.at(spec, "%s is for tests only: %s", name, g.reason))
			}
		}
	}
	return wrong
}

func guestsAreNeeded(t *tree, table map[string]guest) (wrong []string) {
	seen := map[string]bool{}
	for _, s := range t.files {
		for _, spec := range s.ast.Imports {
			if !s.nested {
				seen[thirdParty(importPath(spec))] = true
			}
		}
	}
	for name := range table {
		if !seen[name] {
			wrong = append(wrong, "the guest list has "+name+", which nothing imports any more")
		}
	}
	return wrong
}

func testkitStaysInTests(t *tree) (wrong []string) {
	for _, s := range t.files {
		for _, spec := range s.ast.Imports {
			if to := own(importPath(spec)); to != "" && forTestsOnly(to) && !s.test && !forTestsOnly(s.dir()) {
				wrong = append(wrong, s.at(spec, "%s is imported outside tests", to))
			}
		}
	}
	return wrong
}

// serverStaysUpstairs looks at functions, methods, interface methods and
// function types alike: each is an *ast.FuncType.
func serverStaysUpstairs(t *tree) (wrong []string) {
	for _, s := range t.files {
		name := localName(s, module+"/server")
		if name == "" || !s.in("internal") || s.test || forTestsOnly(s.dir()) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncType)
			if ok && mentions(f, name, "Server") {
				wrong = append(wrong, s.at(f, "a signature below server/ mentions the server; take a Config, a logger, narrow interfaces"))
			}
			return true
		})
	}
	return wrong
}

// localName is the name under which a file knows a package, "" if it does not
// import it.
func localName(s *source, imported string) string {
	for _, spec := range s.ast.Imports {
		if importPath(spec) != imported {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

// mentions reports whether pkg.name occurs in n.
func mentions(n ast.Node, pkg, name string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
			x, ok := sel.X.(*ast.Ident)
			found = found || ok && x.Name == pkg
		}
		return !found
	})
	return found
}
