package homestar

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// again is how long a subscription waits before it looks once more at a run that
// stands still: one that was suspended, or that is to be resumed.
const again = time.Second

// maxAttached is how many tasks a workflow may have whose events are held until its
// client was told.
const maxAttached = 32

// subscription is what a client asked to be told: what the tasks of one workflow
// come to, each once.
type subscription struct {
	id       string
	name     string       // of the workflow, as its client calls it
	origin   ipld.Link    // the CID by which the client knows the workflow
	workflow ipld.Link    // the CID by which the node does
	asked    time.Time    // when
	attempt  runs.Attempt // what is watched first; the zero Attempt is none
	tasks    []called
	byLabel  map[string]int // among tasks
	left     int            // how many are not told yet
	// gone are the tasks that were cancelled: for good only if the run has ended,
	// and is not put aside.
	gone map[int]*runs.Job
}

// called is one task as its document has it.
type called struct {
	label, function string
	ran             ipld.Link // the identifier of its instruction
	told            bool
}

// newSubscription is what has to be known of g to tell of its tasks. It holds
// nothing of the document: a client may take minutes to be told.
func newSubscription(g *graph.Graph, asked time.Time) *subscription {
	origin := g.Workflow().Origin
	s := &subscription{
		name: strings.Clone(origin.Name), origin: origin.Workflow, workflow: g.Link(), asked: asked,
		tasks: make([]called, g.Len()), byLabel: make(map[string]int, g.Len()), left: g.Len(),
	}
	if s.name == "" {
		s.name = s.origin.String()
	}
	functions := make(map[string]string) // mostly few
	for i := range s.tasks {
		step := g.Step(i)
		label, function := strings.Clone(step.Label), step.Job.Call.Func
		if functions[function] == "" {
			functions[function] = strings.Clone(function)
		}
		s.tasks[i] = called{label: label, function: functions[function], ran: step.Job.Ran}
		s.byLabel[label] = i
	}
	return s
}

// follow tells the client of each task until all are told or ctx ends. First it
// has the client answer a ping: the answer to the request has then arrived, and
// the client knows the subscription. Clients drop notifications of others.
func (c *connection) follow(ctx context.Context, s *subscription) error {
	if err := c.ping(); err != nil {
		return err
	}
	for s.left > 0 {
		var fail error
		s.gone = make(map[int]*runs.Job)
		err := s.watch(ctx, c.Runs, func(ev runs.Event) bool {
			fail = c.tell(ctx, s, ev)
			return fail == nil && s.left > 0
		})
		switch {
		case fail != nil:
			return fail
		case ctx.Err() != nil || errors.Is(err, runs.ErrClosed):
			return err
		case err != nil:
			c.Log.Error("homestar: a workflow can not be watched", "workflow", s.workflow, "err", err)
		}
		if s.left > 0 {
			select {
			case <-time.After(again):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// watch calls yield with the events of the run: of the attempt that began when it was asked for,
// then of those that came after.
func (s *subscription) watch(ctx context.Context, of *runs.Keeper, yield func(runs.Event) bool) error {
	if first := s.attempt; first != (runs.Attempt{}) {
		s.attempt = runs.Attempt{}
		return first.Watch(ctx, runs.Position{}, yield)
	}
	return of.Watch(ctx, runs.ID{Workflow: s.workflow, For: engine.Anyone}, runs.Position{}, yield)
}

// tell passes on an event of the run. A task of which a run has said nothing by its
// end will never have one.
func (c *connection) tell(ctx context.Context, s *subscription, ev runs.Event) error {
	switch ev.Kind {
	case runs.JobSettled:
		i, ok := s.byLabel[ev.Label]
		if !ok {
			return fmt.Errorf("the run of workflow %s has a job %q, which its document has not", s.workflow, ev.Label)
		}
		if ev.Job.Status == engine.JobCancelled {
			s.gone[i] = ev.Job
			return nil
		}
		return c.notify(ctx, s, i, ev.Job, ev.Outcome)
	case runs.Ended:
		for i := range s.tasks {
			j := s.gone[i]
			if j == nil {
				j = lastWord(s.tasks[i].label, ev.Run)
			}
			if err := c.notify(ctx, s, i, j, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// notify tells what task i came to, unless that was told. What its receipt says is
// given where it is at hand.
func (c *connection) notify(ctx context.Context, s *subscription, i int, j *runs.Job, says *task.Outcome) error {
	of := &s.tasks[i]
	if of.told {
		return nil
	}
	data, err := s.notification(of, j, says, c.Store)
	if err != nil {
		return err
	}
	if err := c.send(ctx, message(s.id, data)); err != nil {
		return err
	}
	of.told = true
	s.left--
	c.notifications.Add(1)
	return nil
}

// message is the notification that a client expects: DAG-JSON as a list of its
// bytes.
func message(id string, data []byte) []byte {
	const head, middle, tail = `{"jsonrpc":"2.0","method":"subscribe_run_workflow","params":{"subscription":"`, `","result":[`, `]}}`
	text := make([]byte, 0, len(head)+len(id)+len(middle)+4*len(data)+len(tail))
	text = append(append(append(text, head...), id...), middle...)
	for i, b := range data {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(b), 10)
	}
	return append(text, tail...)
}
