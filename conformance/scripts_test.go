package conformance

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/conformance/script"
	"dunlin/conformance/session"
	"dunlin/conformance/target"
	"dunlin/conformance/transcript"
)

// scriptsMin is the number of scripts below which the suite has lost some: the
// two README files say that there are more than 650.
const scriptsMin = 651

// patience is how long one step of a script waits. The longest thing that any
// script waits for is a timer of about three seconds.
const patience = 8 * time.Second

func loadScripts(t testing.TB) []*script.File {
	t.Helper()
	paths, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var files []*script.File
	count := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := script.Parse(strings.TrimSuffix(filepath.Base(path), ".txt"), path, string(text))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		count += len(f.Scripts)
	}
	if count < scriptsMin {
		t.Fatalf("only %d scripts in testdata/scripts, there must be at least %d", count, scriptsMin)
	}
	return files
}

func goldenPath(area string) string { return filepath.Join("testdata", "golden", area+".txt") }

// deviations are the scripts in which Dunlin differs on purpose, with the
// reason. One that agrees fails the suite: the list may only hold what is so.
func deviations(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/deviations.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, why, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("testdata/deviations.txt: want \"area/name: reason\", got %q", line)
		}
		out[id] = why
	}
	return out
}

// TestScripts holds every scripted conversation and compares the transcript
// with the golden one.
func TestScripts(t *testing.T) {
	filter, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	files := loadScripts(t)
	env := session.Env{Binary: mustBinary(t), PKI: mustCertificates(t), Patience: patience}
	dir := t.TempDir()
	deviating := deviations(t)
	recorded := recording{areas: map[string]transcript.Golden{}}
	for _, f := range files {
		golden, err := transcript.ReadGolden(goldenPath(f.Area))
		if err != nil {
			t.Fatal(err)
		}
		recorded.areas[f.Area] = maps.Clone(golden)
	}
	t.Run("of", func(t *testing.T) {
		for _, f := range files {
			golden := maps.Clone(recorded.areas[f.Area])
			for _, s := range f.Scripts {
				if !filter.MatchString(s.ID()) {
					continue
				}
				t.Run(s.ID(), func(t *testing.T) {
					t.Parallel()
					where := filepath.Join(dir, f.Area, s.Name)
					if *update {
						recorded.keep(t, env, s, where)
						return
					}
					why := deviating[s.ID()]
					if *real {
						why = ""
					}
					board.count(f.Area, s.Name, compare(t, env, s, where, golden[s.Name], why))
				})
			}
		}
	})
	if *update && !t.Failed() {
		recorded.write(t, files)
	}
}

// compare holds one conversation; it reports whether the transcript is as it
// should be.
func compare(t *testing.T, env session.Env, s *script.Script, dir string, want []string, deviates string) bool {
	if len(want) == 0 {
		t.Errorf("no golden transcript: record it with -update")
		return false
	}
	got, err := session.Run(t.Context(), env, s, dir)
	if crash := target.Crashed(got.Log); crash != "" {
		t.Errorf("the server crashed: %s\n%s", crash, got.Log)
		return false
	}
	if err != nil {
		t.Errorf("%s: %v", s.Shows, err)
		return false
	}
	diff := transcript.Diff(want, got.Lines)
	switch {
	case diff == "" && deviates != "":
		t.Errorf("agrees now; remove it from testdata/deviations.txt (%s)", deviates)
		return false
	case diff != "" && deviates == "":
		t.Errorf("%s\n(- nats-server %s, + %s)\n%s", s.Shows, target.ReferenceVersion, env.Binary.Name, diff)
		return false
	}
	return true
}

// recording collects new golden transcripts from parallel tests.
type recording struct {
	mu    sync.Mutex
	areas map[string]transcript.Golden
}

// keep holds a conversation twice: a transcript that is not the same both times
// cannot be a reference.
func (r *recording) keep(t *testing.T, env session.Env, s *script.Script, dir string) {
	var lines [2][]string
	for i := range lines {
		got, err := session.Run(t.Context(), env, s, filepath.Join(dir, string(rune('a'+i))))
		if err != nil {
			t.Fatalf("%s: %v", s.Shows, err)
		}
		lines[i] = got.Lines
	}
	if diff := transcript.Diff(lines[0], lines[1]); diff != "" {
		t.Fatalf("not stable:\n%s", diff)
	}
	for _, line := range lines[0] {
		for _, sign := range []string{"<gave up", "<not among the closed", "never contained", "neither taken nor", "<still accepts"} {
			if strings.Contains(line, sign) {
				t.Errorf("the real server did not do what the script waits for: %s", line)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.areas[s.Area][s.Name] = lines[0]
}

func (r *recording) write(t *testing.T, files []*script.File) {
	for _, f := range files {
		var names []string
		for _, s := range f.Scripts {
			names = append(names, s.Name)
		}
		if err := r.areas[f.Area].Write(goldenPath(f.Area), target.ReferenceVersion, names); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoldenFilesMatchScripts finds golden transcripts without a script and
// deviations of scripts that do not exist.
func TestGoldenFilesMatchScripts(t *testing.T) {
	ids := map[string]bool{}
	areas := map[string]bool{}
	for _, f := range loadScripts(t) {
		areas[f.Area] = true
		for _, s := range f.Scripts {
			ids[s.ID()] = true
		}
	}
	for id := range deviations(t) {
		if !ids[id] {
			t.Errorf("testdata/deviations.txt names %q, which is no script", id)
		}
	}
	paths, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		area := strings.TrimSuffix(filepath.Base(path), ".txt")
		g, err := transcript.ReadGolden(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(g)) {
			if !ids[area+"/"+name] {
				t.Errorf("%s has a transcript %q without a script", path, name)
			}
		}
	}
}
