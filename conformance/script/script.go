package script

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// File is the scripts of one area.
type File struct {
	Area    string
	Scripts []*Script
}

// Script is one conversation with one server.
type Script struct {
	Area, Name, Shows string
	Line              int
	Config            string // of the server, without ports and name
	NoHTTP            bool
	Masks             []Mask
	Steps             []Step
}

// ID names a script over all areas.
func (s *Script) ID() string { return s.Area + "/" + s.Name }

// Mask replaces what a server chooses at random.
type Mask struct {
	Pattern *regexp.Regexp
	Text    string
}

// Verb says what a step does.
type Verb string

// The verbs of steps. The first four are not written as words in a script.
const (
	Send          Verb = "send"
	SendRaw       Verb = "send-raw"
	Reload        Verb = "reload"
	ReloadRefused Verb = "reload-refused"

	Open         Verb = "open"
	Join         Verb = "join"
	Connect      Verb = "connect"
	Sync         Verb = "sync"
	Wait         Verb = "wait"
	Closed       Verb = "closed"
	Close        Verb = "close"
	Pause        Verb = "pause"
	Resume       Verb = "resume"
	Group        Verb = "group"
	Tally        Verb = "tally"
	Flood        Verb = "flood"
	HTTP         Verb = "http"
	Until        Verb = "until"
	Reason       Verb = "reason"
	Signal       Verb = "signal"
	Exit         Verb = "exit"
	Refused      Verb = "refused"
	Peer         Verb = "peer"
	Accept       Verb = "accept"
	Logged       Verb = "logged"
	StartRefused Verb = "start-refused"
)

// form is what a verb takes: connections, words, a quoted text, options, JSON.
type form struct {
	conns   bool // one or more connection names come first
	words   int  // bare words after that
	options []string
}

var forms = map[Verb]form{
	Open:         {conns: true, options: dialOptions},
	Join:         {conns: true, options: append([]string{"nkey", "proxykey", "stdsig", "badsig"}, dialOptions...)},
	Connect:      {conns: true, options: []string{"nkey", "proxykey", "stdsig", "badsig"}},
	Sync:         {conns: true},
	Wait:         {conns: true, words: 1},
	Closed:       {conns: true, options: []string{"after", "before"}},
	Close:        {conns: true},
	Pause:        {conns: true},
	Resume:       {conns: true},
	Group:        {conns: true},
	Tally:        {conns: true, options: []string{"by", "round"}},
	Flood:        {conns: true, options: []string{"subject", "size", "count", "reply"}},
	HTTP:         {words: 3, options: []string{"keep", "drop", "scheme"}},
	Until:        {words: 2},
	Reason:       {conns: true},
	Signal:       {words: 1},
	Exit:         {},
	Refused:      {},
	Peer:         {conns: true, options: append(slices.Clone(peerOptions), dialOptions...)},
	Accept:       {conns: true, options: append(slices.Clone(peerOptions), "nopong", "mute")},
	Logged:       {words: 1},
	StartRefused: {},
}

// peerOptions are what a server that the script plays says of itself.
var peerOptions = []string{"name", "cluster", "dynamic", "pool", "idx", "account", "compression", "ip", "urls", "user", "pass", "s2", "show"}

var dialOptions = []string{"at", "tls", "tlsfirst", "raw", "nopong", "rcvbuf", "prefix", "cert", "maxtls", "suite", "curve", "noverify"}

// Step is one line of a script, or one run of sends.
type Step struct {
	Line    int
	Verb    Verb
	Conns   []string
	Words   []string
	Options map[string]string
	JSON    string // the object at the end of open, join and connect lines
	Text    string // for sends the escaped bytes, for reloads the configuration
	Source  string // as written, for the transcript
}

// Has reports whether an option was given, with or without a value.
func (s Step) Has(option string) bool {
	_, ok := s.Options[option]
	return ok
}

var name = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// Parse reads a file of scripts. Every mistake of the file is in the error,
// one a line.
func Parse(area, path string, text string) (*File, error) {
	p := &parser{path: path, file: &File{Area: area}, seen: map[string]int{}, lines: strings.Split(text, "\n")}
	for p.next < len(p.lines) {
		p.line()
	}
	p.finish()
	if len(p.mistakes) > 0 {
		return nil, fmt.Errorf("%s", strings.Join(p.mistakes, "\n"))
	}
	if len(p.file.Scripts) == 0 {
		return nil, fmt.Errorf("%s: no script in this file: begin one with \"=== name: what it shows\"", path)
	}
	return p.file, nil
}
