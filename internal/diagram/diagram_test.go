package diagram

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/internal/cputime"
)

var update = flag.Bool("update", false, "rewrite the drawings in testdata")

// samples are the drawings of testdata.
func samples() map[string]*Drawing {
	diamond := &Drawing{
		Title: "diamond", Note: "4 jobs in 3 steps",
		Boxes: []Box{{Label: "start", Detail: "square"}, {Label: "left", Detail: "add"}, {Label: "right", Detail: "add"}, {Label: "end", Detail: "add"}},
		Lines: []Line{{From: 0, To: 1}, {From: 0, To: 2}, {From: 1, To: 3, Label: "[0]"}, {From: 2, To: 3, Title: "end takes right"}},
	}
	looks := &Drawing{
		Title: "every look", Note: "each kind, class, mark and state",
		Boxes: []Box{
			{Label: "query", Detail: "read", Class: "query"},
			{Label: "secret", Detail: "open", Class: "pure", Secret: true},
			{Label: "mutation", Detail: "write", Class: "mutation", Secret: true, Handler: "catch recover", Needs: "needs gpu"},
			{Label: "well", State: OK},
			{Label: "known", State: Remembered},
			{Label: "broken", State: Failed, Outcome: "failed: trap"},
			{Label: "passed over", State: Skipped},
			{Label: "given up", State: Cancelled},
			{Label: "unreached", State: Upstream},
			{Label: "not written", Class: "mutation", State: Failed, Outside: "takes bafy…abcdef"},
			{Label: "later", Layer: 2},
			{Label: "anywhere"},
		},
		Lines: []Line{
			{From: 0, To: 1, Label: "[0].x"},
			{From: 1, To: 2, Kind: Dashed},
			{From: 0, To: 2, Kind: Dotted, Label: "on error"},
			{From: 1, To: 2, Kind: Dotted, Label: "on any"},
			{From: 2, To: 3},
			{From: 2, To: 4},
			{From: 2, To: 5, Label: "error"},
			{From: 2, To: 6, Kind: Dashed},
			{From: 2, To: 7, Kind: Dashed},
			{From: 2, To: 8},
			{From: 0, To: 4, Kind: Dotted, Label: "on success"},
			{From: 1, To: 9},
		},
	}
	deep := boxes(12)
	for i := range 11 {
		deep.Lines = append(deep.Lines, Line{From: i, To: i + 1}, Line{From: i - i%4, To: i + 1})
	}
	alone := boxes(10)
	alone.Lines = []Line{{From: 3, To: 7}}
	texts := &Drawing{
		Title: "<title> & \"quotes\" \x00\u202e",
		Boxes: []Box{
			{Label: "a <b>&'\"]]>\x1b[31m", Detail: "\xff\u202eabc", Title: "two\nlines <&>"},
			{Label: "图像处理流水线的第一步读取所有原始数据", Detail: "обработка изображений и ещё очень много слов"},
			{Label: "नमस्ते दुनिया क्\u200dष", Detail: strings.Repeat("W", 100), Outcome: "ok ]]>", State: OK},
			{Label: "", Detail: ""},
		},
		Lines: []Line{{From: 0, To: 1, Label: "</text><script>alert(1)</script>", Title: "<script>"}, {From: 1, To: 2}, {From: 2, To: 3}},
	}
	return map[string]*Drawing{"diamond": diamond, "looks": looks, "deep": deep, "alone": alone, "texts": texts, "empty": {}}
}

// boxes is a drawing of n boxes without lines.
func boxes(n int) *Drawing {
	d := &Drawing{Title: fmt.Sprintf("%d boxes", n)}
	for i := range n {
		d.Boxes = append(d.Boxes, Box{Label: fmt.Sprintf("box %d", i), Detail: "f"})
	}
	return d
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, d := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := d.SVG()
			if err != nil {
				t.Fatal(err)
			}
			wellFormed(t, got)
			file := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs from what is drawn now; look at it after -update", file)
			}
		})
	}
}

// wellFormed holds data to XML and to what the drawings promise: nothing in
// them is run or fetched.
func wellFormed(tb testing.TB, data []byte) {
	tb.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			tb.Fatalf("not well-formed: %v", err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "script", "foreignObject", "a", "image":
			tb.Fatalf("an element %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") {
				tb.Fatalf("an attribute %s=%q", a.Name.Local, a.Value)
			}
		}
	}
}

