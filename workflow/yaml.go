package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"go.yaml.in/yaml/v3"
)

// yamlTree builds the tree of a YAML 1.2 document. The library only parses:
// what a scalar means is decided here, by the core schema, so that JSON text
// has the same meaning in both formats.
func (r *reader) yamlTree() *node {
	if marks := yamlMarks(r.src.Data); marks > maxNodes {
		r.report(0, 0, Size, "keep large data out of the document: {file: ./data.cbor}", "the document has about %d values; at most %d are read", marks, maxNodes)
		return nil
	}
	if n := r.yamlAsJSON(); n != nil {
		return n
	}
	if at := bytes.IndexFunc(r.src.Data, oldBreak); at >= 0 {
		c := cursor{data: r.src.Data}
		line, col := c.seek(at)
		char, _ := utf8.DecodeRune(r.src.Data[at:])
		r.report(line, col, Unsupported, fmt.Sprintf(`in text between double quotes, write it as an escape: "\u%04x"`, char),
			"the character U+%04X ends a line for some readers of YAML and not for others", char)
		return nil
	}
	doc, err := parseYAML(r.src.Data)
	if err != nil {
		r.yamlFault(err)
		return nil
	}
	b := yamlBuilder{reader: r, anchors: map[*yaml.Node]*anchor{}}
	n := b.node(doc, 0)
	if b.full {
		return nil
	}
	return &n
}

// yamlAsJSON builds the tree of YAML that is JSON, or returns nil. JSON is
// YAML, but for a few escapes that the library does not read.
func (r *reader) yamlAsJSON() *node {
	if text := bytes.TrimSpace(r.src.Data); len(text) == 0 || text[0] != '{' {
		return nil
	}
	root, err := ipld.ParseJSON(r.src.Data, r.jsonLimits())
	if root == nil || err != nil && !isDuplicate(err) {
		return nil
	}
	n := fromJSON(root, &cursor{data: r.src.Data})
	return &n
}

// yamlMarks bounds from above how many values and keys there can be, so that
// the library is never handed a document that costs it gigabytes.
func yamlMarks(data []byte) int {
	n := 1
	for _, c := range []byte(",:[{\n") {
		n += bytes.Count(data, []byte{c})
	}
	return n + bytes.Count(data, []byte("- ")) + bytes.Count(data, []byte("? "))
}

// mergeKey is YAML 1.1's way to copy a map into another.
const mergeKey = "<<"

var errEmpty = errors.New("the document is empty")

var errManyDocuments = errors.New("more than one document in the file")

