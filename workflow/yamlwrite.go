package workflow

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

const (
	// yamlWidth is how long a line may get before a list or map in it is
	// written over several.
	yamlWidth = 100
	// yamlIndent bounds indentation; what is nested deeper stays on its line.
	yamlIndent = 40
	// yamlKey bounds a key written as "key: value"; readers of YAML need not
	// look further than 1,024 characters for the colon (YAML 1.2, §7.4.2).
	yamlKey = 512
)

// yamlText writes values as YAML: as DAG-JSON, but for text without quotes, spaces
// and line breaks.
type yamlText struct {
	bytes.Buffer
	err error // why the first value that YAML has no way to write is none
}

// field writes "name: value" and the line's end.
func (y *yamlText) field(indent int, name string, v ipld.Value) {
	y.WriteString(strings.Repeat(" ", indent))
	y.entry(indent, ipld.Entry{Key: name, Value: v})
}

// entry writes e and the line's end, where the indentation stands already.
func (y *yamlText) entry(indent int, e ipld.Entry) {
	if k := yamlKeyText(e.Key); len(k) > yamlKey {
		y.WriteString("? " + k + "\n" + strings.Repeat(" ", indent) + ":")
	} else {
		y.WriteString(k + ":")
	}
	if e.Value.Len() > 0 && !y.fits(e.Value, yamlWidth-indent-len(e.Key)) && indent < yamlIndent {
		y.WriteString("\n" + strings.Repeat(" ", indent+2))
		y.block(indent+2, e.Value)
		return
	}
	y.WriteByte(' ')
	y.flow(e.Value)
	y.WriteByte('\n')
}

// block writes the items of v, which has some, line by line.
func (y *yamlText) block(indent int, v ipld.Value) {
	lead := ""
	for _, e := range v.Elems() {
		y.WriteString(lead + "- ")
		lead = strings.Repeat(" ", indent)
		if e.Len() > 0 && !y.fits(e, yamlWidth-indent) && indent < yamlIndent {
			y.block(indent+2, e)
			continue
		}
		y.flow(e)
		y.WriteByte('\n')
	}
	if v.Kind() == ipld.KindMap {
		y.sayable(v)
	}
	for _, e := range byKey(v) {
		y.WriteString(lead)
		lead = strings.Repeat(" ", indent)
		y.entry(indent, e)
	}
}

// byKey is the entries of map v in the order in which people look for them.
func byKey(v ipld.Value) []ipld.Entry {
	entries := slices.Clone(v.Entries())
	slices.SortFunc(entries, func(a, b ipld.Entry) int { return strings.Compare(a.Key, b.Key) })
	return entries
}

// sayable notes a map that would be read as a link or as bytes.
func (y *yamlText) sayable(v ipld.Value) {
	if e, ok := v.Sole(); ok && e.Key == "/" && y.err == nil {
		y.err = ipld.ErrReserved
	}
}

// fits tells whether v is at most room bytes on one line.
func (y *yamlText) fits(v ipld.Value, room int) bool {
	return roomAfter(v, room) >= 0
}

// roomAfter is what about is left of room after v; below 0 it stops counting.
func roomAfter(v ipld.Value, room int) int {
	switch v.Kind() {
	case ipld.KindString:
		s, _ := v.AsString()
		return room - len(s) - 2
	case ipld.KindBytes:
		b, _ := v.AsBytes()
		return room - len(b)*4/3 - 20
	case ipld.KindLink:
		return room - 70
	}
	room -= 2
	for _, e := range v.Elems() {
		if room = roomAfter(e, room) - 2; room < 0 {
			return room
		}
	}
	for _, e := range v.Entries() {
		if room = roomAfter(e.Value, room) - len(e.Key) - 4; room < 0 {
			return room
		}
	}
	return room
}

// flow writes v on one line.
func (y *yamlText) flow(v ipld.Value) {
	switch v.Kind() {
	case ipld.KindList:
		y.WriteByte('[')
		for i, e := range v.Elems() {
			if i > 0 {
				y.WriteString(", ")
			}
			y.flow(e)
		}
		y.WriteByte(']')
	case ipld.KindMap:
		y.sayable(v)
		y.flowMap(byKey(v))
	case ipld.KindString:
		s, _ := v.AsString()
		y.WriteString(yamlString(s))
	case ipld.KindLink:
		link, _ := v.AsLink()
		y.WriteString(`{"/": ` + yamlString(link.String()) + `}`)
	default:
		text, err := ipld.AppendJSON(nil, v)
		if err != nil && y.err == nil {
			y.err = err
		}
		y.WriteString(strings.ReplaceAll(string(text), `":`, `": `)) // of bytes
	}
}

// flowMap writes entries as a map, in their order.
func (y *yamlText) flowMap(entries []ipld.Entry) {
	y.WriteByte('{')
	for i, e := range entries {
		if i > 0 {
			y.WriteString(", ")
		}
		k := yamlKeyText(e.Key)
		if len(k) > yamlKey {
			y.WriteString("? ")
			k += " "
		}
		y.WriteString(k + ": ")
		y.flow(e.Value)
	}
	y.WriteByte('}')
}

// yamlKeyText is a field's name or another key.
func yamlKeyText(s string) string {
	if s == "on" { // as everybody writes it, although YAML 1.1 reads it as true
		return s
	}
	return yamlString(s)
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*$`)
	// plainAmount matches times and sizes as they are normalised.
	plainAmount = regexp.MustCompile(`^(([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+|[0-9]+[KMG]iB)$`)
	// yamlWord matches what one or the other version of YAML reads as more than text.
	yamlWord = regexp.MustCompile(`^(?i:null|true|false|yes|no|on|off|y|n)$`)
)

// yamlString is s plain where every reader of YAML takes it for this text, and
// else between double quotes, with escapes for what can not be seen.
func yamlString(s string) string {
	if plainText.MatchString(s) && !yamlWord.MatchString(s) || plainAmount.MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
