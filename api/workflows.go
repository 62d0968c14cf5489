package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// How many runs, and jobs of one, one answer has.
const (
	usualPage = 100
	maxPage   = 1000
)

// documents are the types of documents that are read.
var documents = map[string]workflow.Format{
	"":                              workflow.Auto,
	"application/octet-stream":      workflow.Auto,
	typeJSON:                        workflow.JSON,
	"application/vnd.ipld.dag-json": workflow.JSON,
	"application/yaml":              workflow.YAML,
	"application/x-yaml":            workflow.YAML,
	"text/yaml":                     workflow.YAML,
	"application/cbor":              workflow.CBOR,
	typeCBOR:                        workflow.CBOR,
}

// submit accepts a workflow, and waits for its end if it is to.
func (h *Handler) submit(w http.ResponseWriter, r *http.Request) error {
	params, err := query(r, "wait", "keep-going", "priority")
	if err != nil {
		return err
	}
	wait, err := h.waitTime(params)
	if err != nil {
		return err
	}
	o := runs.Options{}
	if o.KeepGoing, err = flag(params, "keep-going"); err != nil {
		return err
	}
	o.Priority = engine.Priority(params["priority"])
	if err := engine.CheckPriority("", o.Priority); err != nil {
		return problemf(BadRequest, "priority: %v", err)
	}
	g, err := h.document(w, r)
	if err != nil {
		return err
	}
	o.Authority = g.Workflow().Signature
	if len(o.Authority) == 0 {
		if c := caller(r); c == nil {
			o.Unsigned = true
		} else if c.For != "" {
			o.Offered = c.For // which submitter has let pass
		}
	}
	if wait > 0 {
		done, err := h.stream()
		if err != nil {
			return err
		}
		defer done()
	}
	run, err := h.Runs.Submit(r.Context(), g, o)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/workflows/"+run.Workflow.String())
	if wait > 0 && asksFor(r, typeEvents) {
		return h.tell(w, r, run, runs.Position{}, wait)
	}
	if wait > 0 {
		if run, err = h.await(r.Context(), run, wait); err != nil {
			return err
		}
	}
	status := http.StatusAccepted
	if run.State.Over() {
		status = http.StatusOK
	}
	return h.shown(w, r.Context(), status, run, 0, usualPage)
}

// waitTime reads how long to wait for the end; 0 is not at all.
func (h *Handler) waitTime(params map[string]string) (time.Duration, error) {
	if text, ok := params["wait"]; !ok || text != "" && text != "true" {
		seconds, err := number(params, "wait", 0, int(h.Wait.Seconds()))
		return time.Duration(seconds) * time.Second, err
	}
	return h.Wait, nil
}

