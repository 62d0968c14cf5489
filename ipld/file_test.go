package ipld_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

type unixfsVectors struct {
	Comment string `json:"comment"`
	Files   []struct {
		Kind   string `json:"kind"`
		Size   int    `json:"size"`
		CID    string `json:"cid"`
		Blocks int    `json:"blocks"` // without those that are alike
	} `json:"files"`
	Layouts []struct {
		Name   string            `json:"name"`
		Size   int               `json:"size"`
		CID    string            `json:"cid"`
		Blocks map[string][]byte `json:"blocks"`
	} `json:"layouts"`
}

func readUnixFS(tb testing.TB) unixfsVectors {
	tb.Helper()
	data, err := os.ReadFile("testdata/unixfs.json")
	if err != nil {
		tb.Fatal(err)
	}
	var v unixfsVectors
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	if len(v.Files) == 0 || len(v.Layouts) == 0 {
		tb.Fatal("no vectors")
	}
	return v
}

// pattern is n bytes as testdata/unixfs.mjs makes them.
func pattern(kind string, n int) []byte {
	b := make([]byte, n)
	if kind == "pattern" {
		for i := range b {
			b[i] = byte(i*167 + (i>>8)*13 + (i>>16)*7)
		}
	}
	return b
}

// shelf is blocks by their links.
type shelf map[ipld.Link][]byte

func (s shelf) put(b ipld.Block) error {
	s[b.Link] = bytes.Clone(b.Data)
	return nil
}

func (s shelf) get(l ipld.Link) ([]byte, error) {
	if b, ok := s[l]; ok {
		return b, nil
	}
	return nil, errMissing
}

var errMissing = errors.New("missing")

// TestFileLink compares links of large bytes with those that another
// implementation recorded, and reads the files back.
func TestFileLink(t *testing.T) {
	t.Parallel()
	for _, c := range readUnixFS(t).Files {
		data := pattern(c.Kind, c.Size)
		if got := ipld.FileLink(data); got.String() != c.CID {
			t.Errorf("%s of %d: %s, want %s", c.Kind, c.Size, got, c.CID)
		}
		blocks := shelf{}
		root, err := ipld.ImportFile(data, blocks.put)
		if err != nil || root.String() != c.CID || len(blocks) != c.Blocks {
			t.Errorf("%s of %d: %s in %d blocks (%v), want %s in %d", c.Kind, c.Size, root, len(blocks), err, c.CID, c.Blocks)
			continue
		}
		back, err := ipld.ReadFile(root, int64(c.Size), blocks.get)
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%s of %d: comes back as %d bytes (%v)", c.Kind, c.Size, len(back), err)
		}
		if c.Size > 0 {
			if _, err := ipld.ReadFile(root, int64(c.Size)-1, blocks.get); !errors.Is(err, ipld.ErrFileSize) {
				t.Errorf("%s of %d, limit one byte less: %v", c.Kind, c.Size, err)
			}
		}
	}
}

func TestImportFileStops(t *testing.T) {
	t.Parallel()
	data := make([]byte, 2*ipld.ChunkSize)
	for stop := range 3 { // two leaves and the node above
		n := 0
		link, err := ipld.ImportFile(data, func(ipld.Block) error {
			if n++; n > stop {
				return errMissing
			}
			return nil
		})
		if !errors.Is(err, errMissing) || link.Defined() || n != stop+1 {
			t.Errorf("put fails after %d: %s, %v after %d", stop, link, err, n)
		}
	}
}

// TestReadFileLayouts reads files of other layouts, recorded from another
// implementation, whole and with each block missing or changed in turn.
func TestReadFileLayouts(t *testing.T) {
	t.Parallel()
	for _, c := range readUnixFS(t).Layouts {
		root, err := ipld.ParseLink(c.CID)
		if err != nil {
			t.Fatal(err)
		}
		blocks := shelf{}
		for text, data := range c.Blocks {
			link, err := ipld.ParseLink(text)
			if err != nil {
				t.Fatal(err)
			}
			blocks[link] = data
		}
		got, err := ipld.ReadFile(root, 4096, blocks.get)
		if diff := cmp.Diff(pattern("pattern", c.Size), got, cmp.Transformer("string", func(b []byte) string { return string(b) })); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", c.Name, err, diff)
		}
		for link, block := range blocks {
			delete(blocks, link)
			if _, err := ipld.ReadFile(root, 4096, blocks.get); !errors.Is(err, errMissing) {
				t.Errorf("%s without %s: %v", c.Name, link, err)
			}
			blocks[link] = append([]byte{1}, block...)
			if _, err := ipld.ReadFile(root, 4096, blocks.get); !errors.Is(err, ipld.ErrMismatch) {
				t.Errorf("%s with %s changed: %v", c.Name, link, err)
			}
			blocks[link] = block
		}
	}
}

