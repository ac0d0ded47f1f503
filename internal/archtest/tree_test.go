package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the import path prefix of this repository's own packages.
const module = "dunlin"

// tree is the repository as the rules see it: every file, and the syntax of
// every Go file, also of the nested modules bench and conformance.
type tree struct {
	fset  *token.FileSet
	texts map[string][]byte // by slash-separated path from the root
	files []*source         // Go files outside testdata, sorted by path
}

// source is one parsed Go file.
type source struct {
	path   string
	nested bool // belongs to a nested module: its own go.mod, its own guests
	test   bool
	ast    *ast.File
	fset   *token.FileSet
}

func (s *source) dir() string { return path.Dir(s.path) }

// in reports whether the file is in dir or below it.
func (s *source) in(dir string) bool { return strings.HasPrefix(s.path, dir+"/") }

func (s *source) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.fset.Position(n.Pos()).Line, fmt.Sprintf(format, args...))
}

// newTree parses files given as path → content.
func newTree(texts map[string][]byte) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), texts: texts}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if path.Ext(name) != ".go" || slices.Contains(strings.Split(name, "/"), "testdata") {
			continue
		}
		file, err := parser.ParseFile(t.fset, name, texts[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, &source{
			path: name, nested: t.nested(name), test: strings.HasSuffix(name, "_test.go"), ast: file, fset: t.fset,
		})
	}
	return t, nil
}

func (t *tree) nested(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := t.texts[dir+"/go.mod"]; ok {
			return true
		}
	}
	return false
}

// repository reads the tree this test was compiled from.
var repository = sync.OnceValues(func() (*tree, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	names, err := fileNames(root)
	if err != nil {
		return nil, err
	}
	texts := make(map[string][]byte, len(names))
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			return nil, err
		}
		if bytes.ContainsRune(text, 0) {
			text = nil // a picture: there, but nothing to read
		}
		texts[name] = text
	}
	return newTree(texts)
})

// fileNames lists what git tracks or would track; in an unpacked archive
// without git, everything.
func fileNames(root string) ([]string, error) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil {
		return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
	}
	var names []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	return names, err
}

// A rule that is shown an empty tree finds nothing wrong with it.
func TestTheTreeIsThere(t *testing.T) {
	house, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go.mod", "internal/base/task/task.go", "internal/archtest/doc.go"} {
		if _, ok := house.texts[want]; !ok {
			t.Errorf("%s is not among the %d files found", want, len(house.texts))
		}
	}
	if len(house.files) < 10 {
		t.Errorf("only %d Go files found", len(house.files))
	}
}