// parseYAML returns the root of the only document in data.
func parseYAML(data []byte) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil { // the library panics on some hostile input
			root, err = nil, fmt.Errorf("the text confuses the YAML parser: %v", p)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errEmpty
		}
		return nil, err
	}
	if err := d.Decode(&second); err == nil {
		return nil, fmt.Errorf("line %d: %w", second.Line, errManyDocuments)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errEmpty
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// yamlFault reports an error of the YAML library.
func (r *reader) yamlFault(err error) {
	msg := err.Error()
	m := yamlLine.FindStringSubmatch(msg)
	number, _ := strconv.Atoi(m[1])
	line, col := int32(number), int32(0)
	msg = msg[len(m[0]):]
	if line == 0 && strings.HasPrefix(err.Error(), "yaml: ") {
		line = 1 // the library leaves it out
	}
	kind, hint := Syntax, ""
	if at := r.badStart(line); strings.Contains(msg, "cannot start any token") && at >= 0 {
		c := cursor{data: r.src.Data}
		line, col = c.seek(at)
		msg, hint = fmt.Sprintf("text can not begin with %c", r.src.Data[at]), "put the text in quotes"
		if r.src.Data[at] == '\t' {
			msg, hint = "a tab stands where YAML expects spaces", "indent with spaces"
		}
	}
	switch {
	case hint != "":
	case msg == "control characters are not allowed":
		c := cursor{data: r.src.Data}
		line, col = c.seek(bytes.IndexFunc(r.src.Data, notYAML))
		hint = `in text, write them as an escape: "\u0007"`
	case strings.Contains(msg, "exceeded max depth"):
		kind, hint = Size, depthHint
		msg = fmt.Sprintf("lists and maps are nested deeper than %d", maxDepth)
	case errors.Is(err, errManyDocuments):
		hint = "one workflow per file: split it at the line ---"
	case err == errEmpty:
		hint = smallestHint
	case strings.Contains(msg, "escape"):
		hint = `in double quotes \ begins an escape: write \\, or use single quotes`
	case strings.HasPrefix(msg, "unknown anchor"):
		name := strings.Split(msg, "'")[1]
		c := cursor{data: r.src.Data}
		line, col = c.seek(max(0, bytes.Index(r.src.Data, []byte("*"+name))))
		msg, hint = fmt.Sprintf("there is no anchor &%s to repeat", name), "text that begins with * must be quoted"
	case strings.Contains(msg, "cannot start any token"):
		hint = "text with a character that YAML gives a meaning must be quoted; indent with spaces, not tabs"
	case strings.Contains(msg, "mapping values are not allowed"):
		msg = "a key with its value can not stand here"
		hint = "check the indentation, and quote text that contains a colon and a space"
	case strings.Contains(msg, "end of stream"), strings.Contains(msg, "found unexpected document indicator"):
		msg, hint = "a quote that opens here is never closed", "close it with the same quote"
		line = r.openQuote(line)
	case strings.HasSuffix(msg, "did not find expected key"), strings.HasSuffix(msg, "did not find expected '-' indicator"):
		line = r.failingLine(err, line+1)
		msg = "this line is no part of the list or map before it"
		hint = "indent it as its neighbours, and put text with quotes or colons in it into quotes"
	case strings.Contains(msg, "expected alphabetic or numeric character"):
		msg, hint = "* or & begins an alias or an anchor, and has no name", "text that begins with * or & must be quoted"
	case strings.HasSuffix(msg, "could not find expected ':'"):
		msg, hint = "expected a key with a colon", "put a colon and a space after the key, or indent the text as deep as what it belongs to"
	case strings.Contains(msg, "did not find expected"):
		if line > 0 {
			line++ // the library counts these from 0
		}
		msg = strings.ReplaceAll(msg, "did not find expected", "expected")
		hint = "look here and further down for a missing comma, bracket, quote or space after a colon, and for text that has to be quoted"
	}
	if kind == Syntax && err != errEmpty {
		msg = "not YAML: " + msg
	}
	r.report(line, col, kind, hint, "%s", msg)
}

// badStart is the offset of what the library can not read in a line: a tab
// among its indentation, or a character that begins no text; -1 where it is not
// clear.
func (r *reader) badStart(line int32) int {
	data, start := r.src.Data, 0
	for ; line > 1; line-- {
		end := bytes.IndexByte(data[start:], '\n')
		if end < 0 {
			return -1
		}
		start += end + 1
	}
	text := data[start:]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		text = text[:end]
	}
	if indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]; bytes.IndexByte(indent, '\t') >= 0 {
		return start + bytes.IndexByte(indent, '\t')
	}
	if m := yamlBadStart.FindSubmatchIndex(text); m != nil {
		return start + m[2]
	}
	return -1
}

var yamlBadStart = regexp.MustCompile("(?:^ *|[-:,?] +|[\\[{] *)([@`%])")

// maxSearchedLines bounds the text in which the line of a fault is looked for.
const maxSearchedLines = 64 << 10

// failingLine is the line of a document at which the library fails with err,
// which tells only where the list or map around it begins: the last of the
// fewest lines that have the same fault.
func (r *reader) failingLine(err error, begin int32) int32 {
	if len(r.src.Data) > maxSearchedLines {
		return begin
	}
	lines := bytes.SplitAfter(r.src.Data, []byte("\n"))
	return int32(1 + sort.Search(len(lines)-1, func(i int) bool {
		_, same := parseYAML(bytes.Join(lines[:i+1], nil))
		return same != nil && same.Error() == err.Error()
	}))
}

// openQuote is the line of a quote that is never closed. The library tells it,
// but for the first line, in whose place it tells the last.
func (r *reader) openQuote(line int32) int32 {
	lines := bytes.SplitN(r.src.Data, []byte("\n"), int(line)+1)
	if int(line) <= len(lines) && bytes.ContainsAny(lines[line-1], `"'`) {
		return line
	}
	return 1
}

// notYAML tells the characters that YAML text must not have (§5.1).
func notYAML(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f || c > 0x7f && c < 0xa0 && c != 0x85 || c == 0xfffe || c == 0xffff
}

// oldBreak tells the characters that end a line in YAML 1.1, as which the
// library reads them, and are text in YAML 1.2 (§5.4) and JSON.
func oldBreak(c rune) bool { return c == 0x85 || c == 0x2028 || c == 0x2029 }

