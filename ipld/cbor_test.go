package ipld_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// readGolden reads testdata/name, which holds at least one case.
func readGolden[T any](tb testing.TB, name string) []T {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(data, &cases); err != nil {
		tb.Fatal(err)
	}
	if len(cases) == 0 {
		tb.Fatal("no cases in ", name)
	}
	return cases
}

type canonicalCase struct {
	Name string `json:"name"`
	JSON string `json:"json"`
	CBOR string `json:"cbor"`
	Link string `json:"link"`
}

// TestCanonical checks both encodings and the link of each golden value, both
// ways, and against the oracle.
func TestCanonical(t *testing.T) {
	t.Parallel()
	cases := readGolden[canonicalCase](t, "canonical.json")
	for i, c := range cases {
		v, err := ipld.DecodeJSON([]byte(c.JSON))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		block, link, err := ipld.Encode(v)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		got := canonicalCase{Name: c.Name, CBOR: hex.EncodeToString(block), Link: link.String()}
		back, err := ipld.DecodeCBOR(block)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		compareWithOracle(t, block, back, err)
		text, err := ipld.AppendJSON(nil, back)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		got.JSON = string(text)
		if n := ipld.CBORLen(v); n != len(block) {
			t.Errorf("%s: CBORLen is %d of %d", c.Name, n, len(block))
		}
		if *update {
			cases[i] = got
		} else if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.Name, diff)
		}
	}
	if *update {
		writeGolden(t, "canonical.json", cases)
	}
}

func writeGolden(tb testing.TB, name string, cases any) {
	tb.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(cases); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", name), buf.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
}

type refusedCBOR struct {
	Name   string     `json:"name"`
	CBOR   string     `json:"cbor"`
	Class  ipld.Class `json:"class"`
	Offset int        `json:"offset"`
}

func TestRefusedCBOR(t *testing.T) {
	t.Parallel()
	for _, c := range readGolden[refusedCBOR](t, "cbor-refused.json") {
		data, err := hex.DecodeString(c.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		v, err := ipld.DecodeCBOR(data)
		var fault *ipld.SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("%s: read as %v (%v)", c.Name, v, err)
			continue
		}
		if fault.Class != c.Class || fault.Offset != c.Offset {
			t.Errorf("%s: got %s (%v), want %s at offset %d", c.Name, fault.Class, fault, c.Class, c.Offset)
		}
		if !v.IsNull() {
			t.Errorf("%s: a value beside the error: %v", c.Name, v)
		}
		compareWithOracle(t, data, v, err)
		checkAgrees(t, data, ipld.Limits{}, err)
	}
}

// checkAgrees holds CheckCBOR to the verdict of DecodeCBORLimits.
func checkAgrees(tb testing.TB, data []byte, l ipld.Limits, want error) {
	tb.Helper()
	if got := ipld.CheckCBOR(data, l); !cmp.Equal(got, want) {
		tb.Errorf("%x: CheckCBOR says %v, DecodeCBOR %v", data, got, want)
	}
}

