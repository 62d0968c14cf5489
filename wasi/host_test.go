package wasi

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"an empty path", Config{Files: []File{{Path: ""}}}, `file "": the path has a part ""`},
		{"the root", Config{Files: []File{{Path: "/"}}}, `file "": the path has a part ""`},
		{"a double slash", Config{Files: []File{{Path: "a//b"}}}, `file "a//b": the path has a part ""`},
		{"a slash at the end", Config{Files: []File{{Path: "a/"}}}, `file "a/": the path has a part ""`},
		{"dot dot", Config{Files: []File{{Path: "a/../b"}}}, `file "a/../b": the path has a part ".."`},
		{"a NUL", Config{Files: []File{{Path: "a\x00"}}}, `the path holds a NUL`},
		{"no UTF-8", Config{Files: []File{{Path: "\xff"}}}, `the path is not UTF-8`},
		{"a long name", Config{Files: []File{{Path: strings.Repeat("a", 256)}}}, `a name is longer than 255 bytes`},
		{"a long path", Config{Files: []File{{Path: strings.Repeat("a/", 2047) + "ab"}}}, `the path is longer than 4,095 bytes`},
		{"a path twice", Config{Files: []File{{Path: "a"}, {Path: "b"}, {Path: "/a"}}}, `file "a": the path is there twice`},
		{"a file below a file", Config{Files: []File{{Path: "a/b/c"}, {Path: "a/b"}}}, `file "a/b/c": "a/b" is a file, not a directory`},
		{"an argument with a NUL", Config{Args: []string{"a\x00b"}}, `argument "a\x00b" holds a NUL`},
		{"a variable without a name", Config{Env: []string{"=x"}}, `environment "=x" is not NAME=value`},
		{"a variable without a value", Config{Env: []string{"x"}}, `environment "x" is not NAME=value`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func newHost(tb testing.TB, c Config) *Host {
	tb.Helper()
	h, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// TestResult checks which files count as made or changed.
func TestResult(t *testing.T) {
	t.Parallel()
	input := []byte("input")
	h := newHost(t, Config{Files: []File{
		{"same", input},
		{"rewritten", input},
		{"d/changed", input},
		{"cut", input},
		{"deleted", input},
		{"moved", input},
		{"linked", input},
		{"grown", input[:2]},
	}})
	fs := h.fs
	write := func(path, text string, o opening) {
		o.create = true
		n, e := fs.open(fs.root, path, o)
		if e == success {
			e = fs.write(n, []byte(text), 0)
		}
		if e != success {
			t.Errorf("%s: %s", path, errnoName(e))
		}
	}
	write("rewritten", "input", opening{truncate: true})
	write("d/changed", "I", opening{})
	write("cut", "", opening{truncate: true})
	write("grown", "inPUT", opening{})
	fs.unlink(fs.root, "deleted")
	fs.rename(fs.root, "moved", fs.root, "d-e")
	fs.link(fs.root, "linked", fs.root, "d/x")
	write("new", "", opening{})
	fs.mkdir(fs.root, "empty")
	fs.symlink("same", fs.root, "symlink")

	var got []string
	files := h.Result().Files
	for _, f := range files {
		got = append(got, f.Path+"="+string(f.Data))
	}
	want := []string{"cut=", "d-e=input", "d/changed=Input", "d/x=input", "grown=inPUT", "new="}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("not by path")
	}
	if string(input) != "input" {
		t.Errorf("the input became %q", input)
	}
}

// TestClock checks that time moves by sleeping, and never too far.
func TestClock(t *testing.T) {
	t.Parallel()
	var c clock
	c.sleep(5)
	if c.wall() != Instant+5 || c.monotonic() != MonotonicInstant+5 {
		t.Error(c.wall(), c.monotonic())
	}
	c.sleep(1<<64 - 1)
	c.sleep(1<<64 - 1)
	if c.monotonic() != maxSlept || int64(c.wall()) < 0 {
		t.Error(c.wall(), c.monotonic())
	}
}

// TestOutput checks what is kept of an output without a sink.
func TestOutput(t *testing.T) {
	t.Parallel()
	o := output{room: 3}
	for _, c := range []struct {
		text string
		want errno
	}{{"ab", success}, {"cd", errNoSpace}, {"c", success}, {"", success}, {"d", errNoSpace}} {
		if got := o.write([]byte(c.text)); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, errnoName(got), errnoName(c.want))
		}
	}
	if string(o.kept) != "abc" {
		t.Errorf("kept %q", o.kept)
	}
}