// yamlBuilder builds the tree from what the library parsed.
type yamlBuilder struct {
	*reader
	anchors map[*yaml.Node]*anchor
	nodes   int  // made so far, aliases counted in full
	aliased int  // of them, repeated by aliases
	full    bool // too many were reported
}

// anchor is a value that an alias may repeat.
type anchor struct {
	node   node
	nodes  int
	height int
	done   bool
}

func (b *yamlBuilder) node(y *yaml.Node, depth int) node {
	if y.Kind == yaml.AliasNode {
		return b.alias(y, depth)
	}
	n := node{line: int32(y.Line), col: int32(y.Column), kind: badNode}
	if b.nodes++; !b.room(&n, depth) {
		return n
	}
	var a *anchor
	if y.Anchor != "" {
		a = &anchor{nodes: b.nodes - 1}
		b.anchors[y] = a
	}
	switch y.Kind {
	case yaml.ScalarNode:
		b.scalar(&n, y)
	case yaml.SequenceNode:
		b.sequence(&n, y, depth)
	case yaml.MappingNode:
		b.mapping(&n, y, depth)
	}
	if a != nil {
		a.node, a.nodes, a.height, a.done = n, b.nodes-a.nodes, height(&n), true
	}
	return n
}

// height is how many lists and maps are nested in n.
func height(n *node) int {
	if n.kind != listNode && n.kind != mapNode {
		return 0
	}
	h := 0
	for i := range n.items {
		h = max(h, height(&n.items[i]))
	}
	return h + 1
}

// room tells whether one more value at depth is within the bounds.
func (b *yamlBuilder) room(n *node, depth int) bool {
	switch {
	case b.full:
		return false
	case b.nodes > maxNodes:
		b.report(n.line, n.col, Size, "keep large data out of the document: {file: ./data.cbor}", "the document has more than %d values", maxNodes)
		b.full = true
	case b.aliased > maxAlias:
		b.report(n.line, n.col, Size, "use fewer: an alias counts as much as what it repeats", "aliases repeat more than %d values", maxAlias)
		b.full = true
	case depth > maxDepth:
		b.report(n.line, n.col, Size, depthHint, "lists and maps are nested deeper than %d", maxDepth)
		b.full = true
	}
	return !b.full
}

func (b *yamlBuilder) alias(y *yaml.Node, depth int) node {
	bad := node{line: int32(y.Line), col: int32(y.Column), kind: badNode}
	a := b.anchors[y.Alias]
	if a == nil || !a.done {
		b.report(bad.line, bad.col, Invalid, "write out what is meant: no value can hold itself", "the alias *%s is inside the value that it repeats", y.Value)
		return bad
	}
	b.nodes, b.aliased = b.nodes+a.nodes, b.aliased+a.nodes
	if !b.room(&bad, depth+a.height) {
		return bad
	}
	return a.node
}

func (b *yamlBuilder) sequence(n *node, y *yaml.Node, depth int) {
	if !b.tag(n, y, "!!seq") {
		return
	}
	n.kind, n.items = listNode, make([]node, len(y.Content))
	for i, c := range y.Content {
		b.enterItem(i)
		n.items[i] = b.node(c, depth+1)
		b.leave()
	}
}

func (b *yamlBuilder) mapping(n *node, y *yaml.Node, depth int) {
	if !b.tag(n, y, "!!map") {
		return
	}
	n.kind, n.items, n.keys = mapNode, make([]node, 0, len(y.Content)/2), make([]key, 0, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, ok := b.key(y.Content[i])
		if !ok {
			if k.text != "" {
				n.keys, n.items = append(n.keys, k), append(n.items, node{kind: badNode})
			}
			continue
		}
		b.nodes++
		b.enter(k.text)
		n.keys, n.items = append(n.keys, k), append(n.items, b.node(y.Content[i+1], depth+1))
		b.leave()
	}
}

// key reads a map key. Keys are text: a plain scalar is taken as it is
// written, so 1 is the text "1".
func (b *yamlBuilder) key(y *yaml.Node) (key, bool) {
	at := key{line: int32(y.Line), col: int32(y.Column)}
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Kind == yaml.ScalarNode && y.Anchor != "" {
		n := node{line: at.line, col: at.col}
		b.scalar(&n, y)
		b.anchors[y] = &anchor{node: n, nodes: 1, done: true}
	}
	plain := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch {
	case y.Kind != yaml.ScalarNode:
		b.report(at.line, at.col, Type, "write the key as text, or a list of pairs: [[key, value]]", "a key is text, not a list or map")
	case plain && y.Value == mergeKey:
		at.text = mergeKey // so that fields which it may have brought are not missed
		b.report(at.line, at.col, Unsupported, `write the fields out; a key that is really "<<" is quoted`, "YAML 1.2 has no merge keys (<<)")
	case plain && isNull(y.Value):
		b.report(at.line, at.col, Type, `quote it if it is text: "null"`, "a key is text, not null")
	case y.Style&yaml.TaggedStyle != 0 && y.Tag != "!!str":
		b.report(at.line, at.col, Unsupported, "leave the tag out; a key that is a number is its text", "a key is text and takes no tag %s", y.Tag)
	default:
		at.text = y.Value
		return at, true
	}
	return at, false
}