func TestUnencodable(t *testing.T) {
	t.Parallel()
	deep := ipld.Null
	for range ipld.MaxDepth {
		deep = ipld.List(deep)
	}
	if _, err := ipld.AppendCBOR(nil, deep); err != nil {
		t.Errorf("depth of %d: %v", ipld.MaxDepth, err)
	}
	for name, c := range map[string]struct {
		v    ipld.Value
		want error
	}{
		"NaN":            {ipld.Float(math.NaN()), ipld.ErrNotFinite},
		"infinity":       {ipld.List(ipld.Float(math.Inf(-1))), ipld.ErrNotFinite},
		"text":           {ipld.String("\xff"), ipld.ErrNotUTF8},
		"key":            {ipld.Map(ipld.Entry{Key: "\xc3("}), ipld.ErrNotUTF8},
		"undefined link": {ipld.LinkValue(ipld.Link{}), ipld.ErrNoLink},
		"list too deep":  {ipld.List(deep), ipld.ErrTooDeep},
		"map too deep":   {ipld.Map(ipld.Entry{Key: "a", Value: deep}), ipld.ErrTooDeep},
	} {
		dst := []byte("before")
		for form, encode := range map[string]func([]byte, ipld.Value) ([]byte, error){"CBOR": ipld.AppendCBOR, "JSON": ipld.AppendJSON} {
			got, err := encode(dst, c.v)
			if !errors.Is(err, c.want) || string(got) != "before" {
				t.Errorf("%s: %s gives %q, %v; want %v", name, form, got, err, c.want)
			}
		}
		if _, link, err := ipld.Encode(c.v); err == nil || link.Defined() {
			t.Errorf("%s: has the link %v", name, link)
		}
		if !strings.HasPrefix(c.v.String(), "!(") {
			t.Errorf("%s: prints as %s", name, c.v)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	nested := func(open string, n int, end string) string { return strings.Repeat(open, n) + end }
	for name, c := range map[string]struct {
		data   string
		limits ipld.Limits
		want   ipld.Class // "" for acceptable
	}{
		"default depth":         {nested("\x81", 256, "\x00"), ipld.Limits{}, ""},
		"beyond default depth":  {nested("\x81", 257, "\x00"), ipld.Limits{}, ipld.TooDeep},
		"beyond MaxDepth":       {nested("\x81", 257, "\x00"), ipld.Limits{Depth: 1000}, ipld.TooDeep},
		"depth of lists":        {nested("\x81", 64, "\x00"), ipld.Limits{Depth: 64}, ""},
		"depth of lists + 1":    {nested("\x81", 64, "\x80"), ipld.Limits{Depth: 64}, ipld.TooDeep},
		"depth of maps":         {nested("\xa1\x60", 3, "\x00"), ipld.Limits{Depth: 3}, ""},
		"depth of maps + 1":     {nested("\xa1\x60", 3, "\xa0"), ipld.Limits{Depth: 3}, ipld.TooDeep},
		"bytes":                 {"\x82\x01\x02", ipld.Limits{Bytes: 3}, ""},
		"bytes + 1":             {"\x82\x01\x02", ipld.Limits{Bytes: 2}, ipld.TooLong},
		"items":                 {"\x82\x01\x02", ipld.Limits{Items: 3}, ""},
		"items + 1":             {"\x82\x01\x02", ipld.Limits{Items: 2}, ipld.TooMany},
		"items, keys counted":   {"\xa1\x60\x81\x01", ipld.Limits{Items: 4}, ""},
		"items, keys counted+1": {"\xa1\x60\x81\x01", ipld.Limits{Items: 3}, ipld.TooMany},
	} {
		v, err := ipld.DecodeCBORLimits([]byte(c.data), c.limits)
		checkAgrees(t, []byte(c.data), c.limits, err)
		if got := class(err); got != c.want {
			t.Errorf("%s: %v (%v), want class %q", name, v, err, c.want)
		}
	}
}

func class(err error) ipld.Class {
	var fault *ipld.SyntaxError
	if errors.As(err, &fault) {
		return fault.Class
	}
	if err != nil {
		return "not a SyntaxError"
	}
	return ""
}

// TestHostileCBOR shows that refusing data takes memory in proportion to the
// data and not to what it claims, and that its nesting takes no stack.
func TestHostileCBOR(t *testing.T) {
	half := bytes.Repeat([]byte{0xf6}, 1<<19)
	claims := bytes.Repeat([]byte{0x9a, 0x00, 0x08, 0x00, 0x00}, 200) // 200 nested lists of 2^19
	for name, c := range map[string]struct {
		data  []byte
		want  ipld.Class
		bytes uint64 // that may be allocated
	}{
		"100 MiB of bytes":        {[]byte{0x5a, 0x06, 0x40, 0x00, 0x00}, ipld.Truncated, 16 << 10},
		"100 Mi elements":         {[]byte{0x9a, 0x06, 0x40, 0x00, 0x00}, ipld.Truncated, 16 << 10},
		"100 Mi entries":          {[]byte{0xba, 0x06, 0x40, 0x00, 0x00}, ipld.Truncated, 16 << 10},
		"nested claims":           {append(claims, half...), ipld.Truncated, 32 << 19},
		"nesting of 100,000":      {bytes.Repeat([]byte{0x81}, 100_000), ipld.TooDeep, 256 << 10},
		"nesting of 100,000 maps": {bytes.Repeat([]byte{0xa1, 0x60}, 100_000), ipld.TooDeep, 512 << 10},
		"nesting of 100,000 tags": {bytes.Repeat([]byte{0xd8, 0x2a}, 100_000), ipld.BadLink, 256 << 10},
		"more than the limit":     {make([]byte, 64<<20+1), ipld.TooLong, 16 << 10},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ipld.DecodeCBOR(c.data)
		runtime.ReadMemStats(&after)
		if got := class(err); got != c.want {
			t.Errorf("%s: %v, want class %q", name, err, c.want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > c.bytes {
			t.Errorf("%s: %d bytes allocated, want at most %d", name, n, c.bytes)
		}
		if n := testing.AllocsPerRun(5, func() { _ = ipld.CheckCBOR(c.data, ipld.Limits{}) }); n > 6 { // the error itself
			t.Errorf("%s: CheckCBOR allocates %v times", name, n)
		}
	}
}

// TestItemsClaimed shows that a list of more items than the limit is refused at
// its head, before memory is set aside for it.
func TestItemsClaimed(t *testing.T) {
	t.Parallel()
	data := append([]byte{0x81, 0x99, 0x10, 0x00}, bytes.Repeat([]byte{0xf6}, 0x1000)...)
	if _, err := ipld.DecodeCBORLimits(data, ipld.Limits{Items: 0x1002}); err != nil {
		t.Error(err)
	}
	_, err := ipld.DecodeCBORLimits(data, ipld.Limits{Items: 0x1001})
	if want := (&ipld.SyntaxError{Offset: 1, Class: ipld.TooMany, Msg: "more than 4097 items"}); !cmp.Equal(err, error(want)) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestNoAllocation(t *testing.T) {
	v := smallTask()
	buf := make([]byte, 0, 512)
	text := "some text"
	link := ipld.LinkOf(ipld.CodecRaw, nil)
	block := mustCBOR(t, v)
	for name, f := range map[string]func(){
		"AppendCBOR":  func() { _, _ = ipld.AppendCBOR(buf, v) },
		"CBORLen":     func() { _ = ipld.CBORLen(v) },
		"CheckCBOR":   func() { _ = ipld.CheckCBOR(block, ipld.Limits{}) },
		"String":      func() { _ = ipld.String(text) },
		"LinkValue":   func() { _ = ipld.LinkValue(link) },
		"Link.Verify": func() { _ = link.Verify(nil) },
		"Lookup":      func() { _, _ = v.Lookup("cmd") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// FuzzDecodeCBOR checks that data is either refused or the one encoding of the
// value it is read as, that the validator agrees, and that the oracle does.
func FuzzDecodeCBOR(f *testing.F) {
	for _, c := range readGolden[canonicalCase](f, "canonical.json") {
		data, _ := hex.DecodeString(c.CBOR)
		f.Add(data)
	}
	for _, c := range readGolden[refusedCBOR](f, "cbor-refused.json") {
		data, _ := hex.DecodeString(c.CBOR)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ipld.DecodeCBOR(data)
		checkAgrees(t, data, ipld.Limits{}, err)
		if class(err) == ipld.TooDeep {
			return
		}
		compareWithOracle(t, data, v, err)
		if err != nil {
			if class(err) == "not a SyntaxError" {
				t.Fatalf("%v is not a SyntaxError", err)
			}
			return
		}
		if again := mustCBOR(t, v); !bytes.Equal(again, data) || ipld.CBORLen(v) != len(data) {
			t.Fatalf("%x is read as %v, which encodes to %x", data, v, again)
		}
		text, err := ipld.AppendJSON(nil, v)
		if errors.Is(err, ipld.ErrReserved) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ipld.DecodeJSON(text); err != nil || !back.Equal(v) {
			t.Fatalf("%s comes back as %v (%v)", text, back, err)
		}
	})
}
