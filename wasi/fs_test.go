package wasi

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// fsScripts are scripts of one operation a line, from the root, each followed by
// what it gives: "ok" when nothing is said. The words are those of [runLine].
var fsScripts = []struct{ name, script string }{
	{"files are made, read and removed", `
		create a
		write a 0 hello
		read a = hello
		write a 7 world
		read a = hello\x00\x00world
		resize a 3
		read a = hel
		resize a 5
		read a = hel\x00\x00
		unlink a
		read a = noent
		unlink a = noent`},
	{"what was cut off is gone", `
		create a
		write a 0 helloworld
		resize a 7
		resize a 10
		read a = hellowo\x00\x00\x00
		write a 7 rld
		resize a 7
		write a 9 x
		read a = hellowo\x00\x00x`},
	{"creating what is there", `
		mkdir d
		create f
		create f
		create! f = exist
		create d = isdir
		create! d = exist
		mkdir d = exist
		mkdir f = exist
		create new/ = isdir
		create none/f = noent
		create f/g = notdir`},
	{"directories", `
		mkdir d
		mkdir d/e/
		list = d
		list d = e
		rmdir d = notempty
		rmdir d/e/. = inval
		rmdir d/e/.. = notempty
		unlink d = isdir
		unlink d/ = isdir
		rmdir d/e/
		rmdir d
		create f
		rmdir f = notdir
		rmdir f/ = notdir
		unlink f/ = notdir
		list = f`},
	{"paths", `
		mkdir d
		mkdir d/e
		create d/e/f
		read d/.//e/../../d/e///./f = 
		read /d/e/f = perm
		read d/../.. = perm
		read ../d = perm
		read d/e/f/ = notdir
		read d/e/f\x00 = inval
		read \xff = ilseq
		read 255a = noent
		read 256a = nametoolong
		mkdir 256a = nametoolong`},
	{"symbolic links", `
		mkdir d
		create d/f
		write d/f 0 x
		symlink d l
		symlink ../d/f d/l
		read l/f = x
		read d/l = x
		readlink d/l = ../d/f
		readlink d = inval
		stat l = symlink
		stat l/ = directory
		symlink l l2
		read l2/l = x
		symlink /d abs = perm
		symlink ../x out
		read out = perm
		symlink loop loop
		read loop = loop
		symlink none dangling
		read dangling = noent
		mkdir dangling = exist
		create! dangling = exist
		create dangling
		read none = 
		symlink x new/ = noent
		symlink x d = exist
		rmdir l = notdir
		unlink l
		list = d dangling l2 loop none out`},
	{"hard links", `
		create a
		write a 0 one
		link a b
		write b 0 two
		read a = two
		unlink a
		read b = two
		mkdir d
		link d e = perm
		link b d = exist
		link b e/ = noent
		link none e = noent`},
	{"renaming files", `
		create a
		write a 0 A
		create b
		rename a b
		read b = A
		read a = noent
		rename a c = noent
		mkdir d
		rename b d = isdir
		rename b d/ = isdir
		rename b c/ = notdir
		rename b/ c = notdir
		rename b d/c
		link d/c e
		rename d/c e
		list = d e
		list d = c`},
	{"renaming directories", `
		mkdir a
		mkdir a/b
		create a/b/f
		rename a/ c/
		list = c
		rename c c/b/d = inval
		rename c/b c = notempty
		create f
		rename c f = notdir
		mkdir e
		rename e c = notempty
		rename c e
		list = e f
		rename e/. x = busy
		rename e e/b/.. = busy
		rename e/b b
		read b/f = 
		rename b/f e/../b/g
		list b = g`},
	{"a removed directory takes nothing", `
		mkdir d
		at d
		root rmdir d
		create f = noent
		mkdir e = noent
		list = 
		root create f
		root rename f f
		root link f g`},
}

func TestFileSystem(t *testing.T) {
	t.Parallel()
	for _, c := range fsScripts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fs := newFileSystem(&clock{}, 1<<20, 100, 10)
			base := fs.root
			for line := range strings.Lines(strings.TrimSpace(c.script)) {
				op, want, ok := strings.Cut(strings.TrimLeft(strings.TrimSuffix(line, "\n"), "\t"), " = ")
				if !ok {
					want = "ok"
				}
				if name, ok := strings.CutPrefix(op, "at "); ok {
					base, _ = fs.lookup(fs.root, name, true)
					continue
				}
				dir := base
				if rest, ok := strings.CutPrefix(op, "root "); ok {
					op, dir = rest, fs.root
				}
				if got := runLine(fs, dir, strings.Fields(op)); got != want {
					t.Errorf("%s: %q, want %q", op, got, want)
				}
			}
		})
	}
}

// runLine does one operation and says what came of it.
func runLine(fs *fileSystem, dir *node, words []string) string {
	for i, w := range words {
		if n, name, ok := repeated(w); ok {
			words[i] = strings.Repeat(name, n)
			continue
		}
		words[i], _ = strconv.Unquote(`"` + w + `"`)
	}
	arg := append(words[1:], "", "", "")
	file := func(o opening) *node { n, _ := fs.open(dir, arg[0], o); return n }
	number := func() uint64 { n, _ := strconv.ParseUint(arg[1], 10, 64); return n }
	var e errno
	switch words[0] {
	case "create":
		_, e = fs.open(dir, arg[0], opening{create: true, follow: true})
	case "create!":
		_, e = fs.open(dir, arg[0], opening{create: true, exclusive: true, follow: true})
	case "mkdir":
		e = fs.mkdir(dir, arg[0])
	case "rmdir":
		e = fs.rmdir(dir, arg[0])
	case "unlink":
		e = fs.unlink(dir, arg[0])
	case "rename":
		e = fs.rename(dir, arg[0], dir, arg[1])
	case "link":
		e = fs.link(dir, arg[0], dir, arg[1])
	case "symlink":
		e = fs.symlink(arg[0], dir, arg[1])
	case "write":
		e = fs.write(file(opening{}), []byte(arg[2]), number())
	case "resize":
		e = fs.resize(file(opening{}), number())
	default:
		return ask(fs, dir, words[0], arg[0])
	}
	return errnoName(e)
}

