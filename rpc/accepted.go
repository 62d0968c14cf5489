package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// This file is what both sides know of accepted runs: the paths under /v1/runs.

func runPath(id runs.ID, more string) string {
	path := "/v1/runs/" + id.Workflow.String() + more
	if id.For != "" {
		path += "?for=" + url.QueryEscape(string(id.For))
	}
	return path
}

// runID is the ID that the path and the query of r name.
func (r *request) runID() (id runs.ID, err error) {
	if id.Workflow, err = r.link("cid"); err != nil {
		return id, err
	}
	id.For, err = principal(r.URL.Query().Get("for"))
	return id, err
}

// principal reads on whose behalf a run is.
func principal(text string) (did.DID, error) {
	if text == "" || did.DID(text) == engine.Anyone {
		return did.DID(text), nil
	}
	who, err := did.Parse(text)
	if err != nil {
		return "", badRequest("for", err)
	}
	return who, nil
}

func (r *request) accept() error {
	s, g, err := r.submitted()
	if err != nil {
		return err
	}
	if len(s.blocks) > 0 {
		if err := r.server.backend.PutBlocks(context.WithoutCancel(r.Context()), s.blocks); err != nil {
			return err
		}
	}
	return r.answerRun(r.server.backend.Submit(r.Context(), g, runs.Options{
		KeepGoing: s.keepGoing, Priority: s.priority, Authority: s.authority, Brings: s.brings, Unsigned: s.unsigned, Suspended: s.suspended,
	}))
}

func (r *request) submission() error {
	id, err := r.runID()
	if err != nil {
		return err
	}
	s, err := r.server.backend.Submission(r.Context(), id)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, s.Value())
}

