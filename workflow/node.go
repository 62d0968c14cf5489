package workflow

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Bounds on the syntax tree of one document.
const (
	maxDepth = 200     // nested lists and maps, far below ipld.MaxDepth
	maxNodes = 2 << 20 // values and keys
	maxAlias = 1 << 18 // of them, those that aliases repeat

	// The normal form of a document, which is DAG-CBOR, has more of both: each
	// job becomes a task with its fields. Whatever can be read can be handed on.
	loweredDepth = 8
	loweredNodes = 4
)

// nodeKind is the kind of a node: one of the data model's, or a number that it
// does not have, or something already reported.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	intNode
	floatNode
	stringNode
	bytesNode
	listNode
	mapNode
	linkNode
	hugeNode // an integer or float out of range; value is the literal
	badNode  // reported; readers pass over it in silence
)

var nodeNames = [...]string{
	"null", "a bool", "an integer", "a float", "text", "bytes", "a list", "a map", "a link", "a number out of range", "nothing of use",
}

func (k nodeKind) String() string { return nodeNames[k] }

// node is one value of a document and its place.
type node struct {
	kind      nodeKind
	line, col int32
	value     ipld.Value // of a scalar
	items     []node     // of a list; of a map, the values
	keys      []key      // of a map, one for each of items
}

// key is one key of a map and its place.
type key struct {
	text      string
	line, col int32
}

// place is how a fault somewhere else refers to k.
func (k key) place() string {
	if k.line == 0 {
		return "the same place"
	}
	return fmt.Sprintf("line %d, column %d", k.line, k.col)
}

// text is the content of a text node.
func (n *node) text() string {
	s, _ := n.value.AsString()
	return s
}

// lookup returns the value under a key of a map, or nil.
func (n *node) lookup(name string) *node {
	for i := range n.keys {
		if n.keys[i].text == name {
			return &n.items[i]
		}
	}
	return nil
}

// sole returns the only key and value of a map with one key.
func (n *node) sole() (string, *node) {
	if n.kind != mapNode || len(n.keys) != 1 {
		return "", nil
	}
	return n.keys[0].text, &n.items[0]
}

// show describes n for a message: its kind, and its content where that is
// short.
func (n *node) show() string {
	switch n.kind {
	case stringNode:
		return quote(n.text())
	case boolNode, intNode, floatNode:
		return n.value.String()
	case hugeNode:
		return cut(n.text())
	case listNode:
		if len(n.items) == 0 {
			return "an empty list"
		}
		if text, ok := n.shortList(); ok {
			return text
		}
		return fmt.Sprintf("a list of %d", len(n.items))
	case mapNode:
		if len(n.items) == 0 {
			return "an empty map"
		}
		if k, _ := n.sole(); k != "" {
			return fmt.Sprintf("a map with the key %s", quote(k))
		}
	case linkNode:
		link, _ := n.value.AsLink()
		return "the link " + link.String()
	}
	return n.kind.String()
}

// shortList is the text of a list that has room in a message: a few scalars.
func (n *node) shortList() (string, bool) {
	texts := make([]string, 0, 4)
	for i := range n.items {
		if n.items[i].kind >= listNode || len(texts) == cap(texts) {
			return "", false
		}
		texts = append(texts, n.items[i].show())
	}
	text := "[" + strings.Join(texts, ", ") + "]"
	return text, len(text) <= 60
}

// reader reads one document. It walks the tree with the path of where it is
// and collects what is wrong.
type reader struct {
	src      Source
	dialect  Dialect
	path     []step
	faults   faults
	warnings faults
	labels   []string // of the jobs
	known    map[string]bool
	imported map[string]imported
	edges    []Edge       // of the job being read
	outside  []Edge       // likewise: its promises of tasks of other workflows
	blocks   []ipld.Block // of inline modules
	triggers []trigger
	lookups  int // near-name searches made, which are bounded
}

type imported struct {
	link ipld.Link
	err  error
}

