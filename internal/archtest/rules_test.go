package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sample is a small tree in which a rule must report exactly the lines that
// contain one of want's strings each, or nothing.
type sample struct {
	files map[string]string
	want  []string
}

type rule struct {
	name    string
	check   func(*tree) []string
	samples []sample
	// onSamples replaces check on the samples, for rules with a table of what
	// they let pass: the samples bring a table of their own.
	onSamples func(*tree) []string
}

func rules() []rule {
	return slices.Concat(importRules(), goroutineRules(), shapeRules(), raceRules(), textRules())
}

// TestHouse runs every rule on the repository.
func TestHouse(t *testing.T) {
	house, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			wrong := r.check(house)
			slices.Sort(wrong)
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}

// TestRulesCanFail runs every rule on its samples.
func TestRulesCanFail(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			bad := 0
			for _, s := range r.samples {
				checkSample(t, r, s)
				bad += len(s.want)
			}
			if bad == 0 {
				t.Error("the rule has no bad sample; nothing shows that it can fail")
			}
		})
	}
}

func checkSample(t *testing.T, r rule, s sample) {
	t.Helper()
	texts := map[string][]byte{}
	for name, text := range s.files {
		texts[name] = []byte(text)
	}
	small, err := newTree(texts)
	if err != nil {
		t.Fatal(err)
	}
	check := r.check
	if r.onSamples != nil {
		check = r.onSamples
	}
	wrong := check(small)
	if len(wrong) != len(s.want) {
		t.Errorf("reported %q, want %d: %q", wrong, len(s.want), s.want)
		return
	}
	for _, w := range s.want {
		if !slices.ContainsFunc(wrong, func(got string) bool { return strings.Contains(got, w) }) {
			t.Errorf("reported %q, nothing about %q", wrong, w)
		}
	}
}

func one(name, text string, want ...string) sample {
	return sample{map[string]string{name: text}, want}
}

func importRules() []rule {
	return []rule{
		{"imports go down", importsGoDown, []sample{
			one("internal/core/sublist/a.go", "package sublist\nimport _ \"dunlin/internal/proto/subject\"\n"),
			one("internal/core/sublist/a.go", "package sublist\nimport _ \"dunlin/internal/engine/broker\"\n", "a.go:2: internal/core/sublist imports internal/engine/broker"),
			one("internal/core/sublist/a_test.go", "package sublist\nimport _ \"dunlin/server\"\n", "imports server"),
			one("internal/core/sublist/a.go", "package sublist\nimport _ \"dunlin/internal/core/perm\"\n", "sibling internal/core/perm"),
			one("internal/base/a/a.go", "package a\nimport _ \"dunlin/examples/embed\"\n", "stands on no floor"),
			one("examples/embed/main.go", "package main\nimport _ \"dunlin/server\"\n"),
			one("examples/embed/main.go", "package main\nimport _ \"dunlin/internal/base/task\"\n", "only server is visible"),
			one("cmd/dunlin/main.go", "package main\nimport _ \"dunlin/server\"\n"),
		}, nil},
		{
			"siblings are needed",
			func(t *tree) []string { return siblingsAreNeeded(t, siblings) },
			[]sample{
				one("internal/core/a/a.go", "package a\nimport _ \"dunlin/internal/core/b\"\n"),
				one("internal/core/b/b.go", "package b\nimport _ \"dunlin/internal/core/a\"\n", "internal/core/a internal/core/b"),
			},
			func(t *tree) []string {
				return siblingsAreNeeded(t, map[string]string{"internal/core/a internal/core/b": "a sample"})
			},
		},
		{"guests are invited", guestsAreInvited, []sample{
			one("internal/core/perm/a.go", "package perm\nimport _ \"github.com/some/thing\"\n", "github.com/some/thing is not on the guest list"),
			one("internal/core/perm/a.go", "package perm\nimport _ \"github.com/nats-io/nats.go\"\n", "for tests only"),
			one("internal/core/perm/a_test.go", "package perm\nimport _ \"github.com/nats-io/nats.go\"\n"),
			one("internal/engine/authn/a.go", "package authn\nimport _ \"golang.org/x/crypto/bcrypt\"\n"),
			{files: map[string]string{"bench/go.mod": "module bench\n", "bench/a.go": "package main\nimport _ \"github.com/some/thing\"\n"}},
		}, nil},
		{
			"guests are needed",
			func(t *tree) []string { return guestsAreNeeded(t, guests) },
			[]sample{
				one("internal/core/a/a.go", "package a\nimport _ \"golang.org/x/crypto/bcrypt\"\n"),
				one("internal/core/a/a.go", "package a\nimport _ \"golang.org/x/sys/unix\"\n", "golang.org/x/crypto"),
				{files: map[string]string{"bench/go.mod": "module bench\n", "bench/a.go": "package main\nimport _ \"golang.org/x/crypto/bcrypt\"\n"}, want: []string{"golang.org/x/crypto"}},
			},
			func(t *tree) []string {
				return guestsAreNeeded(t, map[string]guest{"golang.org/x/crypto": {reason: "a sample"}})
			},
		},
		{"testkit stays in tests", testkitStaysInTests, []sample{
			one("server/a.go", "package server\nimport _ \"dunlin/internal/testkit\"\n", "internal/testkit is imported outside tests"),
			one("internal/core/perm/a.go", "package perm\nimport _ \"dunlin/internal/sim/disk\"\n", "internal/sim/disk is imported"),
			one("server/a_test.go", "package server\nimport _ \"dunlin/internal/testkit\"\n"),
		}, nil},
		{"the server stays upstairs", serverStaysUpstairs, []sample{
			one("internal/ops/monitor/a.go", "package monitor\nimport s \"dunlin/server\"\nfunc New(x *s.Server) {}\n", "a.go:3: a signature"),
			one("internal/ops/monitor/a.go", "package monitor\nimport \"dunlin/server\"\ntype T interface {\n\tUse(func(*server.Server))\n}\n", "a.go:4:", "a.go:4:"),
			one("cmd/dunlin/a.go", "package main\nimport \"dunlin/server\"\nfunc run(x *server.Server) {}\n"),
		}, nil},
	}
}