func TestSameBytes(t *testing.T) {
	t.Parallel()
	for name, d := range samples() {
		first, err := d.SVG()
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if again, _ := d.SVG(); !bytes.Equal(first, again) {
				t.Fatalf("%s: two drawings differ", name)
			}
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":               "plain",
		"<&>\"'":              "&lt;&amp;&gt;&#34;&#39;",
		"a\nb\tc":             "a&#xA;b c",
		"\x00\x1b[31m\u202e":  "\ufffd\ufffd[31m\ufffd",
		"\xff":                "\ufffd",
		"क्\u200dष":           "क्\u200dष",
		"\ufffe\U000e0041end": "\ufffd\ufffdend",
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
	for _, s := range []string{"", "short", strings.Repeat("wide ", 50), strings.Repeat("é", 99), strings.Repeat("图", 99)} {
		for _, room := range []float64{20, 50, 120} {
			got := cut(s, 10, room)
			if textWidth(got, 10) > room {
				t.Errorf("cut(%q, 10, %v) = %q, which is wider", s, room, got)
			}
			if textWidth(s, 10) <= room && got != s {
				t.Errorf("cut(%q, 10, %v) = %q, which had room", s, room, got)
			}
		}
	}
	if got := cut("ee\u0301e\u0301e", 10, 20); got != "e…" && got != "ee\u0301…" {
		t.Errorf("an accent is cut from its letter: %q", got)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	large := boxes(400)
	for i := range 300 {
		for j := range 170 {
			large.Lines = append(large.Lines, Line{From: i, To: 301 + j%99})
		}
	}
	long := boxes(MaxBoxes)
	for i := range MaxBoxes - 2 {
		long.Lines = append(long.Lines, Line{From: i, To: i + 1}, Line{From: i, To: MaxBoxes - 1})
	}
	circle := boxes(3)
	circle.Lines = []Line{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 1}}
	self := boxes(1)
	self.Lines = []Line{{}}
	nowhere := boxes(2)
	nowhere.Lines = []Line{{From: 0, To: 2}}
	for _, test := range []struct {
		d    *Drawing
		want error
		msg  string
	}{
		{boxes(MaxBoxes + 1), ErrTooLarge, "too large to draw: 2001 boxes, at most 2000 are allowed"},
		{large, ErrTooLarge, "too large to draw: 51000 lines, at most 50000 are allowed"},
		{long, ErrTooLarge, "too large to draw: its lines go through more than 200000 layers, added up"},
		{circle, ErrLines, "bad lines: they go in a circle"},
		{self, ErrLines, "bad lines: they go in a circle"},
		{nowhere, ErrLines, "bad lines: one from 0 to 2, of 2 boxes"},
		{&Drawing{Boxes: []Box{{Layer: MaxBoxes}}}, ErrTooLarge, "too large to draw: a box in layer 2000, of at most 2000"},
		{&Drawing{Boxes: []Box{{Layer: -1}}}, ErrTooLarge, "too large to draw: a box in layer -1, of at most 2000"},
	} {
		if _, err := test.d.SVG(); !errors.Is(err, test.want) || err.Error() != test.msg {
			t.Errorf("got %v, want %s", err, test.msg)
		}
	}
}

// TestHostile draws what is as large as it may be, in one shape each.
func TestHostile(t *testing.T) {
	t.Parallel()
	chain, fan, in, comb, both := boxes(MaxBoxes), boxes(MaxBoxes), boxes(MaxBoxes), boxes(500), boxes(400)
	for i := range MaxBoxes - 1 {
		chain.Lines = append(chain.Lines, Line{From: i, To: i + 1, Label: "on error"})
		fan.Lines = append(fan.Lines, Line{From: 0, To: i + 1})
		in.Lines = append(in.Lines, Line{From: i, To: MaxBoxes - 1})
	}
	for i := range 498 {
		comb.Lines = append(comb.Lines, Line{From: i, To: i + 1}, Line{From: i, To: 499})
	}
	for i := range 200 {
		for j := range 200 {
			both.Lines = append(both.Lines, Line{From: i, To: 200 + j})
		}
	}
	const long = 20 * time.Second // none takes a second here
	for name, d := range map[string]*Drawing{"chain": chain, "fan": fan, "fan-in": in, "comb": comb, "bipartite": both, "alone": boxes(MaxBoxes)} {
		var data []byte
		var err error
		took := cputime.Of(func() { data, err = d.SVG() })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if took > long {
			t.Errorf("%s takes %v", name, took)
		}
		if perPart := len(data) / (len(d.Boxes) + len(d.Lines)); perPart > 600 {
			t.Errorf("%s takes %d bytes for each box and line", name, perPart)
		}
	}
}

// TestNothingOverlaps draws random graphs in both directions: boxes are apart
// and within the drawing, and stand after what leads to them; no line goes
// through a box.
func TestNothingOverlaps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := random(t)
		c, err := newChart(d)
		if err != nil {
			t.Fatal(err)
		}
		c.order()
		f := faces(d)
		for i, depth := range mustDepths(t, d) {
			if depth < d.Boxes[i].Layer {
				t.Fatalf("box %d stands in layer %d, before %d", i, depth, d.Boxes[i].Layer)
			}
		}
		for _, down := range []bool{false, true} {
			l := c.lay(d, f, down)
			for i, r := range l.boxes {
				if r.x-r.w/2 < -1 || r.y-r.h/2 < -1 || r.x+r.w/2 > l.w+1 || r.y+r.h/2 > l.h+1 {
					t.Fatalf("box %d at %v is outside of %v × %v", i, r, l.w, l.h)
				}
				for k, o := range l.boxes[:i] {
					if overlap(r, o) {
						t.Fatalf("boxes %d and %d overlap: %v %v", i, k, r, o)
					}
				}
				for k, o := range l.labels {
					if o.w > 0 && overlap(r, o) {
						t.Fatalf("box %d and the label of line %d overlap: %v %v", i, k, r, o)
					}
				}
			}
			for i, line := range d.Lines {
				from, to := l.boxes[line.From], l.boxes[line.To]
				if !down && from.x+from.w/2 >= to.x-to.w/2 || down && from.y+from.h/2 >= to.y-to.h/2 {
					t.Fatalf("line %d leads back", i)
				}
				path := l.paths[i]
				for k := 1; k+1 < len(path); k += 2 { // straight through a layer
					through := rect{(path[k].x + path[k+1].x) / 2, (path[k].y + path[k+1].y) / 2, path[k+1].x - path[k].x, path[k+1].y - path[k].y}
					for b, r := range l.boxes {
						if overlap(r, through) {
							t.Fatalf("line %d goes through box %d", i, b)
						}
					}
				}
			}
		}
	})
}

