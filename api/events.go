package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

// stream takes one of the places of those who wait; done gives it back.
func (h *Handler) stream() (done func(), err error) {
	select {
	case h.streams <- struct{}{}:
		return func() { <-h.streams }, nil
	default:
		return nil, problemf(Busy, "%d others wait for workflows already", cap(h.streams)).retry(busyRetry).
			hint("ask how a workflow stands without waiting for it")
	}
}

// events tells what happens in a run, as server-sent events.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if kind, _ := preferred(r, typeEvents); kind == "" {
		return notAcceptable(typeEvents)
	}
	after, err := parsePosition(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	run, err := h.visible(r)
	if err != nil {
		return err
	}
	if run.State.Over() && after.Attempt == run.Attempt && after.Seq >= uint64(run.Settled)+2 {
		w.WriteHeader(http.StatusNoContent) // to which a client does not come back
		return nil
	}
	done, err := h.stream()
	if err != nil {
		return err
	}
	defer done()
	return h.tell(w, r, run, after, 0)
}

// parsePosition reads the id of an event.
func parsePosition(id string) (runs.Position, error) {
	if id == "" {
		return runs.Position{}, nil
	}
	attempt, seq, _ := strings.Cut(id, ".")
	a, err := strconv.ParseUint(attempt, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	at := runs.Position{Attempt: a, Seq: b}
	if err != nil || err2 != nil || positionText(at) != id {
		return at, problemf(BadRequest, "Last-Event-ID is %q", shorten(id)).hint("it is the id of an event that was received, such as 1.17")
	}
	return at, nil
}

func positionText(at runs.Position) string { return fmt.Sprintf("%d.%d", at.Attempt, at.Seq) }

// tell writes the events of run after a position until it stops, the client goes,
// the node stops or the time is over; 0 is no bound.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, run runs.Run, after runs.Position, long time.Duration) error {
	w.Header().Set("Content-Type", typeEvents)
	w.Header().Set("X-Accel-Buffering", "no")
	out := &eventWriter{w: w, h: h}
	out.flush() // so that the client knows that it is heard
	ctx, stop := context.WithCancel(r.Context())
	events, ended := make(chan runs.Event), make(chan error, 1)
	go func() {
		ended <- h.Runs.Watch(ctx, run.ID, after, func(ev runs.Event) bool {
			select {
			case events <- ev:
				return true
			case <-ctx.Done():
				return false
			}
		})
		close(ended)
	}()
	defer func() {
		stop()
		for range ended {
		}
	}()
	beat := time.NewTicker(h.Beat)
	defer beat.Stop()
	var over <-chan time.Time
	if long > 0 {
		timer := time.NewTimer(long)
		defer timer.Stop()
		over = timer.C
	}
	values := h.shower(run)
	for out.err == nil {
		select {
		case ev := <-events:
			out.event(ctx, values, ev)
			if ev.Kind == runs.Ended {
				return out.aborted()
			}
		case err := <-ended:
			out.end(run.Workflow.String(), err)
			return out.aborted()
		case <-beat.C:
			out.text(":\n\n")
		case <-over:
			return out.aborted()
		case <-stoppingOf(r.Context()).Done():
			out.end("", runs.ErrClosed)
			return out.aborted()
		case <-r.Context().Done():
			return http.ErrAbortHandler
		}
	}
	return out.aborted()
}

// eventWriter writes server-sent events.
type eventWriter struct {
	h   *Handler
	w   http.ResponseWriter
	err error
}

func (o *eventWriter) aborted() error {
	if o.err != nil {
		return http.ErrAbortHandler
	}
	return nil
}

func (o *eventWriter) text(s string) {
	if o.err != nil {
		return
	}
	o.h.patience(o.w)
	if _, o.err = o.w.Write([]byte(s)); o.err == nil {
		o.flush()
	}
}

func (o *eventWriter) flush() { o.err = errors.Join(o.err, http.NewResponseController(o.w).Flush()) }

// event writes ev. What the job came to is shown as long as there is room in the
// stream.
func (o *eventWriter) event(ctx context.Context, values *shower, ev runs.Event) {
	out := eventJSON{Kind: ev.Kind, Label: ev.Label}
	if ev.Run != nil {
		run := runToJSON(*ev.Run)
		out.Run = &run
	}
	if ev.Job != nil {
		job, err := values.job(ctx, ev.Job)
		if err != nil {
			o.err = err
			o.h.Log.Error("api: a job could not be told", "label", ev.Label, "err", err)
			return
		}
		out.Job = &job
	}
	data, err := encode(out)
	if err != nil {
		o.err = err
		return
	}
	var id string
	if ev.At.Seq > 0 {
		id = "id: " + positionText(ev.At) + "\n"
	}
	o.text(fmt.Sprintf("%sevent: %s\ndata: %s\n", id, ev.Kind, data)) // data ends with a line break
}

// end says when to come back after a stream that ends before the workflow does.
func (o *eventWriter) end(workflow string, err error) {
	retry, why := suspendRetry, "suspended"
	switch {
	case errors.Is(err, runs.ErrClosed):
		retry, why = stoppingRetry, "the node is stopping"
	case store.MayPass(err):
		retry, why = busyRetry, "the workflow waits until the node's disk is in order"
	case err != nil:
		retry, why = busyRetry, "the node has lost the thread"
		o.h.Log.Error("api: a stream of events broke off", "workflow", workflow, "err", err)
	}
	o.text(fmt.Sprintf(": %s\nretry: %d\n\n", why, retry.Milliseconds()))
}
