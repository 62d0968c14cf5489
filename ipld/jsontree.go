package ipld

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSONKind is the kind of a [JSONNode].
type JSONKind uint8

// The kinds of JSON values (RFC 8259, section 3).
const (
	JSONNull JSONKind = iota
	JSONBool
	JSONNumber
	JSONString
	JSONArray
	JSONObject
)

var jsonKindNames = [...]string{"null", "bool", "number", "string", "list", "map"}

// String is the kind's name as error messages use it.
func (k JSONKind) String() string { return jsonKindNames[k] }

// A JSONNode is one value of a JSON text and where it stands.
type JSONNode struct {
	Kind   JSONKind
	Offset int        // of the value's first byte in the text, from 0
	Text   string     // a string's content; a number, true, false or null as written
	Items  []JSONNode // elements of an array, values of an object, in order
	Keys   []JSONKey  // names in an object, one for each of Items
}

// A JSONKey is one name in an object and where it stands.
type JSONKey struct {
	Text   string // content, escapes resolved
	Offset int    // of its opening quote
}

// maxDuplicates bounds how many duplicate keys are reported of one text.
const maxDuplicates = 100

// ParseJSON reads one strict JSON text (RFC 8259) within the limits: UTF-8
// without a byte order mark, no half surrogate pairs, no name twice in an
// object. Depth counts arrays and objects, items values and names.
//
// The error is a [*SyntaxError]. When names given twice are all that is at
// fault, the tree is returned beside the error, and where there are several
// the error is [SyntaxErrors] with each of them (at most 100) in text order.
func ParseJSON(data []byte, l Limits) (*JSONNode, error) {
	return parseJSON(data, l.filled(), l.filled().Depth)
}

func parseJSON(data []byte, l Limits, depth int) (*JSONNode, error) {
	if len(data) > l.Bytes {
		return nil, faultf(l.Bytes, TooLong, "%d bytes, more than the limit of %d", len(data), l.Bytes)
	}
	p := jsonParser{text: string(data), limits: l, maxDepth: depth}
	if at := invalidUTF8(p.text); at >= 0 {
		return nil, faultf(at, BadUTF8, "text that is not UTF-8")
	}
	p.space()
	root := new(JSONNode)
	if err := p.value(root, 0); err != nil {
		return nil, err
	}
	p.space()
	if p.off != len(p.text) {
		return nil, faultf(p.off, Trailing, "%s after the value", p.here())
	}
	switch len(p.duplicates) {
	case 0:
		return root, nil
	case 1:
		return root, p.duplicates[0]
	}
	return root, p.duplicates
}

func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}

type jsonParser struct {
	text       string
	limits     Limits
	maxDepth   int
	off        int
	items      int
	duplicates SyntaxErrors
}

func (p *jsonParser) space() {
	for p.off < len(p.text) {
		switch p.text[p.off] {
		case ' ', '\t', '\n', '\r':
			p.off++
		default:
			return
		}
	}
}

// peek is the byte at p.off, or 0 at the end.
func (p *jsonParser) peek() byte {
	if p.off < len(p.text) {
		return p.text[p.off]
	}
	return 0
}

// here names what stands at p.off, for messages.
func (p *jsonParser) here() string {
	if p.off >= len(p.text) {
		return "end of text"
	}
	if p.text[p.off] == '"' {
		return "a quote"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.off:])
	return string(appendJSONString(nil, string(r)))
}

// unexpected is the fault of finding anything but want at p.off.
func (p *jsonParser) unexpected(want string) *SyntaxError {
	if p.off >= len(p.text) {
		return faultf(p.off, Truncated, "end of text instead of %s", want)
	}
	return faultf(p.off, Syntax, "%s instead of %s", p.here(), want)
}

func (p *jsonParser) count() error {
	p.items++
	if p.items > p.limits.Items {
		return faultf(p.off, TooMany, "more than %d items", p.limits.Items)
	}
	return nil
}

func (p *jsonParser) value(n *JSONNode, depth int) error {
	if err := p.count(); err != nil {
		return err
	}
	n.Offset = p.off
	switch c := p.peek(); {
	case c == '"':
		n.Kind = JSONString
		return p.str(&n.Text)
	case c == '-' || '0' <= c && c <= '9':
		n.Kind = JSONNumber
		return p.number(&n.Text)
	case c == '{' || c == '[':
		if depth == p.maxDepth {
			return faultf(p.off, TooDeep, "more than %d nested lists and maps", p.maxDepth)
		}
		if c == '[' {
			n.Kind = JSONArray
			return p.array(n, depth+1)
		}
		n.Kind = JSONObject
		return p.object(n, depth+1)
	case c == 'n':
		n.Kind = JSONNull
		return p.word(n, "null")
	case c == 't':
		n.Kind = JSONBool
		return p.word(n, "true")
	case c == 'f':
		n.Kind = JSONBool
		return p.word(n, "false")
	}
	return p.unexpected("a value")
}

func (p *jsonParser) word(n *JSONNode, word string) error {
	if !strings.HasPrefix(p.text[p.off:], word) {
		return p.unexpected("a value")
	}
	n.Text = word
	p.off += len(word)
	return nil
}

