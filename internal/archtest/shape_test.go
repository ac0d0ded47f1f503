package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	functionLinesMax = 80
	fileLinesMax     = 700
)

// oversized lists what is longer than the limits above, with its length as it
// stands: "path" for a file, "path function" for a function. The figure may
// only go down; an entry within the limit must be removed.
var oversized = map[string]int{}

func sizes(t *tree, allowed map[string]int) (wrong []string) {
	found := map[string]bool{}
	check := func(key string, lines, limit int) {
		ceiling, listed := allowed[key]
		found[key] = true
		switch {
		case !listed && lines > limit:
			wrong = append(wrong, fmt.Sprintf("%s: %d lines, limit %d", key, lines, limit))
		case listed && lines > ceiling:
			wrong = append(wrong, fmt.Sprintf("%s: grew to %d lines from %d, and may only shrink", key, lines, ceiling))
		case listed && lines <= limit:
			wrong = append(wrong, fmt.Sprintf("%s: within the limit; remove its exception", key))
		case listed && lines < ceiling:
			wrong = append(wrong, fmt.Sprintf("%s: shrank to %d lines; lower its exception from %d", key, lines, ceiling))
		}
	}
	for _, s := range t.files {
		check(s.path, bytes.Count(t.texts[s.path], []byte("\n")), fileLinesMax)
		for _, decl := range s.ast.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				first, last := t.fset.Position(f.Pos()).Line, t.fset.Position(f.End()).Line
				check(s.path+" "+functionName(f), last-first+1, functionLinesMax)
			}
		}
	}
	for key := range allowed {
		if !found[key] {
			wrong = append(wrong, key+": is gone; remove its exception")
		}
	}
	return wrong
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// goroutinesStartInTask lets tests and examples be: they show or check what a
// user writes. sync.WaitGroup.Go starts a goroutine as well; without types it
// is recognised by the name of a variable or field declared as a WaitGroup.
func goroutinesStartInTask(t *tree) (wrong []string) {
	for _, s := range t.files {
		if s.nested || s.test || s.in("examples") || s.in("internal/base/task") || forTestsOnly(s.dir()) {
			continue
		}
		waitGroups := map[string]bool{}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, name := range n.Names {
					waitGroups[name.Name] = waitGroups[name.Name] || n.Type != nil && mentions(n.Type, "sync", "WaitGroup")
				}
			case *ast.Field:
				for _, name := range n.Names {
					waitGroups[name.Name] = waitGroups[name.Name] || mentions(n.Type, "sync", "WaitGroup")
				}
			}
			return true
		})
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				wrong = append(wrong, s.at(n, "a go statement outside base/task"))
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if ok && sel.Sel.Name == "Go" && waitGroups[lastName(sel.X)] {
					wrong = append(wrong, s.at(n, "a goroutine started by a WaitGroup, outside base/task"))
				}
			}
			return true
		})
	}
	return wrong
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// roomsHaveADoc wants doc.go with the four things a newcomer asks of a room.
// server/ is public: its doc.go is written for users and free in form.
func roomsHaveADoc(t *tree) (wrong []string) {
	docs := map[string]string{}
	rooms := map[string]bool{}
	for _, s := range t.files {
		if !s.in("internal") && !s.in("server") {
			continue
		}
		rooms[s.dir()] = true
		if path.Base(s.path) == "doc.go" {
			docs[s.dir()] = s.ast.Doc.Text()
		}
	}
	for room := range rooms {
		doc, ok := docs[room]
		if !ok {
			wrong = append(wrong, room+": has no doc.go")
			continue
		}
		if room == "server" {
			continue
		}
		for _, part := range []string{"owns", "does not own", "concurrency", "invariant"} {
			if !strings.Contains(strings.ToLower(doc), part) {
				wrong = append(wrong, fmt.Sprintf("%s/doc.go: does not say %q", room, part))
			}
		}
	}
	return wrong
}

var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"}

var hungarian = regexp.MustCompile(`^I[A-Z][a-z]|Impl$`)

func namesSaySomething(t *tree) (wrong []string) {
	for _, s := range t.files {
		for _, name := range append(strings.Split(s.dir(), "/"), s.ast.Name.Name) {
			if slices.Contains(emptyNames, strings.TrimSuffix(name, "_test")) {
				wrong = append(wrong, s.at(s.ast.Name, "package %s is called %s, which says nothing", s.dir(), name))
				break
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			_, isInterface := spec.Type.(*ast.InterfaceType)
			if m := hungarian.FindString(spec.Name.Name); m == "Impl" || m != "" && isInterface {
				wrong = append(wrong, s.at(spec, "type %s: no I prefix, no Impl suffix", spec.Name.Name))
			}
			return true
		})
	}
	return wrong
}

