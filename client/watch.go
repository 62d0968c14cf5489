package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// maxLine bounds a line of a stream of events, in bytes: 4 MiB of values, and what
// stands around them.
const maxLine = 16 << 20

// errSilent is why a stream is given up that says nothing.
var errSilent = errors.New("nothing was heard of the node")

// Watch calls yield with the events of the latest run of a workflow that come after
// a position, first those that there were, until the run ends or is suspended, or
// yield returns false. A position in another attempt counts as the beginning.
//
// A stream that breaks off is taken up where it was, also when the node was
// started again, in which case another attempt begins. Where nothing is heard of
// the node for as long as the client has patience, the error is that of the last
// try.
func (c *Client) Watch(ctx context.Context, workflow ipld.Link, after Position, yield func(Event) bool) error {
	w := watch{client: c, workflow: workflow, at: after, yield: yield}
	for r := c.retrier(); ; {
		before := w.at
		err := w.stream(ctx)
		if err == nil && !w.over {
			err = w.closed(ctx)
		}
		if w.over || ctx.Err() != nil || !passing(err) {
			return errors.Join(err, context.Cause(ctx))
		}
		if w.at != before {
			r = c.retrier()
		}
		if !r.wait(ctx, w.pause) {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// closed is why the node has closed the stream before the end of the run: it was
// suspended, which is an end, or the node stops.
func (w *watch) closed(ctx context.Context) error {
	run, err := w.client.Run(ctx, w.workflow)
	if w.over = err == nil && run.State == Suspended; w.over {
		return nil
	}
	return cmpOr(err, errors.New("the stream of events has ended before the workflow"))
}

// passing tells whether asking again may help.
func passing(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status == http.StatusTooManyRequests || p.Status/100 == 5
	}
	return !errors.Is(err, ErrAnswer) && !errors.As(err, new(*ucan.Denied))
}

// cmpOr is err, or other if there is none.
func cmpOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// Wait waits until the run of a workflow ends or is suspended, and returns how it
// stands then.
func (c *Client) Wait(ctx context.Context, workflow ipld.Link) (Run, error) {
	err := c.Watch(ctx, workflow, Position{}, func(Event) bool { return true })
	if err != nil {
		return Run{}, err
	}
	return c.Run(ctx, workflow)
}

// watch is one call of Watch.
type watch struct {
	client   *Client
	workflow ipld.Link
	at       Position // of the last event
	yield    func(Event) bool
	pause    time.Duration // when the node said that it is worth coming back; 0 is nothing
	over     bool          // nothing more is to come
}

// stream tells the events of one stream.
func (w *watch) stream(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	quiet := time.AfterFunc(w.client.silence, func() { stop(errSilent) })
	defer quiet.Stop()
	ask := wish{method: http.MethodGet, path: workflowPath(w.workflow, "/events"), accept: typeEvents}
	if w.at.Seq > 0 {
		ask.last = fmt.Sprintf("%d.%d", w.at.Attempt, w.at.Seq)
	}
	resp, err := w.client.once(ctx, ask)
	if p := (*Problem)(nil); errors.As(err, &p) {
		w.pause = p.Retry
	}
	if err != nil {
		return heard(ctx, err)
	}
	defer resp.Body.Close()
	if w.over = resp.StatusCode == http.StatusNoContent; w.over {
		return nil
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != typeEvents {
		return fmt.Errorf("%w: it is of type %.100q, not %s", ErrAnswer, resp.Header.Get("Content-Type"), typeEvents)
	}
	w.pause = 0
	return heard(ctx, w.read(resp.Body, func() { quiet.Reset(w.client.silence) }))
}

// heard is err, or why the stream was given up.
func heard(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errSilent) {
		return cause
	}
	return err
}

// message is an event as it is sent.
type message struct {
	id   string
	data []byte
}

// read tells the events that a stream has, as the HTML standard has server-sent
// events. A stream that ends where one may is no error.
func (w *watch) read(in io.Reader, heard func()) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var m message
	for lines.Scan() {
		heard()
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "":
			if len(lines.Bytes()) > 0 {
				continue // a comment
			}
			if err := w.take(m); err != nil || w.over {
				return err
			}
			m = message{}
		case "id":
			m.id = string(value)
		case "data":
			if m.data != nil {
				m.data = append(m.data, '\n')
			}
			if m.data = append(m.data, value...); len(m.data) > maxLine {
				return fmt.Errorf("%w: an event of more than %d bytes", ErrAnswer, maxLine)
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				w.pause = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%w: a line of more than %d bytes", ErrAnswer, maxLine)
	} else if err != nil {
		return err
	}
	return nil
}

// take tells one event, unless it was told before.
func (w *watch) take(m message) error {
	if len(m.data) == 0 {
		return nil
	}
	var said eventJSON
	if err := json.Unmarshal(m.data, &said); err != nil {
		return fmt.Errorf("%w: an event: %w", ErrAnswer, err)
	}
	ev, known, err := said.read()
	if err != nil {
		return err
	}
	if ev.Run != nil {
		if err := is(*ev.Run, w.workflow); err != nil {
			return err
		}
	}
	if m.id != "" {
		if ev.At, err = parsePosition(m.id); err != nil {
			return err
		}
		if ev.At.Attempt < w.at.Attempt {
			return fmt.Errorf("%w: event %s comes after %d.%d", ErrAnswer, m.id, w.at.Attempt, w.at.Seq)
		}
		if ev.At.Attempt == w.at.Attempt && ev.At.Seq <= w.at.Seq {
			return nil
		}
		w.at = ev.At
	}
	w.over = known && !w.yield(ev) || ev.Kind == WorkflowEnded
	return nil
}

// parsePosition reads the id of an event.
func parsePosition(id string) (at Position, err error) {
	attempt, seq, _ := strings.Cut(id, ".")
	var err2 error
	at.Attempt, err = strconv.ParseUint(attempt, 10, 64)
	at.Seq, err2 = strconv.ParseUint(seq, 10, 64)
	if err = errors.Join(err, err2); err != nil || at.Seq == 0 {
		return at, fmt.Errorf("%w: an event with the id %.40q", ErrAnswer, id)
	}
	return at, nil
}
