//go:build cgo

package wasm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

const (
	vectorsDir  = "../testdata/determinism"
	vectorsFile = vectorsDir + "/vectors.json"
)

// vectors is testdata/determinism/vectors.json; the README beside it says what
// each field means.
type vectors struct {
	Schedule string   `json:"schedule"`
	Vectors  []vector `json:"vectors"`
}

// vector is one call and what must come of it.
type vector struct {
	Name   string            `json:"name"`
	Note   string            `json:"note,omitempty"`
	Module string            `json:"module"`
	CID    string            `json:"cid"`
	Func   string            `json:"func"`
	Params []json.RawMessage `json:"params"`
	Limits vectorLimits      `json:"limits"`
	Out    json.RawMessage   `json:"out"`
	// Gas is nil where it depends on the machine.
	Gas *uint64 `json:"gas"`
}

type vectorLimits struct {
	Gas    uint64 `json:"gas"`
	Memory uint64 `json:"memory"`
}

func readVectors(tb testing.TB) []vector {
	tb.Helper()
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		tb.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var all vectors
	if err := d.Decode(&all); err != nil {
		tb.Fatal(err)
	}
	if all.Schedule != Schedule || len(all.Vectors) == 0 {
		tb.Fatalf("%d vectors of schedule %s", len(all.Vectors), all.Schedule)
	}
	return all.Vectors
}

// TestDeterminism runs every vector in every way in which this engine can run
// it. Outcome and gas must be those in the file, on every machine.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the vectors are being rewritten")
	}
	all := readVectors(t)
	t.Run("cold", func(t *testing.T) { // the first call of an engine
		t.Parallel()
		cache := t.TempDir()
		for _, v := range all {
			func() {
				e, err := New(Config{Calls: 1, CacheDir: cache, OnDemand: true})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				newVectorRun(t, e, []vector{v}).check(t, v)
			}()
		}
	})
	t.Run("pooled", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t, Config{Calls: 1})
		inTurn(t, e, all)
		if !e.Doctor().Pooled && !raceEnabled {
			t.Error("there is no pool: ", e.Doctor().Why)
		}
	})
	t.Run("pooled-at-once", func(t *testing.T) {
		t.Parallel()
		atOnce(t, newEngine(t, Config{Calls: 4}), all)
	})
	t.Run("on-demand", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t, Config{Calls: 1, OnDemand: true})
		inTurn(t, e, all)
		if e.Doctor().Pooled {
			t.Error("there is a pool")
		}
	})
	t.Run("component-model", func(t *testing.T) { // of the engine, instead of ours
		t.Parallel()
		e := newEngine(t, Config{Calls: 1})
		e.modelOnly = true
		inTurn(t, e, all)
	})
	t.Run("on-demand-at-once", func(t *testing.T) {
		t.Parallel()
		atOnce(t, newEngine(t, Config{Calls: 4, OnDemand: true}), all)
	})
}

// TestDeterminismWithoutFMA runs the vectors as on an amd64 processor that has no
// fused multiply and add.
func TestDeterminismWithoutFMA(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		return // every other one has it
	}
	if os.Getenv("GODEBUG") == withoutFMA {
		if canonicalRelaxed() {
			t.Error("there is FMA")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.short", "-test.run", "^TestDeterminism$/^on-demand$|^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "GODEBUG="+withoutFMA)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestDeterminism/on-demand/relaxed-simd")) {
		t.Errorf("%v:\n%s", err, cut(string(out), 4000))
	}
}

const withoutFMA = "cpu.fma=off"

// inTurn runs all vectors twice, one after the other. Before those that could
// tell, the guest dirty leaves its memories and tables full.
func inTurn(t *testing.T, e *Engine, all []vector) {
	r := newVectorRun(t, e, all)
	dirty := load(t, e, guest(t, "dirty"))
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for len(all) > 0 {
		name := all[0].Module
		n := slices.IndexFunc(all, func(v vector) bool { return v.Module != name })
		if n < 0 {
			n = len(all)
		}
		cases := slices.Repeat(all[:n], rounds)
		all = all[n:]
		t.Run(strings.TrimSuffix(name, ".wasm"), func(t *testing.T) {
			for _, v := range cases {
				if strings.HasPrefix(name, "memory") || strings.HasPrefix(name, "table") {
					if got := run(t, dirty, roomy, "dirty"); kindOf(got) != "ok" {
						t.Fatalf("dirty: %v", got.Outcome.Failure)
					}
				}
				r.check(t, v)
			}
		})
	}
}