func (p *jsonParser) array(n *JSONNode, depth int) error {
	p.off++
	p.space()
	if p.peek() == ']' {
		p.off++
		return nil
	}
	for {
		n.Items = append(n.Items, JSONNode{})
		if err := p.value(&n.Items[len(n.Items)-1], depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.off++
			p.space()
		case ']':
			p.off++
			return nil
		default:
			return p.unexpected(`"," or "]"`)
		}
	}
}

func (p *jsonParser) object(n *JSONNode, depth int) error {
	p.off++
	p.space()
	if p.peek() == '}' {
		p.off++
		return nil
	}
	var seen keySet
	for {
		if err := p.member(n, &seen, depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.off++
			p.space()
		case '}':
			p.off++
			return nil
		default:
			return p.unexpected(`"," or "}"`)
		}
	}
}

func (p *jsonParser) member(n *JSONNode, seen *keySet, depth int) error {
	if err := p.count(); err != nil {
		return err
	}
	key := JSONKey{Offset: p.off}
	if p.peek() != '"' {
		return p.unexpected("a name in quotes")
	}
	if err := p.str(&key.Text); err != nil {
		return err
	}
	if !seen.add(n.Keys, key.Text) && len(p.duplicates) < maxDuplicates {
		p.duplicates = append(p.duplicates, faultf(key.Offset, Duplicate, "the name %q given twice", key.Text))
	}
	p.space()
	if p.peek() != ':' {
		return p.unexpected(`":"`)
	}
	p.off++
	p.space()
	n.Keys = append(n.Keys, key)
	n.Items = append(n.Items, JSONNode{})
	return p.value(&n.Items[len(n.Items)-1], depth)
}

// keySet finds duplicates among the names of one object: by looking at all of
// them while they are few.
type keySet struct{ m map[string]struct{} }

const fewKeys = 8

// add tells whether key is new beside keys.
func (s *keySet) add(keys []JSONKey, key string) bool {
	if len(keys) < fewKeys {
		for _, k := range keys {
			if k.Text == key {
				return false
			}
		}
		return true
	}
	if s.m == nil {
		s.m = make(map[string]struct{}, 2*fewKeys)
		for _, k := range keys {
			s.m[k.Text] = struct{}{}
		}
	}
	before := len(s.m)
	s.m[key] = struct{}{}
	return len(s.m) > before
}

// number reads one number (RFC 8259, section 6).
func (p *jsonParser) number(text *string) error {
	n := numberLen(p.text[p.off:])
	if n == 0 {
		p.off++ // only "-" begins a number without being one
		return p.unexpected("a digit")
	}
	*text = p.text[p.off : p.off+n]
	p.off += n
	switch c := p.peek(); {
	case '0' <= c && c <= '9':
		return faultf(p.off-1, Syntax, "a number with a leading zero")
	case c == '.', c == 'e', c == 'E':
		return faultf(p.off, Syntax, "a number that ends in %s", p.here())
	}
	return nil
}

// numberLen is the length of the longest number that s begins with, or 0.
func numberLen(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	whole := digits(s, i)
	if whole == i {
		return 0
	}
	if s[i] == '0' {
		whole = i + 1
	}
	i = whole
	if i < len(s) && s[i] == '.' {
		if end := digits(s, i+1); end > i+1 {
			i = end
		} else {
			return i
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		from := i + 1
		if from < len(s) && (s[from] == '+' || s[from] == '-') {
			from++
		}
		if end := digits(s, from); end > from {
			i = end
		}
	}
	return i
}

// digits is the end of the decimal digits of s that begin at i.
func digits(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// str reads one string (RFC 8259, section 7) into its content.
func (p *jsonParser) str(text *string) error {
	start := p.off
	p.off++
	from := p.off
	var buf []byte // the content so far, once an escape was seen
	for p.off < len(p.text) {
		switch c := p.text[p.off]; {
		case c == '"':
			*text = p.text[from:p.off]
			if buf != nil {
				*text = string(append(buf, *text...))
			}
			p.off++
			return nil
		case c == '\\':
			buf = append(buf, p.text[from:p.off]...)
			r, err := p.escape()
			if err != nil {
				return err
			}
			buf = utf8.AppendRune(buf, r)
			from = p.off
		case c < 0x20:
			return faultf(p.off, Syntax, "the control character 0x%02x in a string", c)
		default:
			p.off++
		}
	}
	return faultf(start, Truncated, "a string without its closing quote")
}

const escapes = "\"\\/bfnrt"

// escape reads one escape, or the two that make a surrogate pair.
func (p *jsonParser) escape() (rune, error) {
	at := p.off
	p.off++
	c := p.peek()
	if i := strings.IndexByte(escapes, c); i >= 0 {
		p.off++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, p.unexpected("an escape")
	}
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(p.text[p.off:], `\u`) {
		p.off++
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, faultf(at, BadUTF8, "half a surrogate pair")
}

// hex4 reads a "u" and four hexadecimal digits.
func (p *jsonParser) hex4() (rune, error) {
	p.off++
	var r rune
	for range 4 {
		c := p.peek()
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.unexpected("a hexadecimal digit")
		}
		r = r<<4 | rune(c)
		p.off++
	}
	return r, nil
}
