package conn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"

	"dunlin/internal/base/bufpool"
)

// Level is how hard what goes out is compressed.
type Level uint32

// The levels of an S2 stream. Uncompressed keeps the framing only.
const (
	Uncompressed Level = iota
	Fast
	Better
	Best
)

// The framing of S2 and Snappy: one byte of type, three of length, then, for
// data, four of a masked checksum of what is decoded.
const (
	frameHeader       = 4
	frameSum          = 4
	frameCompressed   = 0x00
	frameUncompressed = 0x01
	frameUnskippable  = 0x7f // up to here a reader must know the type
	frameStream       = 0xff
)

const (
	streamS2     = "\xff\x06\x00\x00S2sTwO"
	streamSnappy = "\xff\x06\x00\x00sNaPpY"
	// packBlock is the most that goes into one frame. Larger ones save little, and
	// their tables and copies fall out of the second-level cache.
	packBlock = 64 << 10
	// unpackBlock is the most that a frame may decode to, as the format has it.
	unpackBlock = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frameChecksum(p []byte) uint32 {
	sum := crc32.Update(0, castagnoli, p)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// packer is the compressing side of a connection. Only who holds the writing
// side uses it; the level may be changed by anybody.
type packer struct {
	level atomic.Uint32
	begun bool
}

// pack turns chunks into frames and releases chunks. Frames of a flush are
// complete, so that the peer has all of it.
func (p *packer) pack(chunks [][]byte) [][]byte {
	out := make([][]byte, 0, len(chunks)+olderKept)
	level := Level(p.level.Load())
	for _, b := range chunks {
		for rest := b; len(rest) > 0; {
			block := rest[:min(len(rest), packBlock)]
			rest = rest[len(block):]
			frame := bufpool.Get(len(streamS2) + frameHeader + frameSum + s2.MaxEncodedLen(len(block)))
			if !p.begun {
				p.begun = true
				frame = append(frame, streamS2...)
			}
			out = append(out, appendFrame(frame, block, level))
		}
		bufpool.Put(b)
	}
	return out
}

// wrapped reports whether chunks change on their way to the socket.
func (c *Conn) wrapped() bool { return c.sealed != nil || c.packer != nil }

// wrap compresses and encrypts chunks, as far as the connection does, and
// releases chunks. Only who holds the writing side may call it.
func (c *Conn) wrap(chunks [][]byte) ([][]byte, error) {
	if c.packer != nil {
		chunks = c.packer.pack(chunks)
	}
	if c.sealed != nil {
		return c.sealed.encrypt(chunks)
	}
	return chunks, nil
}

// appendFrame writes block as one frame to dst, which has room for it.
func appendFrame(dst, block []byte, level Level) []byte {
	at := len(dst)
	head := append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	body := head[len(head):cap(head)]
	kind := byte(frameCompressed)
	switch level {
	case Fast:
		body = s2.Encode(body, block)
	case Better:
		body = s2.EncodeBetter(body, block)
	case Best:
		body = s2.EncodeBest(body, block)
	}
	if level == Uncompressed || len(body) >= len(block) {
		kind, body = frameUncompressed, block
	}
	out := append(head, body...) // stands there already, unless it is the block itself
	size := uint32(frameSum + len(body))
	binary.LittleEndian.PutUint32(out[at:], size<<8|uint32(kind))
	binary.LittleEndian.PutUint32(out[at+frameHeader:], frameChecksum(block))
	return out
}

// errUnsent: what had to go out before the switch did not.
var errUnsent = errors.New("the peer does not read: the compression cannot begin")

// Compress makes an S2 stream of everything that is sent from now on. What was
// sent before goes out first, within timeout; nobody else may send meanwhile.
func (c *Conn) Compress(level Level, timeout time.Duration) error {
	c.Flush()
	ctx, cancel := context.WithTimeout(c.group.Context(), timeout)
	c.WaitDrained(ctx, 0)
	cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending != 0 || c.ended {
		return errUnsent
	}
	c.packer = &packer{}
	c.packer.level.Store(uint32(level))
	return nil
}

// SetLevel changes how hard is compressed, once Compress was called.
func (c *Conn) SetLevel(level Level) {
	if p := c.packing(); p != nil {
		p.level.Store(uint32(level))
	}
}

// Compressed reports whether what goes out is compressed, and how hard.
func (c *Conn) Compressed() (Level, bool) {
	if p := c.packing(); p != nil {
		return Level(p.level.Load()), true
	}
	return Uncompressed, false
}

func (c *Conn) packing() *packer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packer
}

// Decompress takes what follows the bytes that the current Consume uses for an
// S2 stream: that Consume returns ok false, and is called again with what the
// stream holds. Only the reader may call it.
func (c *Conn) Decompress() { c.unpacker = &unpacker{} }

// unpacker is the decompressing side; the reader's.
type unpacker struct {
	packed []byte // as read, not decoded yet
	begun  bool   // the stream has said that it is one
}

// ErrCorrupt begins every complaint about a compressed stream.
var ErrCorrupt = errors.New("the compressed stream is corrupt")

// next decodes the first frame of u.packed to the end of in. used is its size,
// 0 if it is not complete.
func (u *unpacker) next(in *inbound, at []byte) (used int, err error) {
	if len(at) < frameHeader {
		return 0, nil
	}
	head := binary.LittleEndian.Uint32(at)
	kind, size := byte(head), int(head>>8)
	switch {
	case kind == frameStream && size != len(streamS2)-frameHeader:
		return 0, fmt.Errorf("%w: its beginning has %d bytes", ErrCorrupt, size)
	case !u.begun && kind != frameStream:
		return 0, fmt.Errorf("%w: it does not begin with a stream identifier", ErrCorrupt)
	case kind > frameUncompressed && kind <= frameUnskippable:
		return 0, fmt.Errorf("%w: a frame of the unknown type 0x%02x", ErrCorrupt, kind)
	case kind == frameCompressed && size > frameSum+s2.MaxEncodedLen(unpackBlock),
		kind == frameUncompressed && size > frameSum+unpackBlock,
		kind <= frameUncompressed && size < frameSum:
		return 0, fmt.Errorf("%w: a frame of %d bytes", ErrCorrupt, size)
	}
	if used = frameHeader + size; len(at) < used {
		return 0, nil
	}
	body := at[frameHeader:used]
	switch kind {
	case frameStream:
		if s := string(at[:used]); s != streamS2 && s != streamSnappy {
			return 0, fmt.Errorf("%w: the stream identifier is %q", ErrCorrupt, body)
		}
		u.begun = true
	case frameCompressed, frameUncompressed:
		err = in.decode(kind, binary.LittleEndian.Uint32(body), body[frameSum:])
	}
	return used, err // other types may be skipped
}

// decode appends what a frame holds.
func (in *inbound) decode(kind byte, sum uint32, body []byte) error {
	size := len(body)
	if kind == frameCompressed {
		var err error
		if size, err = s2.DecodedLen(body); err != nil || size > unpackBlock {
			return fmt.Errorf("%w: a frame says that it decodes to %d bytes: %w", ErrCorrupt, size, err)
		}
	}
	at := len(in.buf)
	if cap(in.buf)-at < size {
		in.fit(at+size, 0)
	}
	room := in.buf[at : at+size]
	if kind == frameUncompressed {
		copy(room, body)
	} else if _, err := s2.Decode(room, body); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if frameChecksum(room) != sum {
		return fmt.Errorf("%w: the checksum does not fit", ErrCorrupt)
	}
	in.buf = in.buf[:at+size]
	return nil
}

// unpack decodes what is complete, frame by frame, and has r consume it. It
// returns false when reading is over.
func (c *Conn) unpack(r Consumer, in *inbound, need *int) bool {
	u := c.unpacker
	at := u.packed
	for {
		used, err := u.next(in, at)
		if err != nil {
			in.err = err
			return false
		}
		if used == 0 {
			break
		}
		at = at[used:]
		if len(in.buf) > 0 && len(in.buf) >= *need {
			var ok bool
			if *need, ok = in.feed(r); !ok {
				return false
			}
			if in.bytes >= readWide {
				in.endBatch(r)
			}
		} else {
			c.filled(in)
		}
	}
	u.packed = u.packed[:copy(u.packed, at)]
	return true
}

// room returns space to read into.
func (u *unpacker) room(want int) []byte {
	need := 0
	if len(u.packed) >= frameHeader {
		need = frameHeader + int(binary.LittleEndian.Uint32(u.packed)>>8)
	}
	tmp := inbound{buf: u.packed}
	tmp.fit(want, need)
	u.packed = tmp.buf
	return u.packed[len(u.packed):cap(u.packed)]
}

func (u *unpacker) park() {
	tmp := inbound{buf: u.packed}
	tmp.park()
	u.packed = tmp.buf
}

// readPacked goes on after Decompress. What had been read beyond stands in in.
func (c *Conn) readPacked(r Consumer, in *inbound) error {
	u := c.unpacker
	defer func() {
		bufpool.Put(u.packed)
		u.packed = nil
	}()
	u.packed, in.buf = in.buf, nil
	need := 0
	if !c.unpack(r, in, &need) {
		return in.err
	}
	in.endBatch(r)
	if c.raw == nil || c.sealed != nil {
		return c.readPackedBlocking(r, in, &need)
	}
	return c.readPackedRaw(r, in, &need)
}