// step is one step of a path: a key, or an index where key is not set.
type step struct {
	key   string
	index int
	isKey bool
}

func (r *reader) enter(key string)  { r.path = append(r.path, step{key: key, isKey: true}) }
func (r *reader) enterItem(i int)   { r.path = append(r.path, step{index: i}) }
func (r *reader) leave()            { r.path = r.path[:len(r.path)-1] }
func (r *reader) posOf(n *node) Pos { return r.posAt(n.line, n.col) }

func (r *reader) posAt(line, col int32) Pos {
	return Pos{File: r.src.Name, Line: int(line), Col: int(col), Path: pointer(r.path)}
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is path as a JSON Pointer.
func pointer(path []step) string {
	var b strings.Builder
	for _, s := range path {
		b.WriteByte('/')
		if s.isKey {
			b.WriteString(pointerStep(s.key))
		} else {
			b.WriteString(strconv.Itoa(s.index))
		}
	}
	return b.String()
}

// pointerStep is a key as one step of a pointer. What can not be printed is
// escaped as in a Go string, and a very long key is cut.
func pointerStep(text string) string {
	if len(text) > maxLabel {
		text = strings.ToValidUTF8(text[:maxLabel], "") + "…"
	}
	text = pointerEscapes.Replace(text)
	if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
		text = strings.Trim(strconv.Quote(text), `"`)
	}
	return text
}

// fault reports something wrong with n, which is at the reader's path.
func (r *reader) fault(n *node, kind Kind, hint, format string, args ...any) {
	if n.kind == badNode {
		return
	}
	r.report(n.line, n.col, kind, hint, format, args...)
}