func goroutineRules() []rule {
	return []rule{
		{"goroutines start in base/task", goroutinesStartInTask, []sample{
			one("internal/peer/conn/a.go", "package conn\nfunc f() {\n\tgo f()\n}\n", "a.go:3: a go statement"),
			one("internal/base/task/a.go", "package task\nfunc f() { go f() }\n"),
			one("internal/peer/conn/a_test.go", "package conn\nfunc f() { go f() }\n"),
			one("internal/peer/conn/a.go", "package conn\nimport \"sync\"\ntype t struct{ wg sync.WaitGroup }\nfunc (x *t) f() {\n\tx.wg.Go(nil)\n\tvar g sync.WaitGroup\n\tg.Go(nil)\n}\n", "a.go:5:", "a.go:7:"),
			one("internal/peer/conn/a.go", "package conn\nfunc f(tasks interface{ Go(func()) }) { tasks.Go(nil) }\n"),
		}, nil},
	}
}

func shapeRules() []rule {
	long := func(name string, lines int) string {
		return "package a\nfunc " + name + "() {\n" + strings.Repeat("\t_ = 0\n", lines-2) + "}\n"
	}
	return []rule{
		{
			"sizes are kept",
			func(t *tree) []string { return sizes(t, oversized) },
			[]sample{
				one("a/a.go", long("f", 81), "a/a.go f: 81 lines", "a/b.go g: is gone"),
				one("a/a.go", long("f", 80), "a/b.go g: is gone"),
				one("a/a.go", "package a\n"+strings.Repeat("\n", 700), "a/a.go: 701 lines", "a/b.go g: is gone"),
				one("a/b.go", long("g", 100)),
				one("a/b.go", long("g", 101), "grew to 101"),
				one("a/b.go", long("g", 99), "lower its exception"),
				one("a/b.go", long("g", 80), "remove its exception"),
			},
			func(t *tree) []string { return sizes(t, map[string]int{"a/b.go g": 100}) },
		},
		{"rooms have a doc", roomsHaveADoc, []sample{
			one("internal/base/x/x.go", "package x\n", "internal/base/x: has no doc.go"),
			one("internal/base/x/doc.go", "// Package x. Owns: a. Does not own: b. Concurrency: none. Invariants: c.\npackage x\n"),
			one("internal/base/x/doc.go", "// Package x. Owns: a. Does not own: b. Concurrency: none.\npackage x\n", `does not say "invariant"`),
			one("server/server.go", "package server\n", "server: has no doc.go"),
		}, nil},
		{"names say something", namesSaySomething, []sample{
			one("internal/base/util/a.go", "package util\n", "is called util"),
			one("internal/base/ok/a.go", "package helpers\n", "is called helpers"),
			one("internal/base/ok/a.go", "package ok\ntype IReader interface{}\ntype readerImpl struct{}\ntype ID interface{}\ntype InfoLine struct{}\n", "IReader", "readerImpl"),
		}, nil},
	}
}

