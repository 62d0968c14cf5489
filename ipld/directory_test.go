package ipld_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// directoryVector is a directory that another implementation made.
type directoryVector struct {
	Name, Root string
	Files      map[string]string // by path
	Blocks     map[string]string // by CID, in base64
}

func readDirectories(tb testing.TB) (all []directoryVector, blocks map[string]shelf) {
	tb.Helper()
	data, err := os.ReadFile("testdata/directories.json")
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		tb.Fatal(err)
	}
	blocks = make(map[string]shelf)
	for _, v := range all {
		s := make(shelf)
		for cid, text := range v.Blocks {
			link, err := ipld.ParseLink(cid)
			if err != nil {
				tb.Fatal(err)
			}
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				tb.Fatal(err)
			}
			if err := s.put(ipld.Block{link, data}); err != nil {
				tb.Fatal(err)
			}
		}
		blocks[v.Name] = s
	}
	return all, blocks
}

// Directories of another implementation are read, sharded or not, and files found in
// them by path.
func TestDirectories(t *testing.T) {
	t.Parallel()
	all, blocks := readDirectories(t)
	for _, v := range all {
		s := blocks[v.Name]
		root, err := ipld.ParseLink(v.Root)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := ipld.ReadDirectory(root, s.get)
		if err != nil {
			t.Fatal(err)
		}
		top := make(map[string]bool)
		for path := range v.Files {
			name, _, _ := strings.Cut(path, "/")
			top[name] = true
		}
		if len(entries) != len(top) || !slices.IsSortedFunc(entries, func(a, b ipld.DirEntry) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: %d entries, not %d", v.Name, len(entries), len(top))
		}
		for path, text := range v.Files {
			link, err := ipld.Resolve(root, path, s.get)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := ipld.ReadFile(link, 100, s.get); err != nil || string(data) != text {
				t.Errorf("%s/%s: %q, %v", v.Name, path, data, err)
			}
		}
		for _, path := range []string{"", "none", "a.txt/", "../a.txt", "sub//c.txt", "."} {
			if _, err := ipld.Resolve(root, path, s.get); !errors.Is(err, ipld.ErrNoEntry) && !errors.Is(err, ipld.ErrNotDirectory) {
				t.Errorf("%s/%s: %v", v.Name, path, err)
			}
		}
	}
}

// Directories that are made are those of the other implementation, bit by bit.
func TestImportDirectory(t *testing.T) {
	t.Parallel()
	all, blocks := readDirectories(t)
	s := blocks[all[0].Name]
	entry := func(name string, b ipld.Block) ipld.DirEntry {
		size, err := ipld.EncodedSize(b)
		if err != nil {
			t.Fatal(err)
		}
		return ipld.DirEntry{name, b.Link, size}
	}
	file := func(text string) ipld.Block {
		return ipld.Block{ipld.LinkOf(ipld.CodecRaw, []byte(text)), []byte(text)}
	}
	sub, err := ipld.ImportDirectory([]ipld.DirEntry{entry("ü", file("four")), entry("c.txt", file("three"))})
	if err != nil {
		t.Fatal(err)
	}
	root, err := ipld.ImportDirectory([]ipld.DirEntry{entry("sub", sub), entry("a.txt", file("one")), entry("b.txt", file("two"))})
	if err != nil || root.Link.String() != all[0].Root {
		t.Errorf("%s, %v, not %s", root.Link, err, all[0].Root)
	}
	if data, err := s.get(root.Link); err != nil || string(data) != string(root.Data) {
		t.Errorf("%x, %v", data, err)
	}
	empty, err := ipld.ImportDirectory(nil)
	if want := "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"; err != nil || empty.Link.String() != want {
		t.Errorf("the empty directory is %s, %v", empty.Link, err)
	}
	for _, names := range [][]string{{"a", "a"}, {""}, {"a/b"}, {".."}, {"a\x00"}} {
		var entries []ipld.DirEntry
		for _, n := range names {
			entries = append(entries, ipld.DirEntry{Name: n, Link: root.Link})
		}
		if _, err := ipld.ImportDirectory(entries); !errors.Is(err, ipld.ErrBadFile) {
			t.Errorf("%q: %v", names, err)
		}
	}
	many := make([]ipld.DirEntry, 6000)
	for i := range many {
		many[i] = ipld.DirEntry{Name: fmt.Sprintf("entry %d", i), Link: root.Link}
	}
	if _, err := ipld.ImportDirectory(many); !errors.Is(err, ipld.ErrDirectorySize) {
		t.Errorf("6,000 entries: %v", err)
	}
}