// report is fault at any place.
func (r *reader) report(line, col int32, kind Kind, hint, format string, args ...any) {
	if r.faults.n >= maxFaults { // spare the formatting
		r.faults.n++
		return
	}
	r.faults.add(Fault{Pos: r.posAt(line, col), Kind: kind, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *reader) warn(line, col int32, hint, format string, args ...any) {
	if r.warnings.n >= maxFaults {
		return
	}
	r.warnings.add(Fault{Pos: r.posAt(line, col), Kind: Ignored, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// tree builds the syntax tree, or reports why there is none.
func (r *reader) tree() *node {
	format := r.src.format()
	if format != CBOR {
		if bytes.HasPrefix(r.src.Data, []byte("\x00asm")) {
			r.report(0, 0, Syntax, "name the workflow that calls it, or call it with `ipvm wasm call`", "expected a workflow, got a WebAssembly module")
			return nil
		}
		if at := invalidUTF8(r.src.Data); at >= 0 {
			c := cursor{data: r.src.Data}
			line, col := c.seek(at)
			r.report(line, col, Syntax, "save the file as UTF-8 without other encodings mixed in", "byte 0x%02x is not UTF-8 text", r.src.Data[at])
			return nil
		}
		r.src.Data = bytes.TrimPrefix(r.src.Data, []byte("\ufeff"))
	}
	if len(bytes.TrimSpace(r.src.Data)) == 0 {
		r.report(0, 0, Syntax, smallestHint, "the document is empty")
		return nil
	}
	switch format {
	case JSON:
		return r.jsonTree()
	case YAML:
		return r.yamlTree()
	case CBOR:
		return r.cborTree()
	}
	r.report(0, 0, Invalid, "", "unknown format %q; it is one of json, yaml and cbor", string(format))
	return nil
}

// format decides what an Auto source is.
func (s *Source) format() Format {
	if s.Format != Auto {
		return s.Format
	}
	switch strings.ToLower(filepath.Ext(s.Name)) {
	case ".json", ".dagjson":
		return JSON
	case ".yaml", ".yml":
		return YAML
	case ".cbor", ".dagcbor":
		return CBOR
	}
	if len(s.Data) > 0 && (s.Data[0]>>5 == 5 || s.Data[0]>>5 == 4) { // a CBOR map or list; never the first byte of UTF-8 text
		return CBOR
	}
	text := strings.TrimLeft(string(s.Data[:min(len(s.Data), 4096)]), "\ufeff \t\r\n")
	if rest, ok := strings.CutPrefix(text, "{"); ok {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" || rest[0] == '"' || rest[0] == '}' {
			return JSON
		}
	}
	return YAML
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// cursor turns growing offsets into places, in one pass over the data.
type cursor struct {
	data      []byte
	at        int
	line, col int32 // from 0
}

func (c *cursor) seek(offset int) (line, col int32) {
	if offset < c.at {
		*c = cursor{data: c.data}
	}
	for ; c.at < min(offset, len(c.data)); c.at++ {
		switch b := c.data[c.at]; {
		case b == '\n':
			c.line, c.col = c.line+1, 0
		case b&0xc0 != 0x80: // the first byte of a character
			c.col++
		}
	}
	return c.line + 1, c.col + 1
}

// settle finds, all over the tree, keys given twice and the links and bytes of
// DAG-JSON. The first of equal keys stays.
func (r *reader) settle(n *node) {
	switch n.kind {
	case listNode:
		for i := range n.items {
			r.enterItem(i)
			r.settle(&n.items[i])
			r.leave()
		}
	case mapNode:
		r.uniqueKeys(n)
		if k, v := n.sole(); v != nil && k == "/" && n.line > 0 { // in DAG-CBOR it is only a map
			r.dagJSON(n, v)
			return
		}
		for i := range n.items {
			r.enter(n.keys[i].text)
			r.settle(&n.items[i])
			r.leave()
		}
	}
}

// uniqueKeys reports keys given twice in a map and drops them.
func (r *reader) uniqueKeys(n *node) {
	var again []int
	if len(n.keys) <= 8 {
		for i := range n.keys {
			for j := range i {
				if n.keys[i].text == n.keys[j].text {
					again = r.keyAgain(n, i, j, again)
					break
				}
			}
		}
	} else {
		first := make(map[string]int, len(n.keys))
		for i := range n.keys {
			if j, ok := first[n.keys[i].text]; ok {
				again = r.keyAgain(n, i, j, again)
				continue
			}
			first[n.keys[i].text] = i
		}
	}
	if len(again) == 0 {
		return
	}
	var keys []key // not in place: an alias may share the storage
	var items []node
	for i := range n.keys {
		if len(again) > 0 && again[0] == i {
			again = again[1:]
			continue
		}
		keys, items = append(keys, n.keys[i]), append(items, n.items[i])
	}
	n.keys, n.items = keys, items
}

func (r *reader) keyAgain(n *node, i, j int, again []int) []int {
	k := n.keys[i]
	r.enter(k.text)
	r.report(k.line, k.col, Duplicate, "each key and each label stands once: rename or remove one", "%s is given twice; the first is at %s", quote(k.text), n.keys[j].place())
	r.leave()
	return append(again, i)
}

// dagJSON turns the map {"/": v} into the link or bytes that it stands for.
func (r *reader) dagJSON(n, v *node) {
	text := v
	if k, b := v.sole(); k == "bytes" {
		text = b
	}
	var err error
	switch {
	case text.kind != stringNode:
		err = errors.New(text.show())
	case text == v:
		var link ipld.Link
		if link, err = ipld.ParseLink(v.text()); err == nil {
			n.kind, n.value = linkNode, ipld.LinkValue(link)
		} else {
			err = fmt.Errorf("%s, which is no CID", v.show())
		}
	default:
		var b []byte
		if b, err = decodeBase64(text.text()); err == nil {
			n.kind, n.value = bytesNode, ipld.Bytes(b)
		}
	}
	n.keys, n.items = nil, nil
	if err != nil {
		r.fault(n, Invalid, `a map with no key but "/" is a link or bytes, and nothing else`, `expected a link {"/": CID} or bytes {"/": {"bytes": base64}}, got %v`, err)
		n.kind = badNode
	}
}

func decodeBase64(s string) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%s, which is not base64 of the standard alphabet", quote(s))
	}
	return b, nil
}