// field appends a protobuf field: a varint for a number, else bytes.
func field(dst []byte, number uint64, content any) []byte {
	if n, ok := content.(int); ok {
		return binary.AppendUvarint(binary.AppendUvarint(dst, number<<3), uint64(n))
	}
	var b []byte
	switch c := content.(type) {
	case []byte:
		b = c
	case string:
		b = []byte(c)
	}
	dst = binary.AppendUvarint(dst, number<<3|2)
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// fields are protobuf fields, number and content in turn.
func fields(numbersAndContents ...any) []byte {
	var b []byte
	for i := 0; i < len(numbersAndContents); i += 2 {
		b = field(b, uint64(numbersAndContents[i].(int)), numbersAndContents[i+1])
	}
	return b
}

// TestReadFileRefuses shows malformed and hostile nodes above good leaves.
func TestReadFileRefuses(t *testing.T) {
	t.Parallel()
	blocks := shelf{}
	add := func(codec uint64, b []byte) ipld.Link {
		l := ipld.LinkOf(codec, b)
		blocks[l] = b
		return l
	}
	abc := add(ipld.CodecRaw, []byte("abc")).Bytes()
	none := add(ipld.CodecRaw, nil).Bytes()
	cbor := add(ipld.CodecDagCBOR, []byte{0xf6}).Bytes()
	good := fields(1, abc, 2, "", 3, 3)
	file := func(sizes ...any) []byte { // of the file type, with a size and block sizes
		b := fields(1, 2, 3, sizes[0])
		for _, n := range sizes[1:] {
			b = field(b, 4, n)
		}
		return b
	}
	for name, c := range map[string]struct {
		block []byte
		want  error // nil for a good file
	}{
		"one link":                      {fields(2, good, 1, file(3, 3)), nil},
		"data before links":             {fields(1, file(3, 3), 2, good), nil},
		"no name, no size":              {fields(2, fields(1, abc), 1, file(3, 3)), nil},
		"packed block sizes":            {fields(2, good, 2, good, 1, fields(1, 2, 3, 6, 4, []byte{3, 3})), nil},
		"no file size":                  {fields(2, good, 1, fields(1, 2, 4, 3)), nil},
		"type raw, mode and time":       {fields(1, fields(1, 0, 2, "abc", 3, 3, 7, 420, 8, fields(1, 1))), nil},
		"unknown UnixFS field":          {fields(1, fields(1, 2, 2, "abc", 99, "x")), nil},
		"empty block":                   {nil, ipld.ErrBadFile},
		"not protobuf":                  {[]byte{0xff}, ipld.ErrBadFile},
		"cut short":                     {fields(2, good, 1, file(3, 3))[:20], ipld.ErrBadFile},
		"group wire type":               {[]byte{0x0b}, ipld.ErrBadFile},
		"varint not minimal":            {append([]byte{0x92, 0x00}, fields(2, good, 1, file(3, 3))[1:]...), ipld.ErrBadFile},
		"varint beyond 64 bits":         {bytes.Repeat([]byte{0xff}, 11), ipld.ErrBadFile},
		"unknown field":                 {fields(2, good, 1, file(3, 3), 3, "x"), ipld.ErrBadFile},
		"unknown wire type of a field":  {fields(2, 1, 1, file(3, 3)), ipld.ErrBadFile},
		"data twice":                    {fields(1, file(3, 3), 1, file(3, 3), 2, good), ipld.ErrBadFile},
		"data between links":            {fields(2, good, 1, file(6, 3, 3), 2, good), ipld.ErrBadFile},
		"link without hash":             {fields(2, fields(2, "", 3, 3), 1, file(3, 3)), ipld.ErrBadFile},
		"link with fields out of order": {fields(2, fields(2, "", 1, abc, 3, 3), 1, file(3, 3)), ipld.ErrBadFile},
		"link with a field twice":       {fields(2, fields(1, abc, 1, abc), 1, file(3, 3)), ipld.ErrBadFile},
		"link with an unknown field":    {fields(2, fields(1, abc, 4, 1), 1, file(3, 3)), ipld.ErrBadFile},
		"link with a bad hash":          {fields(2, fields(1, "abc"), 1, file(3, 3)), ipld.ErrBadFile},
		"link with a bad name":          {fields(2, fields(1, abc, 2, "\xff"), 1, file(3, 3)), ipld.ErrBadFile},
		"no data":                       {fields(2, good), ipld.ErrBadFile},
		"no type":                       {fields(1, fields(2, "abc")), ipld.ErrBadFile},
		"type twice":                    {fields(1, fields(1, 2, 1, 2)), ipld.ErrBadFile},
		"type of another wire type":     {fields(1, fields(1, "x")), ipld.ErrBadFile},
		"directory":                     {fields(1, fields(1, 1)), ipld.ErrNotFile},
		"symlink":                       {fields(1, fields(1, 4, 2, "/etc")), ipld.ErrNotFile},
		"sharded directory":             {fields(1, fields(1, 5)), ipld.ErrNotFile},
		"type yet to come":              {fields(1, fields(1, 6)), ipld.ErrNotFile},
		"more sizes than links":         {fields(2, good, 1, file(6, 3, 3)), ipld.ErrBadFile},
		"more links than sizes":         {fields(2, good, 2, good, 1, file(3, 3)), ipld.ErrBadFile},
		"file size of other parts":      {fields(2, good, 1, file(4, 3)), ipld.ErrBadFile},
		"part larger than announced":    {fields(2, good, 1, file(2, 2)), ipld.ErrBadFile},
		"part smaller than announced":   {fields(2, good, 1, file(4, 4)), ipld.ErrBadFile},
		"empty part":                    {fields(2, fields(1, none), 1, file(0, 0)), ipld.ErrBadFile},
		"sizes beyond 2^63":             {fields(2, good, 2, good, 1, file(3, 1<<62, 1<<62)), ipld.ErrBadFile},
		"beyond the limit":              {fields(2, good, 1, file(1<<40, 1<<40)), ipld.ErrFileSize},
		"a part of another codec":       {fields(2, fields(1, cbor), 1, file(1, 1)), ipld.ErrNotFile},
	} {
		root := add(ipld.CodecDagPB, c.block)
		got, err := ipld.ReadFile(root, 4096, blocks.get)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v; want %v", name, got, err, c.want)
		}
		if want := "abc"; c.want == nil && (len(got) == 0 || strings.ReplaceAll(string(got), want, "") != "") {
			t.Errorf("%s: %q", name, got)
		}
	}
	wraps := add(ipld.CodecDagPB, fields(2, good, 2, good, 2, good, 2, good, 1, fields(1, 2, 4, 1<<62, 4, 1<<62, 4, 1<<62, 4, 1<<62)))
	if _, err := ipld.ReadFile(wraps, 4096, func(l ipld.Link) ([]byte, error) {
		if l != wraps {
			t.Error("sizes that add up to 2^64 are taken for 0")
		}
		return blocks.get(l)
	}); !errors.Is(err, ipld.ErrBadFile) {
		t.Errorf("sizes that add up to 2^64: %v", err)
	}
	if _, err := ipld.ReadFile(ipld.LinkOf(ipld.CodecDagCBOR, nil), 1, blocks.get); !errors.Is(err, ipld.ErrNotFile) {
		t.Errorf("a dag-cbor block: %v", err)
	}
	if _, err := ipld.ReadFile(ipld.Link{}, 1, blocks.get); !errors.Is(err, ipld.ErrNotFile) {
		t.Errorf("the undefined link: %v", err)
	}
	if _, err := ipld.ReadFile(ipld.LinkOf(ipld.CodecRaw, nil), -1, blocks.get); !errors.Is(err, ipld.ErrFileSize) {
		t.Errorf("a limit below 0: %v", err)
	}
}

