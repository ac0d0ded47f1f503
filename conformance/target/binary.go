package target

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Pinned versions of the peers.
const (
	ReferenceVersion = "2.15.2"
	referenceModule  = "github.com/nats-io/nats-server/v2@v" + ReferenceVersion
	cliModule        = "github.com/nats-io/natscli/nats@v0.5.1"
)

// Binary is a server (or tool) that can be run.
type Binary struct {
	Path string
	Name string // for people: "dunlin", "nats-server"
}

// CacheDir is where installed peers are kept between runs.
func CacheDir() (string, error) {
	dir := os.Getenv("CONFORMANCE_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder, set CONFORMANCE_CACHE: %w", err)
		}
		dir = filepath.Join(base, "dunlin-conformance")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	return dir, nil
}

// Reference is the real nats-server: $NATS_SERVER_BIN, or installed into the
// cache at the pinned version.
func Reference(ctx context.Context) (Binary, error) {
	if path := os.Getenv("NATS_SERVER_BIN"); path != "" {
		return Binary{Path: path, Name: "nats-server"}, nil
	}
	path, err := install(ctx, referenceModule, "nats-server")
	return Binary{Path: path, Name: "nats-server"}, err
}

// CLI is the nats command line tool: $NATS_BIN, or installed into the cache.
func CLI(ctx context.Context) (Binary, error) {
	if path := os.Getenv("NATS_BIN"); path != "" {
		return Binary{Path: path, Name: "nats"}, nil
	}
	path, err := install(ctx, cliModule, "nats")
	return Binary{Path: path, Name: "nats"}, err
}

// install runs "go install" once for a pinned version. The version is part of
// the folder's name, so a new pin is a new folder.
func install(ctx context.Context, module, name string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, strings.NewReplacer("/", "_", "@", "_").Replace(module))
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", module)
	cmd.Dir = cache // outside of this module: its go.mod must not matter
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", module, err, out)
	}
	return path, nil
}

// Dunlin is the server under test: $DUNLIN_BIN, or built from the checkout this
// module lies in.
func Dunlin(ctx context.Context) (Binary, error) {
	if path := os.Getenv("DUNLIN_BIN"); path != "" {
		abs, err := filepath.Abs(path)
		return Binary{Path: abs, Name: "dunlin"}, err
	}
	root, err := checkout()
	if err != nil {
		return Binary{}, err
	}
	cache, err := CacheDir()
	if err != nil {
		return Binary{}, err
	}
	path := filepath.Join(cache, "dunlin")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/dunlin")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return Binary{}, fmt.Errorf("build the server under test in %s: %w\n%s", root, err, out)
	}
	return Binary{Path: path, Name: "dunlin"}, nil
}

// checkout walks up to the folder whose go.mod is that of the server.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module dunlin\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no checkout of the server above the working folder: set DUNLIN_BIN")
		}
		dir = parent
	}
}