func mustDepths(t *rapid.T, d *Drawing) []int {
	depth, err := depths(d)
	if err != nil {
		t.Fatal(err)
	}
	return depth
}

func overlap(a, b rect) bool {
	apart := func(x, w, y, v float64) bool { return x+w/2 <= y-v/2 || y+v/2 <= x-w/2 }
	return !apart(a.x, a.w, b.x, b.w) && !apart(a.y, a.h, b.y, b.h)
}

func random(t *rapid.T) *Drawing {
	d := boxes(rapid.IntRange(1, 25).Draw(t, "boxes"))
	for i := range d.Boxes {
		d.Boxes[i].Layer = rapid.SampledFrom([]int{0, 0, 0, 0, 1, 4}).Draw(t, "layer")
		d.Boxes[i].Needs = rapid.SampledFrom([]string{"", "", "gpu"}).Draw(t, "needs")
	}
	for range rapid.IntRange(0, 40).Draw(t, "lines") {
		to := rapid.IntRange(0, len(d.Boxes)-1).Draw(t, "to")
		if to > 0 {
			from := rapid.IntRange(0, to-1).Draw(t, "from")
			d.Lines = append(d.Lines, Line{From: from, To: to, Label: rapid.SampledFrom([]string{"", "", "[0]", "on error"}).Draw(t, "label")})
		}
	}
	return d
}

// TestCrossings compares the fast count with the plain one, and looks that
// ordering makes it no worse.
func TestCrossings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, err := newChart(random(t))
		if err != nil {
			t.Fatal(err)
		}
		c.walk()
		before := c.crossings()
		plain := 0
		for _, layer := range c.layers {
			for i, a := range layer {
				for _, b := range layer[:i] {
					plain += c.cross(c.nodes[b].down, c.nodes[a].down)
				}
			}
		}
		if before != plain {
			t.Fatalf("%d crossings, counted plainly %d", before, plain)
		}
		for i := range c.layers {
			c.layers[i] = c.layers[i][:0]
		}
		c.order()
		if after := c.crossings(); after > before {
			t.Fatalf("%d crossings before ordering, %d after", before, after)
		}
	})
}

// TestTreeHasNoCrossings orders trees given in a bad order.
func TestTreeHasNoCrossings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := boxes(rapid.IntRange(2, 40).Draw(t, "boxes"))
		for i := 1; i < len(d.Boxes); i++ {
			d.Lines = append(d.Lines, Line{From: rapid.IntRange(0, i-1).Draw(t, "from"), To: i})
		}
		c, err := newChart(d)
		if err != nil {
			t.Fatal(err)
		}
		c.order()
		if n := c.crossings(); n > 0 {
			t.Fatalf("a tree with %d crossings", n)
		}
	})
}

// TestSpaced checks that places keep their distances and that no small move of
// neighbours that touch is better.
func TestSpaced(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		wants := make([]want, n)
		for i := range wants {
			wants[i] = want{rapid.Float64Range(-50, 50).Draw(t, "at"), float64(rapid.IntRange(1, 8).Draw(t, "weight"))}
		}
		room := func(i int) float64 { return float64(5 + i%3) }
		at := spaced(wants, room)
		cost := func(from, to int, by float64) float64 {
			sum := 0.0
			for i := from; i < to; i++ {
				sum += wants[i].weight * (at[i] + by - wants[i].at) * (at[i] + by - wants[i].at)
			}
			return sum
		}
		for i := 1; i < n; i++ {
			if at[i]-at[i-1] < room(i-1)-1e-9 {
				t.Fatalf("%v: %d is too near", at, i)
			}
		}
		for from := range n { // runs that may move down, and those that may move up
			for to := from + 1; to <= n; to++ {
				if (from == 0 || at[from]-at[from-1] > room(from-1)+1e-3) && cost(from, to, -1e-4) < cost(from, to, 0)-1e-9 {
					t.Fatalf("%v: [%d, %d) should stand lower", at, from, to)
				}
				if (to == n || at[to]-at[to-1] > room(to-1)+1e-3) && cost(from, to, 1e-4) < cost(from, to, 0)-1e-9 {
					t.Fatalf("%v: [%d, %d) should stand higher", at, from, to)
				}
			}
		}
	})
}
