package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func v2(verCmd, famProto byte, body ...byte) string {
	return prefixV2 + string([]byte{verCmd, famProto, byte(len(body) >> 8), byte(len(body))}) + string(body)
}

var addrs4 = []byte{192, 0, 2, 10, 192, 0, 2, 20, 0x15, 0xb3, 0x10, 0x7e}

func addrs6() []byte {
	b := make([]byte, 36)
	b[0], b[15], b[16], b[31] = 0x20, 1, 0x20, 2
	b[33], b[35] = 7, 8
	return b
}

// Each input alone is a whole header, or wrong. The first lines are those of
// the recording.
var cases = []struct {
	name, in string
	want     Header
	fault    string // part of the error; "" = parses
}{
	{"v1 recorded", "PROXY TCP4 192.0.2.10 192.0.2.20 5555 4222\r\n", Header{Version: 1, Source: ap("192.0.2.10:5555"), Destination: ap("192.0.2.20:4222")}, ""},
	{"v1 recorded unknown", "PROXY UNKNOWN\r\n", Header{Version: 1, Local: true}, ""},
	{"v2 recorded", v2(0x21, 0x11, addrs4...), Header{Version: 2, Source: ap("192.0.2.10:5555"), Destination: ap("192.0.2.20:4222")}, ""},
	{"v1 IPv6", "PROXY TCP6 ::1 2001:db8::1 1 2\r\n", Header{Version: 1, Source: ap("[::1]:1"), Destination: ap("[2001:db8::1]:2")}, ""},
	{"v1 unknown with more", "PROXY UNKNOWN ::1 ::1 1 2\r\n", Header{Version: 1, Local: true}, ""},
	{"v1 longest", "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535" + strings.Repeat("x", 48) + "\r\n", Header{Version: 1, Local: true}, ""},
	{"v1 IPv6 as TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n", Header{}, "does not fit TCP4"},
	{"v1 IPv4 as TCP6", "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", Header{}, "does not fit TCP6"},
	{"v1 port", "PROXY TCP4 1.2.3.4 5.6.7.8 99999 2\r\n", Header{}, "port"},
	{"v1 negative port", "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", Header{}, "port"},
	{"v1 few", "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", Header{}, "fields"},
	{"v1 many", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", Header{}, "fields"},
	{"v1 transport", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", Header{}, "UDP4"},
	{"v1 no transport", "PROXY \r\n", Header{}, "transport"},
	{"v1 LF", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", Header{}, "CR LF"},
	{"v1 bare LF", "PROXY \n", Header{}, "CR LF"},
	{"v1 zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Header{}, "IP address"},
	{"v1 name", "PROXY TCP4 localhost 1.2.3.4 1 2\r\n", Header{}, "IP address"},
	{"v1 long", "PROXY TCP4 " + strings.Repeat("1", 97), Header{}, "longer than"},
	{"v2 IPv6", v2(0x21, 0x21, addrs6()...), Header{Version: 2, Source: ap("[2000::1]:7"), Destination: ap("[2000::2]:8")}, ""},
	{"v2 with extensions", v2(0x21, 0x11, append(bytes.Clone(addrs4), 0x20, 0, 2, 'a', 'b')...), Header{Version: 2, Source: ap("192.0.2.10:5555"), Destination: ap("192.0.2.20:4222")}, ""},
	{"v2 LOCAL", v2(0x20, 0x00), Header{Version: 2, Local: true}, ""},
	{"v2 LOCAL with addresses", v2(0x20, 0x11, addrs4...), Header{Version: 2, Local: true}, ""},
	{"v2 unspecified", v2(0x21, 0x00), Header{Version: 2, Local: true}, ""},
	{"v2 datagram", v2(0x21, 0x12, addrs4...), Header{}, "stream"},
	{"v2 unix", v2(0x21, 0x31, make([]byte, 216)...), Header{}, "family"},
	{"v2 short", v2(0x21, 0x11, 1, 2, 3, 4), Header{}, "too few"},
	{"v2 short IPv6", v2(0x21, 0x21, make([]byte, 35)...), Header{}, "too few"},
	{"v2 version", v2(0x31, 0x11, addrs4...), Header{}, "version"},
	{"v2 command", v2(0x22, 0x11, addrs4...), Header{}, "command"},
	{"v2 huge", v2(0x21, 0x11, make([]byte, MaxHeader)...), Header{}, "more than"},
	{"a client", "CONNECT {}\r\n", Header{}, "signature"},
	{"another client", "PUB a 0\r\n", Header{}, "signature"},
	{"a TLS client", "\x16\x03\x01\x02\x00", Header{}, "signature"},
	{"blank lines", "\r\n\r\nPING\r\n", Header{}, "signature"},
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestParse(t *testing.T) {
	for _, c := range cases {
		// What follows the header must be left alone.
		hdr, n, err := Parse([]byte(c.in + "PING\r\n"))
		if c.fault != "" {
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.fault) || hdr != nil || n != 0 {
				t.Errorf("%s: %v, %d, %v; want an error with %q", c.name, hdr, n, err, c.fault)
			}
			continue
		}
		if err != nil || n != len(c.in) || *hdr != c.want {
			t.Errorf("%s: %+v, %d, %v; want %+v, %d", c.name, hdr, n, err, c.want, len(c.in))
		}
	}
}

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Verdict
	}{
		{"", NeedMore}, {"P", NeedMore}, {"PROXY", NeedMore}, {"PROXY ", IsHeader}, {"PROXYX", NotHeader},
		{"PI", NotHeader}, {"PU", NotHeader}, {"C", NotHeader}, {"\x16", NotHeader}, {"proxy ", NotHeader},
		{"\r", NeedMore}, {"\r\n\r\n\x00", NeedMore}, {"\r\nP", NotHeader}, {prefixV2[:11], NeedMore}, {prefixV2, IsHeader},
	} {
		if got := Sniff([]byte(c.in)); got != c.want {
			t.Errorf("Sniff(%q) = %d, want %d", c.in, got, c.want)
		}
	}
}

// arrive feeds data in growing prefixes and gives the first final outcome.
func arrive(data []byte, cuts []byte) (hdr *Header, n int, err error) {
	end := 0
	for _, c := range cuts {
		end = min(end+int(c), len(data))
		if hdr, n, err = Parse(data[:end:end]); !errors.Is(err, ErrNeedMore) {
			return hdr, n, err
		}
	}
	return Parse(data)
}

// However the bytes were cut, the outcome is the same; a header that was
// accepted is bounded and says where it ends.
func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.in), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
		f.Add([]byte(c.in+"CONNECT {}\r\n"), []byte{5, 0, 9, 120})
	}
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		hdr, n, err := Parse(data)
		hdr2, n2, err2 := arrive(data, cuts)
		if n != n2 || (hdr == nil) != (hdr2 == nil) || (hdr != nil && *hdr != *hdr2) || (err == nil) != (err2 == nil) {
			t.Fatalf("whole: %v, %d, %v; cut: %v, %d, %v", hdr, n, err, hdr2, n2, err2)
		}
		if err != nil && err.Error() != err2.Error() {
			t.Fatalf("whole: %v; cut: %v", err, err2)
		}
		switch {
		case errors.Is(err, ErrNeedMore):
			if len(data) >= MaxHeader {
				t.Fatalf("%d bytes were not enough", len(data))
			}
		case err == nil:
			if n < len(prefixV1) || n > MaxHeader || n > len(data) || Sniff(data) != IsHeader {
				t.Fatalf("a header of %d bytes out of %d", n, len(data))
			}
			if hdr.Local == hdr.Source.IsValid() || hdr.Source.IsValid() != hdr.Destination.IsValid() {
				t.Fatalf("%+v", hdr)
			}
		}
	})
}