// atOnce runs all vectors on four goroutines, each beginning elsewhere.
func atOnce(t *testing.T, e *Engine, all []vector) {
	r := newVectorRun(t, e, all)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			from := i * len(all) / 4
			for _, v := range slices.Concat(all[from:], all[:from]) {
				r.check(t, v)
			}
		})
	}
	wg.Wait()
}

// vectorRun holds the modules of the vectors on one engine.
type vectorRun struct {
	e     *Engine
	codes map[string][]byte

	mu      sync.Mutex
	modules map[string]*Module
}

// newVectorRun reads the modules; each is loaded when it is first needed.
func newVectorRun(tb testing.TB, e *Engine, all []vector) *vectorRun {
	tb.Helper()
	r := &vectorRun{e: e, codes: make(map[string][]byte), modules: make(map[string]*Module)}
	for _, v := range all {
		if r.codes[v.Module] != nil {
			continue
		}
		code, err := os.ReadFile(filepath.Join(vectorsDir, v.Module))
		if err != nil {
			tb.Fatal(err)
		}
		if link := ipld.LinkOf(ipld.CodecRaw, code); link.String() != v.CID {
			tb.Fatalf("%s is %s, the vectors are about %s", v.Module, link, v.CID)
		}
		r.codes[v.Module] = code
	}
	return r
}

func (r *vectorRun) module(tb testing.TB, name string) (*Module, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.modules[name]; m != nil {
		return m, nil
	}
	m, err := r.e.Load(tb.Context(), ipld.Link{}, r.codes[name])
	if err == nil {
		r.modules[name] = m
	}
	return m, err
}

// call runs v and returns the outcome as receipts have it, and the gas where
// that is the same for everyone.
func (r *vectorRun) call(tb testing.TB, v vector) (out string, gas *uint64, err error) {
	m, err := r.module(tb, v.Module)
	if err != nil {
		return "", nil, err
	}
	c := Call{Func: v.Func, Limits: task.Limits{Gas: v.Limits.Gas, Memory: v.Limits.Memory, Time: 5 * time.Minute}}
	for _, p := range v.Params {
		param, err := ipld.DecodeJSON(p)
		if err != nil {
			return "", nil, err
		}
		c.Params = append(c.Params, param)
	}
	res, err := m.Run(tb.Context(), c)
	if err != nil {
		return "", nil, err
	}
	if !res.StackExhausted {
		gas = &res.Gas
	}
	return res.Outcome.IPLD().String(), gas, nil
}

// relaxedModule is the one that a processor without FMA does not run: this
// engine would not make its NaNs canonical there.
const relaxedModule = "relaxed-simd.wasm"

func (r *vectorRun) check(tb testing.TB, v vector) {
	out, gas, err := r.call(tb, v)
	if v.Module == relaxedModule && !canonicalRelaxed() {
		var refused *Refused
		if !errors.As(err, &refused) || refused.Failure.Kind != task.KindUnsupported {
			tb.Errorf("%s: got %s, %v, want it unsupported without FMA", v.Name, out, err)
		}
		return
	}
	if err != nil {
		tb.Errorf("%s: %v", v.Name, err)
		return
	}
	var want bytes.Buffer
	if err := json.Compact(&want, v.Out); err != nil {
		tb.Errorf("%s: %v", v.Name, err)
		return
	}
	if out != want.String() {
		tb.Errorf("%s: got %s, want %s", v.Name, out, &want)
	}
	if diff := cmp.Diff(v.Gas, gas); diff != "" {
		tb.Errorf("%s: gas (-want +got):\n%s", v.Name, diff)
	}
}

