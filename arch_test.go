package ipvm_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const modulePath = "github.com/ipvm-wg/go-ipvm"

// TestLayers holds the code to the drawing in ARCHITECTURE.md.
func TestLayers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := readPackages(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range checkLayers(string(text), packages) {
		t.Error(problem)
	}
}

// TestLayersFindsProblems shows that each rule is enforced, by breaking a small
// module that keeps them all in one place at a time.
func TestLayersFindsProblems(t *testing.T) {
	t.Parallel()
	const drawing = "```layers\n" +
		"low:\n" +
		"high:      low\n" +
		"ipvm:      low high\n" +
		"cmd/ipvm:  ipvm\n" +
		"```\n" +
		"```doors\n" +
		"crypto/ed25519:    low\n" +
		"example.org/big:   high\n" +
		"example.org/check: low(tests)\n" +
		"example.org/cmp:   every(tests)\n" +
		"C:                 high\n" +
		"```\n"
	file := func(name string, imports ...string) string {
		text := "package " + name + "\n"
		for _, i := range imports {
			text += "import _ " + strconv.Quote(i) + "\n"
		}
		return text
	}
	good := map[string]string{
		"ARCHITECTURE.md":       drawing,
		"doc.go":                "// Package ipvm is responsible for the whole.\n" + file("ipvm", modulePath+"/low", modulePath+"/high"),
		"ipvm_test.go":          file("ipvm_test", modulePath),
		"low/doc.go":            "// Package low is responsible for\n// little.\n" + file("low", "strings", "crypto/ed25519"),
		"low/low_test.go":       file("low", "example.org/check", "example.org/cmp/opts"),
		"high/doc.go":           "// Package high is responsible for much.\n" + file("high", modulePath+"/low", "example.org/big/part"),
		"cmd/ipvm/doc.go":       "// Command ipvm is responsible for words.\n" + file("main", modulePath),
		"low/testdata/bad.go":   file("bad", "example.org/unknown"),
		"tests/only_test.go":    file("tests", modulePath+"/high", "example.org/cmp"),
		"other/go.mod":          "module other\n",
		"other/other.go":        file("other", "example.org/unknown"),
		"node_modules/x/x.go":   file("x"),
		".ci/tool/main.go":      file("main"),
		"docs/no/package.txt":   "",
		"high/_ignored/file.go": file("ignored"),
	}
	for _, test := range []struct {
		name    string
		with    map[string]string
		without []string
		want    []string
	}{
		{name: "nothing broken"},
		{
			name: "an import that is not drawn",
			with: map[string]string{"cmd/ipvm/run.go": file("main", modulePath+"/low")},
			want: []string{"cmd/ipvm/run.go imports low, which the drawing does not allow: write low into the line of cmd/ipvm, or do without"},
		},
		{
			name: "an import hidden behind a build tag",
			with: map[string]string{"low/x.go": "//go:build plan9\n\n" + file("low", modulePath+"/high")},
			want: []string{"low/x.go imports high, which the drawing does not allow: write high into the line of low, or do without"},
		},
		{
			name: "an arrow that nothing uses",
			with: map[string]string{"doc.go": "// Package ipvm is responsible for the whole.\n" + file("ipvm", modulePath+"/high")},
			want: []string{"ARCHITECTURE.md draws ipvm: low, but ipvm does not import low"},
		},
		{
			name: "an arrow that only a test uses",
			with: map[string]string{
				"doc.go":    "// Package ipvm is responsible for the whole.\n" + file("ipvm", modulePath+"/high"),
				"x_test.go": file("ipvm_test", modulePath+"/low"),
			},
			want: []string{"ARCHITECTURE.md draws ipvm: low, but ipvm does not import low"},
		},
		{
			name: "a test that imports a helper of tests from below",
			with: map[string]string{
				"ARCHITECTURE.md":      strings.Replace(drawing, "ipvm:", "internal/help: high\nipvm:", 1),
				"internal/help/doc.go": "// Package help is responsible for tests.\n" + file("help", modulePath+"/high"),
				"low/x_test.go":        file("low_test", modulePath+"/internal/help"),
			},
		},
		{
			name: "a line that names something below it",
			with: map[string]string{"ARCHITECTURE.md": strings.Replace(drawing, "low:\n", "low: high\n", 1)},
			want: []string{
				"ARCHITECTURE.md draws low: high, but high is not on a line above low",
				"ARCHITECTURE.md draws low: high, but low does not import high",
			},
		},
		{
			name: "a line that names itself",
			with: map[string]string{"ARCHITECTURE.md": strings.Replace(drawing, "low:\n", "low: low\n", 1)},
			want: []string{
				"ARCHITECTURE.md draws low: low, but low is not on a line above low",
				"ARCHITECTURE.md draws low: low, but low does not import low",
			},
		},
		{
			name: "a package that is not drawn",
			with: map[string]string{"extra/doc.go": "// Package extra is responsible for more.\n" + file("extra")},
			want: []string{"extra is missing from the drawing in ARCHITECTURE.md"},
		},
		{
			name:    "a package that is not there",
			without: []string{"cmd/ipvm/doc.go"},
			want:    []string{"ARCHITECTURE.md draws cmd/ipvm, but there is no such package"},
		},
		{
			name: "a package drawn twice",
			with: map[string]string{"ARCHITECTURE.md": strings.Replace(drawing, "low:\n", "low:\nlow:\n", 1)},
			want: []string{"ARCHITECTURE.md draws low twice"},
		},
		{
			name: "no drawing",
			with: map[string]string{"ARCHITECTURE.md": "# Architecture\n"},
			want: []string{"ARCHITECTURE.md has no block ```layers", "ARCHITECTURE.md has no block ```doors"},
		},
		{
			name: "a line that is no line",
			with: map[string]string{"ARCHITECTURE.md": strings.Replace(drawing, "low:\n", "low:\nhigh low\n", 1)},
			want: []string{"ARCHITECTURE.md has a line without a colon in its block of layers: high low"},
		},
		{
			name: "a large dependency outside its door",
			with: map[string]string{"low/big.go": file("low", "example.org/big")},
			want: []string{"low/big.go imports example.org/big, whose door is high"},
		},
		{
			name: "a large dependency in a test outside its door",
			with: map[string]string{"low/big_test.go": file("low_test", "example.org/big")},
			want: []string{"low/big_test.go imports example.org/big, whose door is high"},
		},
		{
			name: "a dependency of tests outside tests",
			with: map[string]string{"low/check.go": file("low", "example.org/check/deep", "example.org/cmp")},
			want: []string{
				"low/check.go imports example.org/check/deep, whose door is low(tests)",
				"low/check.go imports example.org/cmp, whose door is every(tests)",
			},
		},
		{
			name: "a package of the standard library that has a door",
			with: map[string]string{"high/sign.go": file("high", "crypto/ed25519")},
			want: []string{"high/sign.go imports crypto/ed25519, whose door is low"},
		},
		{
			name: "C outside its door",
			with: map[string]string{"low/c.go": file("low", "C")},
			want: []string{"low/c.go imports C, whose door is high"},
		},
		{
			name: "a dependency without a door",
			with: map[string]string{"low/new.go": file("low", "example.org/bigger")},
			want: []string{"low/new.go imports example.org/bigger, which has no door in ARCHITECTURE.md"},
		},
		{
			name: "a test that imports what stands below",
			with: map[string]string{"low/x_test.go": file("low_test", modulePath+"/high")},
			want: []string{"low/x_test.go imports high, which stands below low in the drawing"},
		},
		{
			name: "a package without a doc.go",
			with: map[string]string{"high/high.go": file("high", modulePath+"/low", "example.org/big/part")}, without: []string{"high/doc.go"},
			want: []string{"high has no doc.go"},
		},
		{
			name: "a doc.go that says something else",
			with: map[string]string{"high/doc.go": "// Package high does things.\n" + file("high", modulePath+"/low")},
			want: []string{`high/doc.go does not start "Package high is responsible for", but "Package high does things."`},
		},
		{
			name: "a doc.go without a comment",
			with: map[string]string{"cmd/ipvm/doc.go": file("main", modulePath)},
			want: []string{`cmd/ipvm/doc.go does not start "Command ipvm is responsible for", but ""`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(good)
			maps.Copy(files, test.with)
			for _, name := range test.without {
				delete(files, name)
			}
			tree := fstest.MapFS{}
			for name, text := range files {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
			packages, err := readPackages(tree)
			if err != nil {
				t.Fatal(err)
			}
			got := checkLayers(files["ARCHITECTURE.md"], packages)
			for _, want := range test.want {
				if !slices.Contains(got, want) {
					t.Errorf("lacks the problem: %s", want)
				}
			}
			if test.name != "no drawing" && len(got) != len(test.want) {
				t.Errorf("problems (-want +got):\n%s", cmp.Diff(test.want, got))
			}
		})
	}
}

// A goPackage is one folder of Go files, as the drawing sees it.
type goPackage struct {
	name    string // as in the drawing: the folder, "ipvm" for the root
	main    bool
	code    bool   // has files that are not tests
	hasDoc  bool   // has a doc.go
	doc     string // first sentence of the comment in doc.go
	imports []goImport
}

type goImport struct {
	file, path string
	test       bool
}

// readPackages reads every package of the module, whatever its files' build
// tags say.
func readPackages(tree fs.FS) ([]goPackage, error) {
	folders := map[string]*goPackage{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return walkInto(tree, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		folder := path.Dir(name)
		if folders[folder] == nil {
			folders[folder] = &goPackage{name: drawnName(folder)}
		}
		return folders[folder].read(tree, name)
	})
	packages := []goPackage{}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		packages = append(packages, *folders[folder])
	}
	return packages, err
}