// tag checks that an explicit tag of y, if any, is the expected one.
func (b *yamlBuilder) tag(n *node, y *yaml.Node, want ...string) bool {
	if y.Style&yaml.TaggedStyle == 0 {
		return true
	}
	for _, w := range want {
		if y.Tag == w {
			return true
		}
	}
	hint := "leave the tag out"
	switch y.Tag {
	case "!!binary":
		hint = `bytes are written {"/": {"bytes": base64}}`
	case "!!timestamp":
		hint = "write it as quoted text"
	}
	b.report(n.line, n.col, Unsupported, hint, "the YAML tag %s has no meaning here", quote(y.Tag))
	return false
}

func (b *yamlBuilder) scalar(n *node, y *yaml.Node) {
	quoted := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	tagged := y.Style&yaml.TaggedStyle != 0
	if quoted || tagged && y.Tag == "!!str" {
		if b.tag(n, y, "!!str") {
			n.kind, n.value = stringNode, ipld.String(y.Value)
		}
		return
	}
	plainScalar(n, y.Value)
	want := map[nodeKind]string{nullNode: "!!null", boolNode: "!!bool", intNode: "!!int", floatNode: "!!float", hugeNode: "!!int", stringNode: "!!str"}
	if !b.tag(n, y, want[n.kind]) {
		n.kind = badNode
	}
	if n.kind == badNode && !tagged {
		b.report(n.line, n.col, Invalid, "pass it as text, or leave it out", "%s is no number that a workflow can hold", y.Value)
	}
}

var (
	yamlInt   = regexp.MustCompile(`^[-+]?[0-9]+$`)
	yamlOct   = regexp.MustCompile(`^0o[0-7]+$`)
	yamlHex   = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	yamlFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	yamlInf   = regexp.MustCompile(`^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

func isNull(s string) bool {
	return s == "" || s == "~" || s == "null" || s == "Null" || s == "NULL"
}

// plainScalar gives n the meaning of an unquoted scalar in the YAML 1.2 core
// schema (§10.3.2).
func plainScalar(n *node, s string) {
	switch {
	case isNull(s):
		n.kind, n.value = nullNode, ipld.Null
	case s == "true", s == "True", s == "TRUE":
		n.kind, n.value = boolNode, ipld.Bool(true)
	case s == "false", s == "False", s == "FALSE":
		n.kind, n.value = boolNode, ipld.Bool(false)
	case !strings.ContainsRune("+-.0123456789", rune(s[0])):
		n.kind, n.value = stringNode, ipld.String(s)
	case yamlInt.MatchString(s), yamlFloat.MatchString(s):
		n.setNumber(jsonNumber(s))
	case yamlOct.MatchString(s), yamlHex.MatchString(s):
		u, err := strconv.ParseUint(s, 0, 64)
		n.kind, n.value = intNode, ipld.Uint(u)
		if err != nil {
			n.kind, n.value = hugeNode, ipld.String(s)
		}
	case yamlInf.MatchString(s):
		n.kind = badNode
	default:
		n.kind, n.value = stringNode, ipld.String(s)
	}
}

// jsonNumber is the JSON literal of the same number: no plus sign, no leading
// zeros, digits on both sides of the point.
func jsonNumber(s string) string {
	sign := ""
	switch s[0] {
	case '-':
		sign, s = "-", s[1:]
	case '+':
		s = s[1:]
	}
	end := strings.IndexAny(s, ".eE")
	if end < 0 {
		end = len(s)
	}
	whole, rest := strings.TrimLeft(s[:end], "0"), s[end:]
	if whole == "" {
		whole = "0"
	}
	if strings.HasPrefix(rest, ".") {
		exp := strings.IndexAny(rest, "eE")
		if exp < 0 {
			exp = len(rest)
		}
		if exp == 1 {
			rest = ".0" + rest[1:]
		}
	}
	return sign + whole + rest
}