// TestDeterminismSources holds the vectors and modules against the texts that
// they are made from, in which a person wrote down what must come of each call.
func TestDeterminismSources(t *testing.T) {
	t.Parallel()
	cases := readCases(t)
	if *update {
		if runtime.GOARCH != "amd64" {
			t.Fatal("the vectors are written on amd64, and checked elsewhere")
		}
		writeVectors(t, cases)
		return
	}
	all := readVectors(t)
	for i, c := range cases {
		if i == len(all) {
			t.Fatalf("%d cases, %d vectors", len(cases), len(all))
		}
		v := all[i]
		v.Gas = nil
		var out bytes.Buffer
		if err := json.Compact(&out, v.Out); err != nil {
			t.Fatal(err)
		}
		v.Out = out.Bytes()
		c.vector.CID = v.CID
		if diff := cmp.Diff(c.vector, v); diff != "" {
			t.Errorf("%s:%d (-source +vector):\n%s", c.file, c.line, diff)
		}
	}
	if len(all) > len(cases) {
		t.Errorf("%d cases, %d vectors", len(cases), len(all))
	}
	for _, file := range sources(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code, err := os.ReadFile(moduleOf(file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(code, wasmtest.Compile(t, string(text))) {
			t.Errorf("%s is not what %s gives", moduleOf(file), file)
		}
	}
}

// writeVectors compiles the sources and runs the cases. What a case says must
// come of it is not rewritten.
func writeVectors(t *testing.T, cases []sourceCase) {
	cids := make(map[string]string)
	for _, file := range sources(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := wasmtest.Compile(t, string(text))
		if err := os.WriteFile(moduleOf(file), code, 0o644); err != nil {
			t.Fatal(err)
		}
		cids[filepath.Base(moduleOf(file))] = ipld.LinkOf(ipld.CodecRaw, code).String()
	}
	all := vectors{Schedule: Schedule}
	for _, c := range cases {
		c.vector.CID = cids[c.vector.Module]
		all.Vectors = append(all.Vectors, c.vector)
	}
	r := newVectorRun(t, newEngine(t, Config{Calls: 1}), all.Vectors)
	for i := range all.Vectors {
		v := &all.Vectors[i]
		out, gas, err := r.call(t, *v)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if out != string(v.Out) {
			t.Errorf("%s:%d: %s: got %s, want %s", cases[i].file, cases[i].line, v.Name, out, v.Out)
		}
		v.Gas = gas
	}
	if t.Failed() {
		return
	}
	// One line for each vector.
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"schedule\": %q, \"vectors\": [\n", all.Schedule)
	for i, v := range all.Vectors {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if i < len(all.Vectors)-1 {
			b.Truncate(b.Len() - 1)
			b.WriteString(",\n")
		}
	}
	b.WriteString("]}\n")
	if err := os.WriteFile(vectorsFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sources(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(vectorsDir + "/*.wat")
	if err != nil || len(files) == 0 {
		tb.Fatalf("%d sources, %v", len(files), err)
	}
	return files
}

func moduleOf(source string) string { return strings.TrimSuffix(source, ".wat") + ".wasm" }

// sourceCase is a line ";;= …" of a source: a vector without CID and gas.
type sourceCase struct {
	file   string
	line   int
	vector vector
}

// caseLine is
//
//	;;= func(params) gas N memory N MiB = outcome -- note
//
// without the parameters: these end with the last parenthesis before the rest.
var caseLine = regexp.MustCompile(`^;;= (([a-z0-9-]+)\((.*?)\)((?: gas \d+)?)((?: memory \d+ MiB)?)) = (.*?)(?: -- (.*))?$`)

func readCases(tb testing.TB) []sourceCase {
	tb.Helper()
	var all []sourceCase
	seen := make(map[string]bool)
	for _, file := range sources(tb) {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, ";;=") {
				continue
			}
			v, err := parseCase(line)
			if err != nil {
				tb.Fatalf("%s:%d: %v", file, n, err)
			}
			v.Module = filepath.Base(moduleOf(file))
			v.Name = strings.TrimSuffix(v.Module, ".wasm") + ": " + v.Name
			if seen[v.Name] {
				tb.Errorf("%s:%d: %s is there twice", file, n, v.Name)
			}
			seen[v.Name] = true
			all = append(all, sourceCase{file, n, v})
		}
	}
	return all
}

func parseCase(line string) (vector, error) {
	m := caseLine.FindStringSubmatch(line)
	if m == nil {
		return vector{}, fmt.Errorf("not a case: %s", line)
	}
	v := vector{Name: m[1], Func: m[2], Note: m[7], Params: []json.RawMessage{}, Limits: vectorLimits{Gas: 1_000_000_000, Memory: 64 << 20}}
	params, err := parseValue("[" + m[3] + "]")
	if err != nil {
		return v, err
	}
	for _, p := range params.Elems() {
		v.Params = append(v.Params, json.RawMessage(p.String()))
	}
	if s, ok := strings.CutPrefix(m[4], " gas "); ok {
		if v.Limits.Gas, err = strconv.ParseUint(s, 10, 64); err != nil {
			return v, err
		}
	}
	if s, ok := strings.CutPrefix(m[5], " memory "); ok {
		mib, err := strconv.ParseUint(strings.TrimSuffix(s, " MiB"), 10, 32)
		if err != nil {
			return v, err
		}
		v.Limits.Memory = mib << 20
	}
	out, err := parseOutcome(m[6])
	v.Out = json.RawMessage(out.IPLD().String())
	return v, err
}

// parseOutcome reads a value, "trap CODE", "error VALUE" or a kind of failure.
func parseOutcome(text string) (task.Outcome, error) {
	if code, ok := strings.CutPrefix(text, "trap "); ok {
		return task.Outcome{Failure: &task.Failure{Kind: task.KindTrap, Trap: code}}, nil
	}
	if s, ok := strings.CutPrefix(text, "error "); ok {
		v, err := parseValue(s)
		return task.Outcome{Failure: &task.Failure{Kind: task.KindGuest, Value: v}}, err
	}
	switch kind := task.Kind(text); kind {
	case task.KindOutOfGas, task.KindOutOfMemory, task.KindType:
		return task.Outcome{Failure: &task.Failure{Kind: kind}}, nil
	}
	v, err := parseValue(text)
	return task.Outcome{Value: v}, err
}

var (
	hexLanes  = regexp.MustCompile(`(i8x16|i16x8|i32x4|i64x2)\(([0-9a-f ]*)\)`)
	hexNumber = regexp.MustCompile(`0x[0-9a-f]+`)
)

// parseValue reads DAG-JSON in which integers may be written as 0x1f, and a
// vector, which is the pair of its halves, as i16x8(0 1 2 3 4 5 6 7), the lanes
// in hexadecimal.
func parseValue(text string) (ipld.Value, error) {
	var fault error
	text = hexLanes.ReplaceAllStringFunc(text, func(s string) string {
		m := hexLanes.FindStringSubmatch(s)
		shape, lanes := m[1], strings.Fields(m[2])
		bits, count, _ := strings.Cut(shape[1:], "x")
		width, _ := strconv.Atoi(bits)
		if strconv.Itoa(len(lanes)) != count {
			fault = fmt.Errorf("%s: %d lanes", s, len(lanes))
			return s
		}
		var halves [2]uint64
		for i, lane := range lanes {
			x, err := strconv.ParseUint(lane, 16, width)
			if err != nil {
				fault = fmt.Errorf("%s: %w", s, err)
				return s
			}
			at := i * width
			halves[at/64] |= x << (at % 64)
		}
		return fmt.Sprintf("[%d,%d]", halves[0], halves[1])
	})
	text = hexNumber.ReplaceAllStringFunc(text, func(s string) string {
		x, err := strconv.ParseUint(s[2:], 16, 64)
		if err != nil {
			fault = err
		}
		return strconv.FormatUint(x, 10)
	})
	if fault != nil {
		return ipld.Value{}, fault
	}
	return ipld.DecodeJSON([]byte(text))
}
