// Command converse holds one scripted conversation and prints the transcript.
//
//	converse [-real] [-log] area/name
//
// It is run in the conformance folder. Exit status 1 if the conversation could
// not be held, 2 for wrong usage.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dunlin/conformance/pki"
	"dunlin/conformance/script"
	"dunlin/conformance/session"
	"dunlin/conformance/target"
)

func main() {
	real := flag.Bool("real", false, "talk to a real nats-server")
	log := flag.Bool("log", false, "print the server's log too")
	flag.Parse()
	area, name, ok := strings.Cut(flag.Arg(0), "/")
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: converse [-real] [-log] area/name")
		os.Exit(2)
	}
	if err := converse(area, name, *real, *log); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func converse(area, name string, real, log bool) error {
	path := filepath.Join("testdata", "scripts", area+".txt")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := script.Parse(area, path, string(text))
	if err != nil {
		return err
	}
	find := target.Dunlin
	if real {
		find = target.Reference
	}
	binary, err := find(context.Background())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "converse")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	certs, err := pki.New(filepath.Join(dir, "pki"))
	if err != nil {
		return err
	}
	for _, s := range file.Scripts {
		if s.Name != name {
			continue
		}
		env := session.Env{Binary: binary, PKI: certs, Patience: 5 * time.Second}
		result, err := session.Run(context.Background(), env, s, filepath.Join(dir, "server"))
		fmt.Println(strings.Join(result.Lines, "\n"))
		if log {
			fmt.Print(result.Log)
		}
		return err
	}
	return fmt.Errorf("%s has no script %q", path, name)
}
