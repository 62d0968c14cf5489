package rpc

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// filler sets every field of a value to something that is not zero, each time
// something else.
type filler struct {
	t *testing.T
	n int
}

func (f *filler) fill(v reflect.Value) {
	f.t.Helper()
	f.n++
	switch v.Interface().(type) {
	case ipld.Value:
		v.Set(reflect.ValueOf(ipld.List(ipld.Int(int64(f.n)), ipld.Null, ipld.Float(1))))
		return
	case ipld.Link:
		v.Set(reflect.ValueOf(ipld.LinkOf(ipld.CodecDagCBOR, fmt.Append(nil, f.n))))
		return
	case interface{ Reveal() *engine.JobReport }: // it does not travel
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 1, 2, 3, 4000+f.n, time.Local)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(f.n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		f.t.Fatalf("no value for a %s: teach filler", v.Type())
	}
}

// filled is a T with every field set, and each T with only one of them set.
func filled[T any](t *testing.T) []T {
	t.Helper()
	f := &filler{t: t}
	all := make([]T, 2) // the first is zero
	f.fill(reflect.ValueOf(&all[1]).Elem())
	for i := range reflect.TypeFor[T]().NumField() {
		var one T
		f.fill(reflect.ValueOf(&one).Elem().Field(i))
		all = append(all, one)
	}
	return all
}

// normal is out as outcomes are: with a value or with a failure.
func normal(out *task.Outcome) {
	if out.Failure != nil {
		out.Value = ipld.Null
	}
}

func roundTrip[T any](t *testing.T, all []T, build func(encoder, T) ipld.Value, decode func(ipld.Value) (T, error)) {
	t.Helper()
	for i, want := range all {
		for _, format := range []struct {
			name     string
			appendTo func([]byte, ipld.Value) ([]byte, error)
			decode   func([]byte) (ipld.Value, error)
		}{{"JSON", ipld.AppendJSON, ipld.DecodeJSON}, {"CBOR", ipld.AppendCBOR, ipld.DecodeCBOR}} {
			for _, boxed := range []bool{false, true} {
				data, err := format.appendTo(nil, build(encoder{boxed}, want))
				if err != nil {
					t.Fatalf("%d as %s: %v", i, format.name, err)
				}
				v, err := format.decode(data)
				if err != nil {
					t.Fatal(err)
				}
				got, err := decode(v)
				if err != nil {
					t.Fatalf("%d as %s: %v", i, data, err)
				}
				if diff := cmp.Diff(want, got, equal); diff != "" {
					t.Errorf("%d as %s:\n%s", i, data, diff)
				}
			}
		}
	}
}

// TestRoundTrip finds a field that was added and is not sent.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	t.Run("job", func(t *testing.T) {
		t.Parallel()
		all := filled[engine.JobReport](t)
		all[1].Outcome.Value = ipld.Null
		for i := range all {
			normal(&all[i].Outcome)
		}
		ok := all[1]
		ok.Outcome = task.Outcome{Value: ipld.Map(ipld.Entry{Key: "a", Value: ipld.Bytes([]byte("xyz"))})}
		roundTrip(t, append(all, ok), func(e encoder, j engine.JobReport) ipld.Value { return e.job(&j) }, func(v ipld.Value) (engine.JobReport, error) {
			j, err := decodeJob(v)
			if err != nil {
				return engine.JobReport{}, err
			}
			return *j, nil
		})
	})
	t.Run("event", func(t *testing.T) {
		t.Parallel()
		all := filled[engine.Event](t)
		for i := range all {
			if all[i].Job != nil {
				normal(&all[i].Job.Outcome)
			}
		}
		roundTrip(t, all, encoder.event, decodeEvent)
	})
	t.Run("forecast", func(t *testing.T) {
		t.Parallel()
		all := filled[engine.Forecast](t)
		for i := range all {
			if all[i].Remembered != nil {
				normal(&all[i].Remembered.Outcome)
			}
		}
		roundTrip(t, all, encoder.forecast, decodeForecast)
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		roundTrip(t, filled[task.Failure](t), func(e encoder, f task.Failure) ipld.Value { return e.failure(&f) }, func(v ipld.Value) (task.Failure, error) {
			f, err := decodeFailure(v)
			if err != nil {
				return task.Failure{}, err
			}
			return *f, nil
		})
	})
	t.Run("fault", func(t *testing.T) {
		t.Parallel()
		roundTrip(t, filled[workflow.Fault](t), func(_ encoder, f workflow.Fault) ipld.Value { return encodeFault(f) }, decodeFault)
	})
	t.Run("report", func(t *testing.T) { // its jobs travel in events
		t.Parallel()
		all := filled[engine.Report](t)
		for i := range all {
			all[i].Jobs = nil
		}
		roundTrip(t, all, func(_ encoder, r engine.Report) ipld.Value { return encodeReport(&r) }, func(v ipld.Value) (engine.Report, error) {
			r, err := decodeReport(v)
			if err != nil {
				return engine.Report{}, err
			}
			return *r, nil
		})
	})
}

