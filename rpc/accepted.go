package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// This file is what both sides know of accepted runs: the paths under /v1/runs.

func runPath(workflow ipld.Link, more string) string { return "/v1/runs/" + workflow.String() + more }

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
	return r.answerRun(r.server.backend.Submit(r.Context(), g, runs.Options{KeepGoing: s.keepGoing, Authority: s.authority}))
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
	body, err := submit(g, blocks, engine.Options{KeepGoing: o.KeepGoing, Authority: o.Authority})
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
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	return r.answerRun(r.server.backend.RunOf(r.Context(), link))
}

// RunOf returns how the latest accepted run of a workflow stands.
func (c *Client) RunOf(ctx context.Context, workflow ipld.Link) (runs.Run, error) {
	return c.run(ctx, http.MethodGet, runPath(workflow, ""), nil)
}

func (r *request) direct() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	what := Direction(r.PathValue("what"))
	switch what {
	case Suspend, Resume, Cancel:
	default:
		return fmt.Errorf("%w: a run can not be directed to %q", ErrRequest, what)
	}
	return r.answerRun(r.server.backend.Direct(r.Context(), link, what))
}

// Direct suspends, resumes or cancels an accepted run.
func (c *Client) Direct(ctx context.Context, workflow ipld.Link, what Direction) (runs.Run, error) {
	return c.run(ctx, http.MethodPost, runPath(workflow, "/"+string(what)), nil)
}

func (r *request) runs() error {
	var after ipld.Link
	q := r.URL.Query()
	if text := q.Get("after"); text != "" {
		var err error
		if after, err = ipld.ParseLink(text); err != nil {
			return badRequest("after", err)
		}
	}
	return r.each("run", func(send func(ipld.Value) bool) error {
		return r.server.backend.Runs(r.Context(), after, q.Has("unfinished"), func(run runs.Run) bool { return send(run.Value()) })
	})
}

// Runs calls yield with the latest run of each accepted workflow.
func (c *Client) Runs(ctx context.Context, after ipld.Link, unfinished bool, yield func(runs.Run) bool) error {
	path := "/v1/runs?after="
	if after.Defined() {
		path += after.String()
	}
	if unfinished {
		path += "&unfinished"
	}
	return listOf(ctx, c, path, "run", runs.ParseRun, yield)
}

func (r *request) jobsOf() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	jobs, err := r.server.backend.JobsOf(r.Context(), link)
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

// JobsOf returns what the jobs of the latest accepted run came to.
func (c *Client) JobsOf(ctx context.Context, workflow ipld.Link) (jobs []runs.Job, err error) {
	err = listOf(ctx, c, runPath(workflow, "/jobs"), "job", runs.ParseJob, func(j runs.Job) bool {
		jobs = append(jobs, j)
		return true
	})
	return jobs, err
}

func (r *request) watch() error {
	link, err := r.link("cid")
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
		return r.server.backend.Watch(r.Context(), link, after, func(ev runs.Event) bool { return send(ev.Value()) })
	})
}

// Watch tells the events of an accepted run.
func (c *Client) Watch(ctx context.Context, workflow ipld.Link, after runs.Position, yield func(runs.Event) bool) error {
	path := runPath(workflow, fmt.Sprintf("/events?attempt=%d&seq=%d", after.Attempt, after.Seq))
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
