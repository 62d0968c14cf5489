package wit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Fault reports a value that does not fit its type, or content that could not
// be loaded to see whether it does.
type Fault struct {
	// Param is the parameter, or "" when the fault is not in one.
	Param string
	// Path is the place within the value: "/items/3/name", or "" for the
	// value itself. "/" and "~" in a key are written as in a JSON pointer.
	Path string
	// Key is the entry below Path that does not belong there, where that is
	// the fault.
	Key string
	// Link is the block in which the fault lies; the zero Link when it is in
	// the value as written.
	Link ipld.Link
	// Want is what would fit and Got what is there. Both are "" when Msg
	// says all there is to say.
	Want, Got string
	// Msg says more.
	Msg string
	// Err is why content could not be loaded; nil when a value is at fault.
	Err error
}

// Error is one line such as
// "parameter image: /0: want u8, got 300 (0…255)".
func (f *Fault) Error() string {
	var b strings.Builder
	if f.Param != "" {
		b.WriteString("parameter " + f.Param + ": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	if f.Link.Defined() {
		b.WriteString("in " + f.Link.String() + ": ")
	}
	switch {
	case f.Want == "":
		b.WriteString(f.Msg)
	case f.Msg == "":
		fmt.Fprintf(&b, "expected %s, got %s", f.Want, f.Got)
	default:
		fmt.Fprintf(&b, "expected %s, got %s (%s)", f.Want, f.Got, f.Msg)
	}
	if f.Err != nil {
		b.WriteString(f.Err.Error())
	}
	return b.String()
}

// Unwrap is the error that kept content from being loaded, if any.
func (f *Fault) Unwrap() error { return f.Err }

// mismatch is the fault of v where t is wanted; msg may be empty.
func mismatch(t *Type, v ipld.Value, msg string) *Fault {
	return &Fault{Want: t.text(120), Got: describe(v), Msg: msg}
}

// underIndex puts f one step further down: into the element i.
func (f *Fault) underIndex(i int) *Fault {
	f.Path = "/" + strconv.Itoa(i) + f.Path
	return f
}

// underKey puts f one step further down: into the entry key.
func (f *Fault) underKey(key string) *Fault {
	f.Path = "/" + pointerEscape.Replace(strings.ToValidUTF8(cut(key, 64), "\uFFFD")) + f.Path
	return f
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// describe is v in a few words.
func describe(v ipld.Value) string {
	switch v.Kind() {
	case ipld.KindNull:
		return "null"
	case ipld.KindBool:
		b, _ := v.AsBool()
		return strconv.FormatBool(b)
	case ipld.KindInt:
		if u, ok := v.AsUint64(); ok {
			return strconv.FormatUint(u, 10)
		}
		i, _ := v.AsInt64()
		return strconv.FormatInt(i, 10)
	case ipld.KindFloat:
		f, _ := v.AsFloat()
		return floatText(f)
	case ipld.KindString:
		s, _ := v.AsString()
		return strconv.Quote(cut(s, 40))
	case ipld.KindBytes:
		return plural(v.Len(), "byte")
	case ipld.KindList:
		return "a list of " + strconv.Itoa(v.Len())
	case ipld.KindMap:
		return "a map" + keys(v.Entries())
	case ipld.KindLink:
		l, _ := v.AsLink()
		return "the link " + l.String()
	}
	return v.Kind().String()
}

// floatText is f so that it reads as a float: 5.0, 1.9, 1e+39, NaN.
func floatText(f float64) string {
	format := byte('g')
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		format = 'f'
	}
	s := strconv.FormatFloat(f, format, -1, 64)
	if !math.IsNaN(f) && !math.IsInf(f, 0) && !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func keys(entries []ipld.Entry) string {
	names := make([]string, 0, 4)
	for _, e := range entries[:min(len(entries), 4)] {
		names = append(names, strconv.Quote(cut(e.Key, 20)))
	}
	if len(entries) > 4 {
		names = append(names, "…")
	}
	return " {" + strings.Join(names, ", ") + "}"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// cut shortens s to at most n bytes, at a character, and marks what is gone.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