// nested is a value of the given depth.
func nested(depth int) ipld.Value {
	v := ipld.Int(1)
	for range depth {
		v = ipld.List(v)
	}
	return v
}

// TestValuesWithoutForm shows values that have no form inside of a line.
func TestValuesWithoutForm(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]ipld.Value{
		"looks like a link":  ipld.Map(ipld.Entry{Key: "/", Value: ipld.String("bafy")}),
		"looks like bytes":   ipld.Map(ipld.Entry{Key: "/", Value: ipld.Map(ipld.Entry{Key: "bytes", Value: ipld.String("")})}),
		"as deep as allowed": nested(ipld.MaxDepth),
		"nearly as deep":     nested(ipld.MaxDepth - 3),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, out := range []task.Outcome{{Value: v}, {Failure: &task.Failure{Kind: task.KindGuest, Value: v}}} {
				job := engine.JobReport{Label: "a", Outcome: out}
				line, err := encode(nil, ipld.AppendJSON, func(e encoder) ipld.Value { return e.job(&job) })
				if err != nil {
					t.Fatal(err)
				}
				back, err := ipld.DecodeJSON(line)
				if err != nil {
					t.Fatal(err)
				}
				got, err := decodeJob(back)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(&job, got, equal); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	want := engine.JobReport{
		Label: "a", Log: []engine.LogLine{{Level: "info", Message: "\xff\xfe"}},
		Outcome: task.Outcome{Failure: &task.Failure{Kind: task.KindTrap, Message: "in \x80"}},
	}
	roundTrip(t, []engine.JobReport{want}, func(e encoder, j engine.JobReport) ipld.Value { return e.job(&j) }, func(v ipld.Value) (engine.JobReport, error) {
		j, err := decodeJob(v)
		return *j, err
	})
}

// TestStrict shows maps that decoders refuse.
func TestStrict(t *testing.T) {
	t.Parallel()
	decoders := map[string]func(ipld.Value) error{
		"event":    func(v ipld.Value) error { _, err := decodeEvent(v); return err },
		"job":      func(v ipld.Value) error { _, err := decodeJob(v); return err },
		"report":   func(v ipld.Value) error { _, err := decodeReport(v); return err },
		"forecast": func(v ipld.Value) error { _, err := decodeForecast(v); return err },
		"error":    func(v ipld.Value) error { _, err := decodeError(v); return err },
		"module":   func(v ipld.Value) error { _, _, err := decodeModule(v); return err },
	}
	for _, test := range []struct{ decoder, text, want string }{
		{"event", `[]`, "a list, not a map"},
		{"event", `{"kind": 1}`, "kind: a integer, not text"},
		{"event", `{"kind": "x", "more": 1}`, "1 fields that are not known"},
		{"event", `{"time": "yesterday"}`, "time: parsing time"},
		{"event", `{"seq": -1}`, "seq: a integer, not a whole number"},
		{"event", `{"job": {"label": "a"}}`, "job: out: a null, not a map"},
		{"job", `{"out": {}}`, "not one of ok and error"},
		{"job", `{"out": {"ok": 1, "error": {}}}`, "not one of ok and error"},
		{"job", `{"out": {"ok": 1, "okBlock": {"/": {"bytes": "AQ"}}}}`, "ok: given twice"},
		{"job", `{"out": {"okBlock": {"/": {"bytes": "/w"}}}}`, "okBlock: offset 0"},
		{"job", `{"out": {"ok": 1}, "log": [1]}`, "log: a integer, not a map"},
		{"job", `{"out": {"ok": 1}, "limits": 1}`, "limits: a integer, not a map"},
		{"report", `{"jobs": []}`, "1 fields"},
		{"forecast", `{"remembered": {}}`, "remembered: out"},
		{"forecast", `{"failure": 1}`, "failure: a integer"},
		{"error", `{"message": "x"}`, "kind: there is none"},
		{"error", `{"kind": "faults"}`, "faults: there are none"},
		{"error", `{"kind": "corrupt"}`, "corrupt: a null"},
		{"module", `{}`, "not one of module and failure"},
		{"module", `{"module": {}}`, "not a map of interface"},
	} {
		v, err := ipld.DecodeJSON([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if err := decoders[test.decoder](v); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v, want %s", test.decoder, test.text, err, test.want)
		}
	}
}

// TestErrors shows that callers find on this side what they branch on.
func TestErrors(t *testing.T) {
	t.Parallel()
	cross := func(err error) error {
		data, encErr := ipld.AppendJSON(nil, encodeError(err))
		if encErr != nil {
			t.Fatal(encErr)
		}
		v, decErr := ipld.DecodeJSON(data)
		if decErr != nil {
			t.Fatal(decErr)
		}
		got := remote(v)
		if got.Error() != err.Error() {
			t.Errorf("%q became %q", err, got)
		}
		return got
	}
	for _, k := range kinds {
		if k.name == "closed" {
			if got := cross(fmt.Errorf("in some place: %w", k.err)); !errors.Is(got, ErrGone) {
				t.Errorf("%v is not ErrGone", got)
			}
			continue
		}
		got := cross(fmt.Errorf("in some place: %w", k.err))
		if !errors.Is(got, k.err) || errors.Is(got, ErrGone) {
			t.Errorf("%v is not %v", got, k.err)
		}
	}
	if got := cross(errors.New("the disk is on fire \xff")); errors.Is(got, ErrGone) || errors.Unwrap(got) != nil {
		t.Errorf("%v has a class", got)
	}
	faults := workflow.FaultList(filled[workflow.Fault](t))
	var gotFaults workflow.FaultList
	if got := cross(fmt.Errorf("x: %w", faults)); !errors.As(got, &gotFaults) || cmp.Diff(faults, gotFaults) != "" {
		t.Errorf("faults became %v", got)
	}
	want := &store.CorruptError{Link: ipld.LinkOf(ipld.CodecRaw, nil), Path: "blocks/x", Err: ipld.ErrMismatch, Hint: "run fsck"}
	var c *store.CorruptError
	got := cross(fmt.Errorf("x: %w", want))
	if !errors.As(got, &c) || c.Link != want.Link || c.Path != want.Path || c.Hint != want.Hint || c.Error() != want.Error() || !errors.Is(c, ipld.ErrMismatch) {
		t.Errorf("corrupt became %v", got)
	}
}

func TestSubmission(t *testing.T) {
	t.Parallel()
	block := ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, []byte("abc")), Data: []byte("abc")}
	want := submission{
		workflow: []byte{1, 2}, blocks: []ipld.Block{block}, keepGoing: true, priority: engine.Low, authority: []byte("tokens"), brings: []ipld.Link{block.Link},
		instructions: map[string]ipld.Link{"0": block.Link},
	}
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeSubmission(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal, cmp.AllowUnexported(submission{})); diff != "" {
		t.Error(diff)
	}
	want.blocks[0].Data = []byte("abd")
	if data, err = want.encode(); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeSubmission(data); !errors.Is(err, ipld.ErrMismatch) {
		t.Errorf("a wrong block: %v", err)
	}
	for _, v := range []ipld.Value{
		ipld.Null,
		ipld.Map(ipld.Entry{Key: "workflow", Value: ipld.String("x")}),
		ipld.Map(ipld.Entry{Key: "x", Value: ipld.Null}),
		ipld.Map(ipld.Entry{Key: "instructions", Value: ipld.List()}),
		ipld.Map(ipld.Entry{Key: "instructions", Value: ipld.Map()}),
		ipld.Map(ipld.Entry{Key: "instructions", Value: ipld.Map(ipld.Entry{Key: "0", Value: ipld.Null})}),
		ipld.Map(ipld.Entry{Key: "blocks", Value: ipld.List(ipld.Null)}),
		ipld.Map(ipld.Entry{Key: "blocks", Value: ipld.List(ipld.List(ipld.Null, ipld.Bytes(nil)))}),
		ipld.Map(ipld.Entry{Key: "blocks", Value: ipld.List(ipld.List(ipld.LinkValue(block.Link), ipld.Null))}),
	} {
		data, err := ipld.AppendCBOR(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeSubmission(data); err == nil {
			t.Errorf("%v is accepted", v)
		}
	}
}

// What looks like a credential was judged where the document was read.
func TestWorkflowWithWhatLooksLikeACredential(t *testing.T) {
	t.Parallel()
	const text = "a: {with: bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu, args: [glpat-abcdefghij0123456789]}\n"
	w, err := workflow.Parse(workflow.Source{Data: []byte(text), Format: workflow.YAML, AllowCredentials: true})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseWorkflow(g.Normal().Data, nil); err != nil {
		t.Error(err)
	}
}

// A refusal comes with the node's signed word for it, and only a refusal does.
func TestDeniedError(t *testing.T) {
	t.Parallel()
	over := func(err error) error {
		remote, err := decodeError(encodeError(err))
		if err != nil {
			t.Fatal(err)
		}
		return remote
	}
	var denied *DeniedError
	err := over(&DeniedError{Err: fmt.Errorf("%w: no", ErrDenied), Denial: []byte("signed")})
	if !errors.Is(err, ErrDenied) || !errors.As(err, &denied) || string(denied.Denial) != "signed" || err.Error() != ErrDenied.Error()+": no" {
		t.Errorf("%v, %+v", err, denied)
	}
	if err := over(ErrDenied); errors.As(err, &denied) || !errors.Is(err, ErrDenied) {
		t.Errorf("without: %v", err)
	}
}
