package ipld

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// carOf is a CAR file of blocks.
func carOf(blocks []Block, roots ...Link) []byte {
	out := CARHeader(roots...)
	for _, b := range blocks {
		out = append(append(out, CARSection(b.Link, len(b.Data))...), b.Data...)
	}
	return out
}

func rawBlocks(n int) (all []Block) {
	for i := range n {
		data := []byte(strings.Repeat(fmt.Sprint(i), i+1))
		all = append(all, Block{Link: LinkOf(CodecRaw, data), Data: data})
	}
	return all
}

// FuzzCAR: a CAR file is refused, or written anew it is the same bytes, and its
// blocks are found where they are.
func FuzzCAR(f *testing.F) {
	blocks := rawBlocks(3)
	good := carOf(blocks, blocks[0].Link)
	f.Add(good)
	f.Add(good[:len(good)-1])
	damaged := bytes.Clone(good)
	damaged[len(good)-1]++
	f.Add(damaged)
	f.Add(CARHeader())
	f.Add(carOf(append(blocks, blocks...)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := NewCARReader(bytes.NewReader(data), 1<<16)
		if err != nil {
			return
		}
		var all []Block
		for {
			b, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if err := b.Link.Verify(b.Data); err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
		if out := carOf(all, c.Roots()...); !bytes.Equal(out, data) {
			t.Errorf("%x became %x", data, out)
		}
		file, err := OpenCAR(bytes.NewReader(data), int64(len(data)), 1<<16, len(all), func(Block) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			if got, ok, err := file.Block(b.Link); !ok || err != nil || !bytes.Equal(got, b.Data) {
				t.Errorf("block %s: %x, %t, %v", b.Link, got, ok, err)
			}
		}
	})
}

func TestOpenCAR(t *testing.T) {
	t.Parallel()
	blocks := rawBlocks(5)
	data := carOf(append(blocks, blocks[1]), blocks[2].Link)
	open := func(data []byte, most int, visit func(Block) error) (*CARFile, error) {
		return OpenCAR(bytes.NewReader(data), int64(len(data)), 10, most, visit)
	}
	n := 0
	f, err := open(data, 5, func(Block) error { n++; return nil })
	if err != nil || n != 5 || f.Len() != 5 || len(f.Roots()) != 1 || f.Roots()[0] != blocks[2].Link || !f.Has(blocks[4].Link) {
		t.Fatalf("%v, %d visits, %+v", err, n, f)
	}
	if _, ok, err := f.Block(LinkOf(CodecRaw, nil)); ok || err != nil || f.Has(LinkOf(CodecRaw, nil)) {
		t.Error("a block that is not there", ok, err)
	}
	if _, err := open(data, 4, func(Block) error { return nil }); !errors.Is(err, ErrCAR) || !strings.Contains(err.Error(), "more than 4 blocks") {
		t.Error("too many:", err)
	}
	large := carOf([]Block{{LinkOf(CodecRaw, make([]byte, 200)), make([]byte, 200)}})
	if _, err := open(large, 4, func(Block) error { return nil }); !errors.Is(err, ErrCAR) {
		t.Error("too large:", err)
	}
	stop := errors.New("stop")
	if _, err := open(data, 5, func(Block) error { return stop }); !errors.Is(err, stop) {
		t.Error("stopped:", err)
	}
	wrong := bytes.Clone(data)
	wrong[len(wrong)-1]++ // of the repetition: it is looked at, too
	if _, err := open(wrong, 5, func(Block) error { return nil }); !errors.Is(err, ErrMismatch) {
		t.Error("damaged:", err)
	}
	longer := append([]byte{data[0] | 0x80, 0}, data[1:]...)
	if _, err := open(longer, 5, func(Block) error { return nil }); !errors.Is(err, ErrCAR) || !strings.Contains(err.Error(), "too long") {
		t.Error("a length of more bytes than it needs:", err)
	}
}

// A file that is cut off is told apart from one that is no CAR file.
func TestCARCutOff(t *testing.T) {
	t.Parallel()
	data := []byte("some block")
	l := LinkOf(CodecRaw, data)
	whole := append(append(CARHeader(l), CARSection(l, len(data))...), data...)
	for size, want := range map[int]string{
		10:                     "not a CAR file of version 1: it ends within a part",
		len(CARHeader(l)) + 20: "a CAR file that is cut off, or damaged: it ends within a part",
		len(whole) - 1:         "a CAR file that is cut off, or damaged: it ends within a part",
	} {
		c, err := NewCARReader(bytes.NewReader(whole[:size]), 1<<10)
		if err == nil {
			_, err = c.Next()
		}
		if !errors.Is(err, ErrCAR) || err.Error() != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