func raceRules() []rule {
	const (
		flag  = "//go:build race\n\npackage a\n\nconst race = true\n"
		costs = "//go:build !race\n\npackage a\n\nfunc TestA() {}\n"
		lax   = "package a\n\nfunc TestA(t *testing.T) {\n\tif race && slow {\n\t\t%s\n\t}\n}\n"
		runs  = "test: lint test-costs ## all\n"
	)
	test := func(then string) string { return fmt.Sprintf(lax, then) }
	return []rule{{"the race detector skips nothing", raceSkipsNothing, []sample{
		{map[string]string{"a/race_test.go": flag, "a/a_test.go": test("t.Skip(\"slow\")")}, []string{"a/a_test.go:4: a test leaves off"}},
		{map[string]string{"a/race_test.go": flag, "a/a_test.go": test("t.SkipNow()")}, []string{"a/a_test.go:4: a test leaves off"}},
		{map[string]string{"a/race_test.go": flag, "a/a_test.go": test("many = 10")}, nil},
		{map[string]string{"a/race_test.go": flag, "b/a_test.go": test("t.Skip()")}, nil},
		{map[string]string{"kit/race.go": strings.Replace(flag, "race = ", "Race = ", 1), "b/a_test.go": strings.Replace(test("t.Skip()"), "if race", "if kit.Race", 1)}, []string{"b/a_test.go:4: a test leaves off"}},
		{map[string]string{"Makefile": runs, "a/a_test.go": costs}, nil},
		{map[string]string{"Makefile": "test: lint\n", "a/a_test.go": costs}, []string{"Makefile: test does not depend on test-costs"}},
		{map[string]string{"Makefile": "test: lint\n", "bench/go.mod": "module bench\n", "bench/a_test.go": costs}, nil},
	}, nil}}
}

func textRules() []rule {
	sleep := "import \"time\"\nfunc f() { time.Sleep(1) }\n"
	return []rule{
		{"tests do not sleep", testsDoNotSleep, []sample{
			one("internal/base/x/x_test.go", "package x\n"+sleep, "x_test.go:3: a test sleeps"),
			one("bench/x_test.go", "package x\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }\n", "a test sleeps"),
			one("internal/base/x/x_test.go", "package x\nimport _ \"testing/synctest\"\n"+sleep),
			one("internal/base/x/x.go", "package x\n"+sleep),
		}, nil},
		{"nothing is unfinished", nothingIsUnfinished, []sample{
			one("a/a.go", "package a\n// TO"+"DO: more\n", "a.go:2: unfinished"),
			one("a/a.go", "package a\n// FIX"+"ME\n", "a.go:2: unfinished"),
			one("a/a.go", "package a\nvar _ = \"not yet imp"+"lemented\"\n", "a.go:2: unfinished"),
			one("a/a.go", "package a\n// mastodon\n"),
		}, nil},
		{"links lead somewhere", linksLeadSomewhere, []sample{
			one("docs/a.md", "[x](b.md), [y](../docs/a.md#part), [z](https://example.com/q), [d](../docs), [p](#part)\n", "docs/a.md:1: links to b.md"),
		}, nil},
		{"no paths of one machine", noMachinePaths, []sample{
			one("docs/a.md", "see /wo"+"rk/shared\n", "docs/a.md:1: a path"),
			one("Makefile", "run:\n\t/tmp"+"/peers/nats-server\n", "Makefile:2: a path"),
			one("a/a.go", "package a\nvar x = \"/ho"+"me/somebody/x\"\n", "a.go:2: a path"),
			one("docs/a.md", "https://example.com/wo"+"rk/x and net/wo"+"rk/ and /tmp/x\n"),
		}, nil},
	}
}