func testsDoNotSleep(t *tree) (wrong []string) {
	for _, s := range t.files {
		name := localName(s, "time")
		if !s.test || name == "" || localName(s, "testing/synctest") != "" {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" && lastName(sel.X) == name {
					wrong = append(wrong, s.at(n, "a test sleeps; wait for the condition, or use testing/synctest"))
				}
			}
			return true
		})
	}
	return wrong
}

// The patterns are put together from parts, so that this file does not
// violate its own rules.
var (
	unfinished = regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME|XX" + "X)" + `\b|not (yet )?` + `implemented|un` + `implemented|st` + `ub\b`)
	onePlace   = regexp.MustCompile(`(^|[^\w.])/(` + `work|tmp/peers|tmp/dunlin[\w-]*|root|home/[a-z]+)/`)
)

func nothingIsUnfinished(t *tree) (wrong []string) {
	return grep(t, unfinished, "unfinished work", func(name string) bool { return path.Ext(name) == ".go" })
}

func noMachinePaths(t *tree) (wrong []string) {
	return grep(t, onePlace, "a path of one machine", func(string) bool { return true })
}

func grep(t *tree, pattern *regexp.Regexp, what string, wanted func(name string) bool) (wrong []string) {
	for name, text := range t.texts {
		if !wanted(name) {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := pattern.FindString(line); m != "" {
				wrong = append(wrong, fmt.Sprintf("%s:%d: %s: %q", name, i+1, what, m))
			}
		}
	}
	return wrong
}

var markdownLink = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)]*)?\)`)

// linksLeadSomewhere follows links of Markdown pages to files of this tree.
func linksLeadSomewhere(t *tree) (wrong []string) {
	folders := map[string]bool{".": true}
	for name := range t.texts {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	for name, text := range t.texts {
		if path.Ext(name) != ".md" || strings.Contains(name, "/testdata/") {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range markdownLink.FindAllStringSubmatch(line, -1) {
				target := path.Join(path.Dir(name), m[1])
				if _, ok := t.texts[target]; !ok && !folders[target] && !strings.Contains(m[1], ":") {
					wrong = append(wrong, fmt.Sprintf("%s:%d: links to %s, which is not there", name, i+1, m[1]))
				}
			}
		}
	}
	return wrong
}

var (
	racing       = regexp.MustCompile(`(?m)^//go:build .*\brace\b`)
	withoutRace  = regexp.MustCompile(`(?m)^//go:build .*!race\b`) // what make test-costs looks for
	costsAreRun  = regexp.MustCompile(`(?m)^test:.*\btest-costs\b`)
	leavesOffNow = []string{"Skip", "Skipf", "SkipNow"}
)

// raceSkipsNothing: make test runs with the race detector, so a test that
// leaves off under it never runs there. One that has to stands in a file for
// builds without, where make test-costs finds it. A test may do less under
// the race detector, as long as it does something.
func raceSkipsNothing(t *tree) (wrong []string) {
	flags := map[string]bool{} // constants that tell the race detector: by folder, and the exported ones for all
	apart := false
	for _, s := range t.files {
		text := t.texts[s.path]
		if s.nested || !racing.Match(text) {
			continue
		}
		apart = apart || s.test && withoutRace.Match(text)
		for _, decl := range s.ast.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						flags[s.dir()+" "+name.Name] = true
						flags[name.Name] = name.IsExported()
					}
				}
			}
		}
	}
	if apart && !costsAreRun.Match(t.texts["Makefile"]) {
		wrong = append(wrong, "Makefile: test does not depend on test-costs, which runs what the race detector excludes")
	}
	for _, s := range t.files {
		if s.nested || !s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			branch, ok := n.(*ast.IfStmt)
			if ok && holds(branch.Cond, func(n *ast.Ident) bool { return flags[s.dir()+" "+n.Name] || flags[n.Name] }) &&
				holds(branch.Body, func(n *ast.Ident) bool { return slices.Contains(leavesOffNow, n.Name) }) {
				wrong = append(wrong, s.at(n, "a test leaves off under the race detector, so that make test never runs it; put it in a file with //go:build !race"))
			}
			return true
		})
	}
	return wrong
}

func holds(n ast.Node, wanted func(*ast.Ident) bool) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok {
			found = found || wanted(name)
		}
		return !found
	})
	return found
}