// Submission returns an accepted run with what it was submitted with.
func (c *Client) Submission(ctx context.Context, id runs.ID) (runs.Submission, error) {
	data, err := c.fetch(ctx, runPath(id, "/given"), maxValue)
	if err != nil {
		return runs.Submission{}, err
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxValue})
	if err != nil {
		return runs.Submission{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	s, err := runs.ParseSubmission(v)
	if err != nil {
		return s, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return s, nil
}

// Submit has the other process accept a workflow.
func (c *Client) Submit(ctx context.Context, g *graph.Graph, o runs.Options) (runs.Run, error) {
	blocks := g.Blocks()
	if size(blocks) > putBytes {
		if err := c.PutBlocks(context.WithoutCancel(ctx), blocks); err != nil {
			return runs.Run{}, err
		}
		blocks = nil
	}
	body, err := submission{
		blocks: blocks, keepGoing: o.KeepGoing, priority: o.Priority, authority: o.Authority, brings: o.Brings, unsigned: o.Unsigned, suspended: o.Suspended,
	}.of(g)
	if err != nil {
		return runs.Run{}, err
	}
	return c.run(ctx, http.MethodPost, "/v1/runs", body)
}

func (r *request) answerRun(run runs.Run, err error) error {
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, run.Value())
}

// run asks for something that is answered with a run.
func (c *Client) run(ctx context.Context, method, path string, body []byte) (runs.Run, error) {
	data, err := c.ask(ctx, method, path, body, maxValue)
	if err != nil {
		return runs.Run{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return runs.Run{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	run, err := runs.ParseRun(v)
	if err != nil {
		return run, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return run, nil
}

func (r *request) runOf() error {
	id, err := r.runID()
	if err != nil {
		return err
	}
	return r.answerRun(r.server.backend.RunOf(r.Context(), id))
}

// RunOf returns how an accepted run stands.
func (c *Client) RunOf(ctx context.Context, id runs.ID) (runs.Run, error) {
	return c.run(ctx, http.MethodGet, runPath(id, ""), nil)
}

func (r *request) direct() error {
	id, err := r.runID()
	if err != nil {
		return err
	}
	what := Direction(r.PathValue("what"))
	switch what {
	case Suspend, Resume, Cancel, HandOver:
	default:
		return fmt.Errorf("%w: a run can not be directed to %q", ErrRequest, what)
	}
	return r.answerRun(r.server.backend.Direct(r.Context(), id, what))
}

// Direct suspends, resumes or cancels an accepted run.
func (c *Client) Direct(ctx context.Context, id runs.ID, what Direction) (runs.Run, error) {
	return c.run(ctx, http.MethodPost, runPath(id, "/"+string(what)), nil)
}

func (r *request) runs() error {
	asked := r.URL.Query()
	q := runs.Query{Unfinished: asked.Has("unfinished")}
	var err error
	if q.After, err = runs.ParsePlace(asked.Get("after")); err != nil {
		return badRequest("after", err)
	}
	if asked.Has("for") {
		who, err := principal(asked.Get("for"))
		if err != nil {
			return err
		}
		q.For = &who
	}
	return r.each("run", func(send func(ipld.Value) bool) error {
		return r.server.backend.Runs(r.Context(), q, func(run runs.Run) bool { return send(run.Value()) })
	})
}

// Runs calls yield with accepted runs, the latest first.
func (c *Client) Runs(ctx context.Context, q runs.Query, yield func(runs.Run) bool) error {
	path := "/v1/runs?after=" + url.QueryEscape(q.After.String())
	if q.Unfinished {
		path += "&unfinished"
	}
	if q.For != nil {
		path += "&for=" + url.QueryEscape(string(*q.For))
	}
	return listOf(ctx, c, path, "run", runs.ParseRun, yield)
}

func (r *request) jobsOf() error {
	id, err := r.runID()
	if err != nil {
		return err
	}
	jobs, err := r.server.backend.JobsOf(r.Context(), id)
	if err != nil {
		return err
	}
	return r.each("job", func(send func(ipld.Value) bool) error {
		for i := range jobs {
			if !send(jobs[i].Value()) {
				break
			}
		}
		return nil
	})
}

// JobsOf returns what the jobs of an accepted run came to.
func (c *Client) JobsOf(ctx context.Context, id runs.ID) (jobs []runs.Job, err error) {
	err = listOf(ctx, c, runPath(id, "/jobs"), "job", runs.ParseJob, func(j runs.Job) bool {
		jobs = append(jobs, j)
		return true
	})
	return jobs, err
}

func (r *request) watch() error {
	id, err := r.runID()
	if err != nil {
		return err
	}
	var after runs.Position
	q := r.URL.Query()
	for _, p := range []struct {
		key string
		to  *uint64
	}{{"attempt", &after.Attempt}, {"seq", &after.Seq}} {
		if text := q.Get(p.key); text != "" {
			if *p.to, err = strconv.ParseUint(text, 10, 64); err != nil {
				return badRequest(p.key, err)
			}
		}
	}
	return r.each("event", func(send func(ipld.Value) bool) error {
		return r.server.backend.Watch(r.Context(), id, after, func(ev runs.Event) bool { return send(ev.Value()) })
	})
}

// Watch tells the events of an accepted run.
func (c *Client) Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error {
	path := runPath(id, "/events")
	mark := "?"
	if id.For != "" {
		mark = "&"
	}
	path += fmt.Sprintf("%sattempt=%d&seq=%d", mark, after.Attempt, after.Seq)
	return listOf(ctx, c, path, "event", runs.ParseEvent, yield)
}

// each answers with a stream of what list sends, one item under key for each.
func (r *request) each(key string, list func(send func(ipld.Value) bool) error) error {
	r.stream.frames = true
	n := 0
	var sendErr error
	err := list(func(v ipld.Value) bool {
		n++
		sendErr = r.stream.send(key, true, func(encoder) ipld.Value { return v })
		return sendErr == nil && r.Context().Err() == nil
	})
	if err := errors.Join(err, sendErr, r.Context().Err()); err != nil {
		return err
	}
	return r.end(n)
}

// listOf calls yield with what each item of the stream at path is.
func listOf[T any](ctx context.Context, c *Client, path, key string, parse func(ipld.Value) (T, error), yield func(T) bool) error {
	resp, done, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer done()
	return c.items(ctx, resp.Body, key, func(v ipld.Value) (bool, error) {
		item, err := parse(v)
		if err != nil {
			return false, err
		}
		return yield(item), nil
	})
}
