//go:build unix && cgo

package crashtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// document is a workflow that a test has made.
type document struct {
	jobs map[string]any
	// needs are the labels whose results a job takes.
	needs map[string][]string
}

func newDocument() *document {
	return &document{jobs: make(map[string]any), needs: make(map[string][]string)}
}

var (
	addOne     = filepath.Join(root, "examples/add-one/add-one.wasm")
	arithmetic = filepath.Join(root, "examples/fan/arithmetic.wasm")
	images     = filepath.Join(root, "examples/thumbnail/image.wasm")
	picture    = noise()
)

// noise is a small picture that no encoding makes smaller, in the words of a
// document.
func noise() any {
	rng := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, 240, 200))
	for i := range m.Pix {
		m.Pix[i] = byte(rng.Uint32()) | 0x0f*byte(i&1)
		if i%4 == 3 {
			m.Pix[i] = 0xff
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return map[string]any{"/": map[string]any{"bytes": base64.RawStdEncoding.EncodeToString(b.Bytes())}}
}

// from is a promise, as an argument of add.
type from string

// add adds a job; arguments of type from are promises.
func (d *document) add(label, with, fun string, args ...any) from {
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = d.arg(label, a)
	}
	job := map[string]any{"with": with, "args": list}
	if fun != "" {
		job["func"] = fun
	}
	d.jobs[label] = job
	return from(label)
}

func (d *document) arg(label string, a any) any {
	switch a := a.(type) {
	case from:
		d.needs[label] = append(d.needs[label], string(a))
		return map[string]any{"from": string(a)}
	case []from:
		list := make([]any, len(a))
		for i := range a {
			list[i] = d.arg(label, a[i])
		}
		return list
	}
	return a
}

// write writes the document to a file of its own.
func (d *document) write(t *testing.T) string {
	t.Helper()
	data, err := json.MarshalIndent(map[string]any{"jobs": d.jobs}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(t.TempDir(), "workflow-*.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// chain adds n jobs, each of which adds one to what the last came to. It begins
// with a number that no other document has.
func (d *document) chain(name string, rng *rand.Rand, n int) {
	last := d.add(name, arithmetic, "add", rng.Int64N(1<<28), rng.Int64N(1<<28))
	for i := range n {
		last = d.add(fmt.Sprintf("%s-%d", name, i), addOne, "", last)
	}
}

// fan adds n jobs that wait for nothing and one that waits for them all.
func (d *document) fan(name string, rng *rand.Rand, n int) {
	var all []from
	for i := range n {
		all = append(all, d.add(fmt.Sprintf("%s-%d", name, i), arithmetic, "square", rng.Int64N(1<<28)))
	}
	d.add(name, arithmetic, "sum", all)
}

// mesh adds n jobs that each add up two earlier ones, and now and then one that
// asks for the same as another.
func (d *document) mesh(name string, rng *rand.Rand, n int) {
	all := []from{
		d.add(name+"-a", arithmetic, "add", rng.Int64N(1<<16), 1),
		d.add(name+"-b", arithmetic, "add", rng.Int64N(1<<16), 2),
	}
	for i := range min(n, 40) { // sums double at most
		a, b := all[max(0, len(all)-1-rng.IntN(6))], all[max(0, len(all)-1-rng.IntN(6))]
		all = append(all, d.add(fmt.Sprintf("%s-%d", name, i), arithmetic, "add", a, b))
		if i%5 == 0 {
			d.add(fmt.Sprintf("%s-%d-twin", name, i), arithmetic, "add", a, b)
		}
	}
}

// large adds n jobs whose results are files of the store.
func (d *document) large(name string, rng *rand.Rand, n int) {
	last := d.add(name, images, "crop", picture, rng.IntN(20), rng.IntN(20), 180+rng.IntN(40), 160+rng.IntN(20))
	for i := range n - 1 {
		last = d.add(fmt.Sprintf("%s-%d", name, i), images, "rotate", last, 1+i%3)
	}
}

// mixed is a document of every kind of job.
func mixed(rng *rand.Rand, withLarge bool) *document {
	d := newDocument()
	d.chain("chain", rng, 20+rng.IntN(60))
	d.fan("fan", rng, 5+rng.IntN(30))
	d.mesh("mesh", rng, 10+rng.IntN(30))
	if withLarge {
		d.large("large", rng, 2)
	}
	return d
}
