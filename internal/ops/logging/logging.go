package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"dunlin/internal/base/logfile"
)

// Options say what is logged, how and to where. Where several destinations
// are named, the file wins over the remote syslog and that over the local one,
// as in nats-server.
type Options struct {
	Debug, Trace bool
	// None: nothing is logged at all.
	None bool
	// Time puts the time before a line, TimeUTC in UTC instead of local time.
	Time, TimeUTC bool
	// Format is "text" (also "") or "json".
	Format string

	File          string
	FileSizeLimit int64 // bytes; 0 = never rotated
	FileMax       int   // files kept, the current one included; 0 = all
	Syslog        bool
	RemoteSyslog  string // udp://host:port, tcp://host:port or unix:///path
}

// Logging is the open log of a server.
type Logging struct {
	out    *output
	logger *slog.Logger
	stderr *os.File

	mu   sync.Mutex // orders changes of the destination
	opts Options
}

// Open opens the destination that o names. An error says which one and why.
func Open(o Options) (*Logging, error) { return openTo(o, os.Stderr) }

func openTo(o Options, stderr *os.File) (*Logging, error) {
	l := &Logging{out: &output{}, stderr: stderr}
	l.logger = slog.New(&handler{out: l.out})
	if err := l.Reconfigure(o); err != nil {
		return nil, err
	}
	return l, nil
}

// Logger returns the logger whose lines come here. It follows every later
// change; it stays usable after Close, towards standard error.
func (l *Logging) Logger() *slog.Logger { return l.logger }

// SetLevels says which levels below Info are wanted, from now on.
func (l *Logging) SetLevels(debug, trace bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opts.Debug, l.opts.Trace = debug, trace
	l.out.want.Store(l.opts.want())
}

func (o *Options) want() (want uint32) {
	if o.Debug {
		want |= wantDebug
	}
	if o.Trace {
		want |= wantTrace
	}
	if o.None {
		want |= wantNothing
	}
	return want
}

func (o *Options) sameDestination(p *Options) bool {
	return o.File == p.File && o.Syslog == p.Syslog && o.RemoteSyslog == p.RemoteSyslog
}

// Change is a new configuration that can be taken into use without fail.
type Change struct {
	log    *Logging
	opts   Options
	next   *target
	opened bool // next's destination is not the current one
}

// Prepare does all of a change that can go wrong, and nothing that shows.
// Exactly one of Commit and Discard must follow. One change at a time.
func (l *Logging) Prepare(o Options) (*Change, error) {
	switch o.Format {
	case "", "text", "json":
	default:
		return nil, fmt.Errorf("unknown log format %q: expected text or json", o.Format)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &Change{log: l, opts: o, next: &target{}}
	current := l.out.target.Load()
	if current != nil && o.sameDestination(&l.opts) {
		c.next.dest = current.dest
	} else {
		dest, err := l.open(&o)
		if err != nil {
			return nil, err
		}
		c.next.dest, c.opened = dest, true
	}
	_, toSyslog := c.next.dest.(*syslogConn)
	_, toStream := c.next.dest.(stream)
	f := &c.next.format
	f.json, f.time, f.utc = o.Format == "json", o.Time, o.TimeUTC
	f.colour = toStream && !f.json && WantsColour(l.stderr)
	if !toSyslog {
		f.pid = os.Getpid()
	}
	return c, nil
}

// Commit takes the change into use. The error is that of closing the old
// destination; the change holds in any case.
func (c *Change) Commit() error {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.out.target.Swap(c.next)
	l.opts = c.opts
	l.out.want.Store(c.opts.want())
	if file, ok := c.next.dest.(file); ok {
		file.SetLimits(c.opts.FileSizeLimit, c.opts.FileMax)
	}
	if c.opened && old != nil {
		return old.dest.Close()
	}
	return nil
}

// Discard gives the change up.
func (c *Change) Discard() error {
	if !c.opened {
		return nil
	}
	return c.next.dest.Close()
}

// Reconfigure is Prepare and Commit. After an error of opening the new
// destination nothing has changed.
func (l *Logging) Reconfigure(o Options) error {
	c, err := l.Prepare(o)
	if err != nil {
		return err
	}
	return c.Commit()
}

// Reopen opens the log file's path anew, for tools that move log files away.
// Logging to anything else it only says that there is nothing to do.
func (l *Logging) Reopen() error {
	f, ok := l.out.target.Load().dest.(file)
	if !ok {
		l.logger.Info("Log is not a file, nothing to reopen")
		return nil
	}
	if err := f.Reopen(); err != nil {
		return fmt.Errorf("log file is not reopened, the open one stays in use: %w", err)
	}
	l.logger.Info("File log re-opened")
	return nil
}

// Close lets the destination go. Lines that still come go to standard error.
func (l *Logging) Close() error {
	l.mu.Lock()
	o := l.opts
	l.mu.Unlock()
	o.File, o.RemoteSyslog, o.Syslog = "", "", false
	return l.Reconfigure(o)
}

// destination takes whole lines. *syslogConn is the third of its kind.
type destination interface {
	send(level slog.Level, line []byte) error
	Close() error
}

type file struct{ *logfile.File }

func (f file) send(_ slog.Level, line []byte) error {
	_, err := f.Write(line)
	return err
}

// stream is standard error, which is not ours to close.
type stream struct{ to *os.File }

func (s stream) send(_ slog.Level, line []byte) error {
	_, err := s.to.Write(line)
	return err
}

func (s stream) Close() error { return nil }

func (l *Logging) open(o *Options) (destination, error) {
	switch {
	case o.File != "":
		f, err := logfile.Open(logfile.Options{
			Path: o.File, SizeLimit: o.FileSizeLimit, MaxFiles: o.FileMax,
			Line: l.out.ownLine, Fallback: l.stderr,
		})
		if err != nil {
			return nil, err
		}
		return file{f}, nil
	case o.RemoteSyslog != "":
		return dialRemoteSyslog(o.RemoteSyslog, l.stderr)
	case o.Syslog:
		return dialLocalSyslog(l.stderr)
	}
	return stream{l.stderr}, nil
}

// ownLine renders what the log file says about itself.
func (o *output) ownLine(level slog.Level, text string) []byte {
	var f format
	if t := o.target.Load(); t != nil {
		f = t.format
	}
	r := slog.NewRecord(time.Now(), level, text, 0)
	return f.render(nil, &r, nil)
}

// target is a destination and the shape of lines for it. It never changes.
type target struct {
	format format
	dest   destination
}

// lineMax is the largest line buffer that is kept for the next line.
const lineMax = 64 << 10

var lines = sync.Pool{New: func() any { return new([]byte) }}

func (t *target) log(r *slog.Record, added *addition) error {
	buf := lines.Get().(*[]byte)
	line := t.format.render((*buf)[:0], r, added)
	err := t.dest.send(r.Level, line)
	if cap(line) <= lineMax {
		*buf = line
		lines.Put(buf)
	}
	return err
}

// errClosed is for a line that held on to a destination for too long; the
// log has another by then.
var errClosed = errors.New("log destination is closed")