// What is no directory, or makes no sense as one, is refused.
func TestReadDirectoryRefuses(t *testing.T) {
	t.Parallel()
	s := make(shelf)
	put := func(kind, fanout int, links ...[]byte) ipld.Link {
		var node []byte
		for _, l := range links {
			node = field(node, 2, l)
		}
		data := field(nil, 1, kind)
		if fanout > 0 {
			data = field(data, 6, fanout)
		}
		node = field(node, 1, data)
		b := ipld.Block{Link: ipld.LinkOf(ipld.CodecDagPB, node), Data: node}
		if err := s.put(b); err != nil {
			t.Fatal(err)
		}
		return b.Link
	}
	raw := ipld.LinkOf(ipld.CodecRaw, []byte("x"))
	to := func(l ipld.Link, name string) []byte {
		return field(field(field(nil, 1, l.Bytes()), 2, name), 3, 1)
	}
	const directory, file, symlink, sharded = 1, 2, 4, 5
	deep := put(sharded, 256)
	for range 1<<14 + 1 {
		deep = put(sharded, 256, to(deep, "00"))
	}
	for name, test := range map[string]struct {
		root ipld.Link
		want error
	}{
		"a raw block":           {raw, ipld.ErrNotDirectory},
		"a file":                {put(file, 0), ipld.ErrNotDirectory},
		"a symlink":             {put(symlink, 0), ipld.ErrNotDirectory},
		"another type":          {put(40, 0), ipld.ErrNotDirectory},
		"a name twice":          {put(directory, 0, to(raw, "a"), to(raw, "a")), ipld.ErrBadFile},
		"a path for a name":     {put(directory, 0, to(raw, "a/b")), ipld.ErrBadFile},
		"no name":               {put(directory, 0, to(raw, "")), ipld.ErrBadFile},
		"a fanout of 3":         {put(sharded, 3), ipld.ErrBadFile},
		"no fanout":             {put(sharded, 0), ipld.ErrBadFile},
		"no place":              {put(sharded, 256, to(raw, "Z")), ipld.ErrBadFile},
		"a place in lower case": {put(sharded, 256, to(raw, "ffa")), ipld.ErrBadFile},
		"a shard that is plain": {put(sharded, 256, to(put(directory, 0), "00")), ipld.ErrBadFile},
		"too many shards":       {deep, ipld.ErrDirectorySize},
	} {
		if all, err := ipld.ReadDirectory(test.root, s.get); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
	if _, err := ipld.ReadDirectory(put(directory, 0), func(ipld.Link) ([]byte, error) { return []byte("other"), nil }); !errors.Is(err, ipld.ErrMismatch) {
		t.Errorf("other bytes: %v", err)
	}
}

func FuzzReadDirectory(f *testing.F) {
	all, blocks := readDirectories(f)
	for _, v := range all {
		for _, data := range blocks[v.Name] {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root := ipld.LinkOf(ipld.CodecDagPB, data)
		entries, err := ipld.ReadDirectory(root, shelf{root: data}.get)
		if err != nil {
			return
		}
		for _, e := range entries {
			if link, err := ipld.Resolve(root, e.Name, shelf{root: data}.get); err != nil || link != e.Link {
				t.Errorf("%q: %s, %v", e.Name, link, err)
			}
		}
	})
}
