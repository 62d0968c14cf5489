package rpc

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// This file is what both sides know of running the task of a receipt again.

func (r *request) rerun() error {
	data, err := r.read(maxReceipt + 64)
	if err != nil {
		return err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return badRequest("rerun", err)
	}
	f := fieldsOf(v)
	limit := time.Duration(f.int("limit"))
	signed, err := receipt.Parse(f.bytes("receipt"))
	f.fail("receipt", err)
	if err := f.end(); err != nil {
		return badRequest("rerun", err)
	}
	a, err := r.server.backend.Rerun(r.Context(), signed, limit)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, encodeAgain(a))
}

// Rerun has the other process run the task of a receipt again. See [Backend.Rerun].
func (c *Client) Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error) {
	var o object
	o.value("receipt", ipld.Bytes(r.Bytes()))
	o.int("limit", int64(limit))
	body, err := ipld.AppendCBOR(nil, o.done())
	if err != nil {
		return engine.Again{}, err
	}
	data, err := c.ask(ctx, http.MethodPost, "/v1/rerun", body, maxValue)
	if err != nil {
		return engine.Again{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return engine.Again{}, fmt.Errorf("%w: rerun: %w", errAnswer, err)
	}
	a, err := decodeAgain(v)
	if err != nil {
		return a, fmt.Errorf("%w: rerun: %w", errAnswer, err)
	}
	return a, nil
}

// encodeAgain is a without what only its node needs; what it came to is there
// where that is different.
func encodeAgain(a engine.Again) ipld.Value {
	var o object
	o.text("verdict", string(a.Verdict))
	o.text("why", a.Why)
	o.link("kept", a.Kept)
	if a.Verdict == engine.Different {
		now := &a.Now
		o.link("task", now.Task.Link)
		o.value("out", encoder{}.outcome(now.Out))
		o.link("boxed", now.Boxed)
		o.uint("gas", now.Gas)
		o.uint("gasLimit", now.Limits.Gas)
		o.uint("memoryLimit", now.Limits.Memory)
		o.text("schedule", now.Schedule)
	}
	return o.done()
}

func decodeAgain(v ipld.Value) (a engine.Again, err error) {
	f := fieldsOf(v)
	a.Verdict, a.Why, a.Kept = engine.Verdict(f.text("verdict")), f.text("why"), f.link("kept")
	switch a.Verdict {
	case engine.Same, engine.Unclear, engine.Forged:
	case engine.Different:
		out, _ := f.value("out")
		a.Now.Out, err = decodeOutcome(out)
		f.fail("out", err)
		a.Now.Task, a.Now.Boxed = task.ID{Link: f.link("task")}, f.link("boxed")
		a.Now.Gas, a.Now.Schedule = f.uint("gas"), f.text("schedule")
		a.Now.Limits = task.Limits{Gas: f.uint("gasLimit"), Memory: f.uint("memoryLimit")}
	default:
		f.fail("verdict", fmt.Errorf("%q is none", a.Verdict))
	}
	return a, f.end()
}