// ask does an operation that gives something.
func ask(fs *fileSystem, dir *node, op, path string) string {
	var s string
	var e errno
	switch op {
	case "read":
		var n *node
		if n, e = fs.open(dir, path, opening{follow: true}); e == success {
			p := make([]byte, 100)
			s = strings.Trim(strconv.Quote(string(p[:n.read(p, 0)])), `"`)
		}
	case "list":
		var n *node
		if n, e = fs.lookup(dir, max(path, "."), true); e == success {
			s = strings.Join(n.list(), " ")
		}
	case "readlink":
		s, e = fs.readlink(dir, path)
	case "stat":
		var n *node
		if n, e = fs.lookup(dir, path, false); e == success {
			s = map[nodeKind]string{directory: "directory", regularFile: "file", symlink: "symlink"}[n.kind]
		}
	}
	if e != success {
		return errnoName(e)
	}
	return s
}

// repeated reads "255a" as 255 times a.
func repeated(w string) (int, string, bool) {
	digits := strings.TrimRight(w, "a")
	n, err := strconv.Atoi(digits)
	return n, "a", err == nil && n > 100
}

func errnoName(e errno) string {
	names := map[errno]string{
		success: "ok", errNoEnt: "noent", errExist: "exist", errIsDir: "isdir", errNotDir: "notdir",
		errNotEmpty: "notempty", errInval: "inval", errPerm: "perm", errIlSeq: "ilseq", errNameLong: "nametoolong",
		errLoop: "loop", errBusy: "busy", errNoSpace: "nospc", errMFile: "mfile", errFBig: "fbig",
		errBadF: "badf", errOverflow: "overflow", errFault: "fault", errNoSys: "nosys", errNotSock: "notsock", errNotSup: "notsup", errSeekPipe: "spipe",
		errNotCapable: "notcapable",
	}
	if name, ok := names[e]; ok {
		return name
	}
	return fmt.Sprint(uint32(e))
}

// TestFileSystemBounds fills each bound and sees that what is removed gives
// everything back.
func TestFileSystemBounds(t *testing.T) {
	t.Parallel()
	const bytes, entries, opens = 1000, 4, 2
	fs := newFileSystem(&clock{}, bytes, entries, opens)
	expect := func(what string, got, want errno) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %s, want %s", what, errnoName(got), errnoName(want))
		}
	}
	f, e := fs.open(fs.root, "f", opening{create: true})
	expect("create", e, success)
	room := uint64(bytes - entryBytes - 1)
	expect("fill", fs.resize(f, room), success)
	expect("one more", fs.write(f, []byte("x"), room), errNoSpace)
	expect("far away", fs.write(f, []byte("x"), 1<<62), errNoSpace)
	expect("beyond all", fs.write(f, []byte("x"), 1<<63-1), errFBig)
	expect("beyond all", fs.resize(f, 1<<63), errFBig)
	expect("no room for a name", fs.mkdir(fs.root, "d"), errNoSpace)
	expect("hold", fs.hold(f), success)
	expect("hold", fs.hold(f), success)
	expect("hold", fs.hold(f), errMFile)
	fs.release(f)
	expect("unlink", fs.unlink(fs.root, "f"), success)
	if n := fs.bytes; n != entryBytes+1 {
		t.Errorf("%d bytes free while the file is open", n)
	}
	fs.release(f)
	for _, name := range []string{"a", "b", "c", "d"} {
		expect("mkdir "+name, fs.mkdir(fs.root, name), success)
	}
	expect("one more", fs.symlink("a", fs.root, "e"), errNoSpace)
	expect("rename", fs.rename(fs.root, "a", fs.root, "b"), success)
	for _, name := range []string{"b", "c", "d"} {
		expect("rmdir "+name, fs.rmdir(fs.root, name), success)
	}
	if fs.bytes != bytes || fs.entries != entries || fs.opens != opens {
		t.Errorf("left: %d bytes, %d entries, %d opens", fs.bytes, fs.entries, fs.opens)
	}
}

// TestFileSystemDepth sees that no directory comes so deep that its path from
// the root is longer than a path may be.
func TestFileSystemDepth(t *testing.T) {
	t.Parallel()
	fs := newFileSystem(&clock{}, 1<<20, 10_000, 10)
	name, dir := strings.Repeat("n", 255), fs.root
	for range maxPath / (1 + len(name)) {
		if e := fs.mkdir(dir, name); e != success {
			t.Fatal(errnoName(e))
		}
		dir = dir.entries[name]
	}
	if e := fs.mkdir(dir, "x"); e != errNameLong {
		t.Error("deeper:", errnoName(e))
	}
	fs.mkdir(fs.root, "a")
	fs.mkdir(fs.root, "a/b")
	if e := fs.rename(fs.root, "a", dir.parent, "a"); e != success {
		t.Error("moved deep:", errnoName(e))
	}
	fs.mkdir(fs.root, name+"2")
	if e := fs.rename(fs.root, name, fs.root, "b/"); e != success {
		t.Error("moved to a shorter name:", errnoName(e))
	}
	fs.mkdir(fs.root, "c")
	if e := fs.rename(fs.root, "b", fs.root, "c/"+name); e != errNameLong {
		t.Error("moved below:", errnoName(e))
	}
}
