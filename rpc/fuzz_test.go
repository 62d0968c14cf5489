package rpc

import (
	"bufio"
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// FuzzStream feeds what a node may say to everything that reads it: it is
// refused, or means the same when it is said again.
func FuzzStream(f *testing.F) {
	job := engine.JobReport{Label: "a", Outcome: task.Outcome{Failure: &task.Failure{Kind: task.KindTrap, Trap: "unreachable"}}, Log: []engine.LogLine{{Level: "info"}}}
	event := engine.Event{Kind: engine.JobSettled, Seq: 1, Workflow: ipld.LinkOf(ipld.CodecRaw, nil), Job: &job}
	forecast := engine.Forecast{Label: "a", Known: true, Awaits: job.Task, Remembered: &job, Failure: job.Outcome.Failure, Call: &task.Call{Func: "f"}}
	for _, frames := range []bool{false, true} {
		s := sender{frames: frames}
		for key, build := range map[string]func(encoder) ipld.Value{
			"event":    func(e encoder) ipld.Value { return e.event(event) },
			"forecast": func(e encoder) ipld.Value { return e.forecast(forecast) },
			"report":   func(encoder) ipld.Value { return encodeReport(&engine.Report{Status: engine.StatusOK}) },
			"error":    func(encoder) ipld.Value { return encodeError(ErrBusy) },
		} {
			data, err := s.encode(func(e encoder) ipld.Value { return ipld.Map(ipld.Entry{Key: key, Value: build(e)}) })
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, frames)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, frames bool) {
		in := receiver{r: bufio.NewReaderSize(bytes.NewReader(data), 16), frames: frames}
		for {
			item, err := in.next()
			if err != nil {
				return
			}
			switch item.Key {
			case "event":
				again(t, item.Value, decodeEvent, encoder.event)
			case "forecast":
				again(t, item.Value, decodeForecast, encoder.forecast)
			case "report":
				again(t, item.Value, decodeReport, func(_ encoder, r *engine.Report) ipld.Value { return encodeReport(r) })
			case "error":
				if remote, err := decodeError(item.Value); err == nil && remote.Error() != "" && errors.Is(remote, ErrGone) {
					again(t, item.Value, func(v ipld.Value) (string, error) {
						err, bad := decodeError(v)
						if bad != nil {
							return "", bad
						}
						return err.Error(), nil
					}, func(_ encoder, s string) ipld.Value { return encodeError(remote) })
				}
			}
		}
	})
}

func again[T any](t *testing.T, v ipld.Value, decode func(ipld.Value) (T, error), build func(encoder, T) ipld.Value) {
	t.Helper()
	first, err := decode(v)
	if err != nil {
		return
	}
	data, err := encode(nil, ipld.AppendJSON, func(e encoder) ipld.Value { return build(e, first) })
	if err != nil {
		t.Fatalf("%+v has no encoding: %v", first, err)
	}
	v, err = ipld.DecodeJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	second, err := decode(v)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if diff := cmp.Diff(first, second, equal); diff != "" {
		t.Errorf("%s:\n%s", data, diff)
	}
}

// FuzzSubmission feeds what a client may hand over.
func FuzzSubmission(f *testing.F) {
	block := ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, []byte("abc")), Data: []byte("abc")}
	for _, s := range []submission{{}, {workflow: []byte("w"), keepGoing: true}, {blocks: []ipld.Block{block}, brings: []ipld.Link{block.Link}}, {instructions: map[string]ipld.Link{"0": block.Link}}} {
		data, err := s.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := decodeSubmission(data)
		if err != nil {
			return
		}
		_, _ = parseWorkflow(first.workflow, first.instructions)
		if data, err = first.encode(); err != nil {
			t.Fatal(err)
		}
		second, err := decodeSubmission(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, equal, cmp.AllowUnexported(submission{})); diff != "" {
			t.Error(diff)
		}
	})
}