// TestReadFileBombs shows that a few blocks cannot ask for endless reading.
func TestReadFileBombs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		width, depth, leaf int
		want               error
	}{
		"deep":           {1, 63, 1, nil},
		"too deep":       {1, 64, 1, ipld.ErrBadFile},
		"tiny parts":     {2, 12, 1, ipld.ErrBadFile},
		"not so tiny":    {2, 12, 4096, nil},
		"beyond a limit": {100, 9, 1, ipld.ErrFileSize},
	} {
		blocks := shelf{}
		top, size := ipld.LinkOf(ipld.CodecRaw, make([]byte, c.leaf)), c.leaf
		blocks[top] = make([]byte, c.leaf)
		for range c.depth {
			var node, unixfs []byte
			for range c.width {
				node = field(node, 2, fields(1, top.Bytes()))
				unixfs = field(unixfs, 4, size)
			}
			size *= c.width
			node = field(node, 1, append(fields(1, 2), unixfs...))
			top = ipld.LinkOf(ipld.CodecDagPB, node)
			blocks[top] = node
		}
		reads := 0
		got, err := ipld.ReadFile(top, 64<<20, func(l ipld.Link) ([]byte, error) {
			reads++
			return blocks.get(l)
		})
		if !errors.Is(err, c.want) || err == nil && len(got) != size {
			t.Errorf("%s: %d bytes, %v; want %d, %v", name, len(got), err, size, c.want)
		}
		if bound := 1024 + size/1024; reads > bound {
			t.Errorf("%s: %d blocks read, more than %d", name, reads, bound)
		}
	}
}

