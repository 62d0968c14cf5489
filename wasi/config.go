package wasi

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The usual bounds of a world, for a [Config] that names none. A program sees them, so
// they are part of what a task means.
const (
	DefaultOutput  = 16 << 20
	DefaultBytes   = 256 << 20
	DefaultEntries = 1 << 16
	DefaultOpen    = 1024
)

// Config is the world of one run. Equal Configs give equal worlds. The zero
// Config is a world without arguments, input or files.
type Config struct {
	// Args are the arguments; the first is by custom the program's name.
	Args []string
	// Env is the environment, each "NAME=value".
	Env []string
	// Stdin is all there is on standard input.
	Stdin []byte
	// Files are what is in the file system at first, in any order. Their
	// directories come into being with them.
	Files []File
	// Seed determines the random numbers.
	Seed [32]byte

	// Stdout and Stderr take what the program writes, in order, and must not
	// keep the slices. Where one is nil the output is kept for [Host.Result].
	Stdout, Stderr func([]byte)

	// MaxOutput is how many bytes of each kept output there may be. A write
	// beyond fails with the errno nospc. 0 is [DefaultOutput].
	MaxOutput int
	// MaxBytes is how many bytes of files the program may write, besides Files,
	// to which are added the names it makes, 64 for each. Bytes deleted are free
	// again. A write beyond fails with the errno nospc. 0 is [DefaultBytes].
	MaxBytes int64
	// MaxEntries is how many files, directories and links it may make. 0 is
	// [DefaultEntries].
	MaxEntries int
	// MaxOpen is how many of them it may hold open at once. 0 is [DefaultOpen].
	MaxOpen int
}

// File is a file's path and its bytes, which nobody may change. The path is
// relative to the root and has slashes: "in/data.txt".
type File struct {
	Path string
	Data []byte
}

func (c *Config) setDefaults() {
	setDefault(&c.MaxOutput, DefaultOutput)
	setDefault(&c.MaxBytes, DefaultBytes)
	setDefault(&c.MaxEntries, DefaultEntries)
	setDefault(&c.MaxOpen, DefaultOpen)
}

// setDefault also takes a limit below 0, which is none, for the usual one.
func setDefault[T int | int64](limit *T, usual T) {
	if *limit <= 0 {
		*limit = usual
	}
}

// checkStrings refuses arguments and variables that C strings cannot hold.
func (c *Config) checkStrings() error {
	for _, arg := range c.Args {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("argument %q holds a NUL", arg)
		}
	}
	for _, v := range c.Env {
		if strings.IndexByte(v, 0) >= 0 || strings.IndexByte(v, '=') < 1 {
			return fmt.Errorf("environment %q is not NAME=value", v)
		}
	}
	return nil
}

// sortedFiles is Files by path, each path in its one spelling: without the
// slash that may stand before it.
func (c *Config) sortedFiles() ([]File, error) {
	files := slices.Clone(c.Files)
	for i := range files {
		f := &files[i]
		f.Path = strings.TrimPrefix(f.Path, "/")
		if why := checkFilePath(f.Path); why != "" {
			return nil, fmt.Errorf("file %q: %s", f.Path, why)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// checkFilePath says what is wrong with a path, or "".
func checkFilePath(path string) string {
	switch {
	case len(path) >= maxPath:
		return "the path is longer than 4,095 bytes"
	case strings.IndexByte(path, 0) >= 0:
		return "the path holds a NUL"
	case !utf8.ValidString(path):
		return "the path is not UTF-8"
	}
	for name := range strings.SplitSeq(path, "/") {
		switch {
		case name == "" || name == "." || name == "..":
			return fmt.Sprintf("the path has a part %q", name)
		case len(name) > maxName:
			return "a name is longer than 255 bytes"
		}
	}
	return ""
}