// document reads the document in the body of r.
func (h *Handler) document(w http.ResponseWriter, r *http.Request) (*graph.Graph, error) {
	kind, err := mediaType(r)
	if err != nil {
		return nil, err
	}
	if kind != typeForm {
		if _, err := documentFormat(kind); err != nil {
			return nil, err
		}
	}
	data, done, err := h.read(w, r, h.Document)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(data) == 0 {
		return nil, problemf(BadRequest, "there is no body").hint("it is to be the document")
	}
	src := workflow.Source{Data: data, MaxBytes: int(h.Document)}
	if kind == typeForm {
		err = readForm(r, &src)
	} else {
		src.Format, err = documentFormat(kind)
	}
	if err != nil {
		return nil, err
	}
	select {
	case h.reading <- struct{}{}:
		defer func() { <-h.reading }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	denied := submitter(r)
	if denied == nil {
		if err := tally(r, len(data)); err != nil {
			return nil, err
		}
	}
	g, err := h.Node.Check(r.Context(), who(r), src, denied != nil)
	if errors.Is(err, ErrUnsigned) {
		return nil, denied
	}
	return g, err
}

// await waits until the run of a workflow stops, but not for longer than that, and
// returns how it stands.
func (h *Handler) await(ctx context.Context, run runs.Run, long time.Duration) (runs.Run, error) {
	waiting, stop := context.WithTimeout(ctx, long)
	defer stop()
	defer context.AfterFunc(stoppingOf(ctx), stop)()
	err := h.Runs.Watch(waiting, run.ID, runs.Position{}, func(runs.Event) bool { return true })
	if err != nil && waiting.Err() == nil && !store.MayPass(err) { // which it will outlast
		return run, err
	}
	if err := ctx.Err(); err != nil {
		return run, err
	}
	return h.Runs.Get(run.ID)
}

// list answers with a page of the asker's runs, the latest first.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	params, err := query(r, "after", "limit", "state")
	if err != nil {
		return err
	}
	limit, err := number(params, "limit", usualPage, maxPage)
	if err != nil {
		return err
	}
	q := runs.Query{}
	if asker := who(r); asker != "" { // the owner sees all
		q.For = &asker
	}
	if q.After, err = runs.ParsePlace(params["after"]); err != nil {
		return problemf(BadRequest, "after: %s", shorten(err.Error())).hint("it is what `next` of the page before says")
	}
	switch state, ok := params["state"]; {
	case state == "unfinished":
		q.Unfinished = true
	case ok:
		return problemf(BadRequest, "state is %q", shorten(state)).hint("it is unfinished, or not there for all")
	}
	out := listJSON{Schema: schema, Workflows: []runJSON{}}
	var last runs.Place
	err = h.Runs.List(q, func(run runs.Run) bool {
		if len(out.Workflows) == limit {
			out.Next = last.String()
			return false
		}
		last = run.Place()
		shown := runToJSON(run)
		if q.For == nil {
			shown.For = run.For
		}
		out.Workflows = append(out.Workflows, shown)
		return r.Context().Err() == nil
	})
	if err != nil {
		return err
	}
	if out.Next != "" {
		next := r.URL.Query()
		next.Set("after", out.Next)
		w.Header().Set("Link", fmt.Sprintf(`</v1/workflows?%s>; rel="next"`, next.Encode()))
	}
	return h.writeJSON(w, http.StatusOK, out)
}

// show answers with how one run stands, and a page of its jobs.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) error {
	params, err := query(r, "after", "limit")
	if err != nil {
		return err
	}
	limit, err := number(params, "limit", usualPage, maxPage)
	if err != nil {
		return err
	}
	after, err := number(params, "after", 0, 1<<30)
	if err != nil {
		return err
	}
	run, err := h.visible(r)
	if err != nil {
		return err
	}
	return h.shown(w, r.Context(), http.StatusOK, run, after, limit)
}

// visible is the asker's run of the workflow that the path of r names. That of
// another is as if it were not there.
func (h *Handler) visible(r *http.Request) (runs.Run, error) {
	workflow, err := link(r, "cid")
	if err != nil {
		return runs.Run{}, err
	}
	run, err := h.Runs.Get(runs.ID{Workflow: workflow, For: who(r)})
	if errors.Is(err, runs.ErrUnknown) {
		return run, problemf(NotFound, "workflow %s: %v", workflow, runs.ErrUnknown)
	}
	return run, err
}

// shown answers with a run and those of its jobs that settled after the given
// number of others.
func (h *Handler) shown(w http.ResponseWriter, ctx context.Context, status int, run runs.Run, after, limit int) error {
	jobs, err := h.Runs.Jobs(run.ID)
	if err != nil {
		return err
	}
	out := shownJSON{Schema: schema, runJSON: runToJSON(run), Jobs: []jobJSON{}}
	s := h.shower(run)
	end := min(len(jobs), after+limit)
	for i := after; i < end; i++ {
		j, err := s.job(ctx, &jobs[i])
		if err != nil {
			return err
		}
		out.Jobs = append(out.Jobs, j)
	}
	if end < len(jobs) {
		out.Next = strconv.Itoa(end)
	}
	return h.writeJSON(w, status, out)
}

// change does to a run what the path says, and answers with how it then stands.
func (h *Handler) change(do func(Runs, context.Context, runs.ID) (runs.Run, error)) answer {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := query(r); err != nil {
			return err
		}
		run, err := h.visible(r)
		if err != nil {
			return err
		}
		if run, err = do(h.Runs, r.Context(), run.ID); err != nil {
			return err
		}
		return h.writeJSON(w, http.StatusOK, struct {
			Schema int `json:"schema"`
			runJSON
		}{schema, runToJSON(run)})
	}
}
