package conformance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"dunlin/conformance/pki"
	"dunlin/conformance/target"
)

var (
	update = flag.Bool("update", false, "record the golden transcripts from a real nats-server")
	real   = flag.Bool("real", false, "test a real nats-server instead of dunlin (shows drift of the golden transcripts)")
	only   = flag.String("script", "", "regular expression of area/name: hold only these conversations")
)

// TestMain runs the suite with more conversations at once than processors:
// they mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	status := m.Run()
	board.print(os.Stdout)
	if set, err := certificates(); err == nil {
		if err := os.RemoveAll(set.Dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(status)
}

// binary is the server that all tests of this run talk to.
var binary = sync.OnceValues(func() (target.Binary, error) {
	if *real || *update {
		return target.Reference(context.Background())
	}
	return target.Dunlin(context.Background())
})

func mustBinary(t *testing.T) target.Binary {
	t.Helper()
	b, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var certificates = sync.OnceValues(func() (*pki.Set, error) {
	dir, err := os.MkdirTemp("", "conformance-pki")
	if err != nil {
		return nil, err
	}
	return pki.New(dir)
})

func mustCertificates(t *testing.T) *pki.Set {
	t.Helper()
	s, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
