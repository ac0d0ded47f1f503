package proxyproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// MaxHeader is the size of the largest header that is taken. The length
	// field of version 2 could say 64 KiB; the extensions (TLVs) that
	// balancers send stay far below this.
	MaxHeader = 8192

	maxLineV1 = 107 // with CR LF, from the specification
	prefixV1  = "PROXY "
	prefixV2  = "\r\n\r\n\x00\r\nQUIT\n"
	fixedV2   = 16 // signature, version and command, family, length
)

// ErrNeedMore says that the bytes so far may become a header: read on and ask
// again with all of them.
var ErrNeedMore = errors.New("proxy protocol: header not complete yet")

// Error is a header that is not well formed. The connection has to be closed:
// what follows cannot be told apart from the header.
type Error struct{ Reason string }

func (e *Error) Error() string { return "invalid PROXY protocol header: " + e.Reason }

func malformed(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}

// Header is what a balancer says of a connection.
type Header struct {
	Version int // 1 or 2
	// Local: the balancer speaks for itself (a health check) or does not know
	// the addresses. The connection's own addresses hold; Source and
	// Destination are zero.
	Local               bool
	Source, Destination netip.AddrPort
}

// Verdict is what the first bytes of a connection show.
type Verdict int

const (
	NeedMore  Verdict = iota // they agree with a header so far
	NotHeader                // an ordinary client, which is served all the same
	IsHeader                 // Parse them
)

// Sniff tells from the first bytes of a connection whether a PROXY header
// follows. It needs 6 bytes for version 1 and 12 for version 2, and never more
// than the first byte that differs.
func Sniff(buf []byte) Verdict {
	for _, prefix := range []string{prefixV1, prefixV2} {
		if len(buf) >= len(prefix) {
			if string(buf[:len(prefix)]) == prefix {
				return IsHeader
			}
		} else if string(buf) == prefix[:len(buf)] {
			return NeedMore
		}
	}
	return NotHeader
}

// Parse reads the header at the start of buf and gives the number of bytes it
// takes; what comes after them belongs to the client. The error is ErrNeedMore or an *Error.
// A buf that Sniff calls NotHeader is an *Error here.
func Parse(buf []byte) (hdr *Header, n int, err error) {
	switch Sniff(buf) {
	case NeedMore:
		return nil, 0, ErrNeedMore
	case NotHeader:
		return nil, 0, malformed("no signature")
	}
	if buf[0] == prefixV1[0] {
		return parseV1(buf)
	}
	return parseV2(buf)
}

// parseV1 takes "PROXY TCP4 source destination sport dport CR LF", TCP6 alike,
// or "PROXY UNKNOWN anything CR LF".
func parseV1(buf []byte) (*Header, int, error) {
	head := buf[:min(len(buf), maxLineV1)]
	i := strings.IndexByte(string(head), '\n')
	switch {
	case i < 0 && len(buf) >= maxLineV1:
		return nil, 0, malformed("the line is longer than %d bytes", maxLineV1)
	case i < 0:
		return nil, 0, ErrNeedMore
	case head[i-1] != '\r':
		return nil, 0, malformed("the line does not end with CR LF")
	}
	hdr, err := parseLineV1(string(head[:i-1]))
	if err != nil {
		return nil, 0, err
	}
	return hdr, i + 1, nil
}

func parseLineV1(line string) (*Header, error) {
	words := strings.Split(line, " ")
	switch words[1] {
	case "UNKNOWN":
		return &Header{Version: 1, Local: true}, nil
	case "TCP4", "TCP6":
	default:
		return nil, malformed("transport %q is not TCP4, TCP6 or UNKNOWN", words[1])
	}
	if len(words) != 6 {
		return nil, malformed("%d fields instead of 6", len(words))
	}
	src, err := endpointV1(words[1], words[2], words[4])
	if err != nil {
		return nil, err
	}
	dst, err := endpointV1(words[1], words[3], words[5])
	if err != nil {
		return nil, err
	}
	return &Header{Version: 1, Source: src, Destination: dst}, nil
}

func endpointV1(family, addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, malformed("%q is not an IP address", addr)
	}
	if a.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, malformed("address %s does not fit %s", addr, family)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, malformed("port %q is not a number from 0 to 65535", port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// parseV2 takes the signature, version and command, family and transport, the
// length of the rest, the addresses, and extensions that are skipped.
func parseV2(buf []byte) (*Header, int, error) {
	if len(buf) < fixedV2 {
		return nil, 0, ErrNeedMore
	}
	version, command := buf[12]>>4, buf[12]&0x0f
	family, transport := buf[13]>>4, buf[13]&0x0f
	size := fixedV2 + int(binary.BigEndian.Uint16(buf[14:16]))
	switch {
	case version != 2:
		return nil, 0, malformed("version %d is not 2", version)
	case command > 1:
		return nil, 0, malformed("command %d is neither LOCAL nor PROXY", command)
	case size > MaxHeader:
		return nil, 0, malformed("%d bytes are more than the %d that are taken", size, MaxHeader)
	case len(buf) < size:
		return nil, 0, ErrNeedMore
	}
	hdr := &Header{Version: 2}
	// The specification: LOCAL, and PROXY without addresses, mean the
	// connection's own addresses, and whatever else was sent is skipped.
	if command == 0 || family == 0 {
		hdr.Local = true
		return hdr, size, nil
	}
	if transport != 1 {
		return nil, 0, malformed("transport %d is not a stream", transport)
	}
	body := buf[fixedV2:size]
	var addr int
	switch family {
	case 1:
		addr = 4
	case 2:
		addr = 16
	default:
		return nil, 0, malformed("address family %d is neither IPv4 nor IPv6", family)
	}
	if len(body) < 2*addr+4 {
		return nil, 0, malformed("%d bytes are too few for two addresses", len(body))
	}
	hdr.Source = endpointV2(body[:addr], body[2*addr:])
	hdr.Destination = endpointV2(body[addr:2*addr], body[2*addr+2:])
	return hdr, size, nil
}

// endpointV2 joins an address of 4 or 16 bytes and the port at the start of port.
func endpointV2(addr, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(addr) // fails for other lengths only
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}