func walkInto(tree fs.FS, folder string) error {
	base := path.Base(folder)
	_, nested := fs.Stat(tree, path.Join(folder, "go.mod"))
	switch {
	case folder == ".":
		return nil
	case base == "testdata", base == "node_modules", base[0] == '.', base[0] == '_', nested == nil:
		return fs.SkipDir
	}
	return nil
}

func drawnName(folder string) string {
	if folder == "." {
		return "ipvm"
	}
	return folder
}

func (p *goPackage) read(tree fs.FS, name string) error {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(name, "_test.go")
	if !test {
		p.code = true
		p.main = file.Name.Name == "main"
	}
	if path.Base(name) == "doc.go" {
		p.hasDoc = true
		p.doc = firstSentence(file)
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		p.imports = append(p.imports, goImport{file: name, path: imported, test: test})
	}
	return nil
}

func firstSentence(file *ast.File) string {
	if file.Doc == nil {
		return ""
	}
	return new(doc.Package).Synopsis(file.Doc.Text())
}

// A drawing is what ARCHITECTURE.md allows.
type drawing struct {
	order  []string            // packages, top first
	arrows map[string][]string // package → what it may import
	doors  map[string][]string // import path or its beginning → who may import it
}

// checkLayers compares the packages with the drawing in text and returns what
// differs, one sentence each.
func checkLayers(text string, packages []goPackage) []string {
	d, problems := readDrawing(text)
	here := map[string]bool{}
	for _, p := range packages {
		if p.code {
			here[p.name] = true
			problems = append(problems, d.checkPackage(p)...)
		}
		for _, i := range p.imports {
			if problem := d.checkImport(p, i); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	for _, name := range d.order {
		if !here[name] {
			problems = append(problems, fmt.Sprintf("ARCHITECTURE.md draws %s, but there is no such package", name))
		}
	}
	return problems
}

func (d *drawing) checkPackage(p goPackage) []string {
	problems := []string{}
	if _, drawn := d.arrows[p.name]; !drawn {
		problems = append(problems, p.name+" is missing from the drawing in ARCHITECTURE.md")
	}
	for _, to := range d.arrows[p.name] {
		used := slices.ContainsFunc(p.imports, func(i goImport) bool {
			own, is := ownPackage(i.path)
			return is && !i.test && own == to
		})
		if !used {
			problems = append(problems, fmt.Sprintf("ARCHITECTURE.md draws %s: %s, but %s does not import %s", p.name, to, p.name, to))
		}
	}
	kind := "Package "
	if p.main {
		kind = "Command "
	}
	want := kind + path.Base(p.name) + " is responsible for"
	switch {
	case !p.hasDoc:
		problems = append(problems, p.name+" has no doc.go")
	case !strings.HasPrefix(p.doc, want+" "):
		folder := p.name + "/"
		if p.name == "ipvm" {
			folder = ""
		}
		problems = append(problems, fmt.Sprintf("%sdoc.go does not start %q, but %q", folder, want, p.doc))
	}
	return problems
}

func (d *drawing) checkImport(p goPackage, i goImport) string {
	to, own := ownPackage(i.path)
	from := slices.Index(d.order, p.name)
	switch {
	case !own:
		return d.checkDoor(p, i)
	case !i.test && from >= 0 && !slices.Contains(d.arrows[p.name], to):
		return fmt.Sprintf("%s imports %s, which the drawing does not allow: write %s into the line of %s, or do without", i.file, to, to, p.name)
	case i.test && from >= 0 && !strings.HasPrefix(to, "internal/") && slices.Index(d.order, to) > from:
		return fmt.Sprintf("%s imports %s, which stands below %s in the drawing", i.file, to, p.name)
	}
	return ""
}

// checkDoor looks for the longest door that the import goes through.
func (d *drawing) checkDoor(p goPackage, i goImport) string {
	for door := i.path; door != "."; door = path.Dir(door) {
		who, there := d.doors[door]
		if !there {
			continue
		}
		if slices.Contains(who, p.name) || slices.Contains(who, "every") {
			return ""
		}
		if i.test && (slices.Contains(who, p.name+"(tests)") || slices.Contains(who, "every(tests)")) {
			return ""
		}
		return fmt.Sprintf("%s imports %s, whose door is %s", i.file, i.path, strings.Join(who, " "))
	}
	// The first element of a path outside the standard library is a host.
	if host, _, _ := strings.Cut(i.path, "/"); strings.Contains(host, ".") {
		return fmt.Sprintf("%s imports %s, which has no door in ARCHITECTURE.md", i.file, i.path)
	}
	return ""
}

// ownPackage tells whether an import is of this module, and its name in the
// drawing.
func ownPackage(imported string) (name string, own bool) {
	if imported == modulePath {
		return "ipvm", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

// readDrawing reads the blocks "layers" and "doors", each of lines
// "name: name name".
func readDrawing(text string) (drawing, []string) {
	d := drawing{arrows: map[string][]string{}, doors: map[string][]string{}}
	problems := []string{}
	fault := func(format string, args ...any) {
		problems = append(problems, "ARCHITECTURE.md "+fmt.Sprintf(format, args...))
	}
	block := func(kind string, line func(name string, words []string)) {
		lines, found := fencedBlock(text, kind)
		if !found {
			fault("has no block ```%s", kind)
		}
		for _, l := range lines {
			name, rest, isLine := strings.Cut(l, ": ")
			if before, bare := strings.CutSuffix(strings.TrimSpace(l), ":"); bare {
				name, rest, isLine = before, "", true
			}
			if !isLine {
				fault("has a line without a colon in its block of %s: %s", kind, l)
				continue
			}
			line(name, strings.Fields(rest))
		}
	}
	block("layers", func(name string, words []string) {
		if _, twice := d.arrows[name]; twice {
			fault("draws %s twice", name)
			return
		}
		for _, to := range words {
			if !slices.Contains(d.order, to) {
				fault("draws %s: %s, but %s is not on a line above %s", name, to, to, name)
			}
		}
		d.order = append(d.order, name)
		d.arrows[name] = words
	})
	block("doors", func(name string, words []string) { d.doors[name] = words })
	return d, problems
}

func fencedBlock(text, kind string) (lines []string, found bool) {
	_, rest, found := strings.Cut(text, "```"+kind+"\n")
	body, _, closed := strings.Cut(rest, "```")
	for l := range strings.Lines(body) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return lines, found && closed
}