func TestFileLinks(t *testing.T) {
	t.Parallel()
	a, b := ipld.LinkOf(ipld.CodecRaw, []byte("a")), ipld.LinkOf(ipld.CodecRaw, []byte("b"))
	got, err := ipld.FileLinks(fields(2, fields(1, b.Bytes()), 2, fields(1, a.Bytes()), 1, "data"))
	if err != nil || !slices.Equal(got, []ipld.Link{b, a}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := ipld.FileLinks([]byte("a")); !errors.Is(err, ipld.ErrBadFile) {
		t.Errorf("of what is no node: %v, %v", got, err)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	a, b := ipld.LinkOf(ipld.CodecRaw, []byte("a")), ipld.LinkOf(ipld.CodecRaw, []byte("b"))
	v := ipld.List(ipld.LinkValue(b), ipld.Int(1), ipld.Map(
		ipld.Entry{Key: "x", Value: ipld.LinkValue(a)},
		ipld.Entry{Key: "y", Value: ipld.List(ipld.LinkValue(b))},
	))
	var got []ipld.Link
	for l := range ipld.Links(v) {
		got = append(got, l)
	}
	if want := []ipld.Link{b, a, b}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for range ipld.Links(v) { // stopping early is fine
		break
	}
}

// FuzzReadFile gives data as the root of a file and as both of its blocks: it
// is refused, or read within the limit, however it refers to itself.
func FuzzReadFile(f *testing.F) {
	for _, c := range readUnixFS(f).Layouts {
		for _, block := range c.Blocks {
			f.Add(block, true)
		}
	}
	abc := ipld.LinkOf(ipld.CodecRaw, []byte("abc"))
	f.Add(fields(2, fields(1, abc.Bytes(), 2, "", 3, 3), 1, fields(1, 2, 3, 3, 4, 3)), true)
	f.Add([]byte("raw"), false)
	f.Fuzz(func(t *testing.T, data []byte, pb bool) {
		const limit = 1 << 16
		blocks := shelf{abc: []byte("abc")}
		codec := uint64(ipld.CodecRaw)
		if pb {
			codec = ipld.CodecDagPB
		}
		root := ipld.LinkOf(codec, data)
		blocks[root] = data
		reads := 0
		got, err := ipld.ReadFile(root, limit, func(l ipld.Link) ([]byte, error) {
			reads++
			return blocks.get(l)
		})
		if len(got) > limit || reads > 1024+limit/1024 {
			t.Fatalf("%d bytes from %d blocks", len(got), reads)
		}
		if err != nil {
			if got != nil {
				t.Fatalf("%d bytes beside %v", len(got), err)
			}
			return
		}
		link, err := ipld.ImportFile(got, blocks.put)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ipld.ReadFile(link, limit, blocks.get); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%d bytes come back as %d (%v)", len(got), len(again), err)
		}
	})
}
