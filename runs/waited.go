package runs

import (
	"errors"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
)

// Waited keeps what came of a run that somebody waited for, and that was not
// accepted: it is known afterwards like one that was. It is durable with what is
// kept next. One that was accepted and that nothing drives has ended with it if it
// went well; else of what was accepted and has not ended nothing is changed.
func (k *Keeper) Waited(g *graph.Graph, who did.DID, o Options, began time.Time, report *engine.Report) error {
	jobs := make([]Job, len(report.Jobs))
	for i := range report.Jobs {
		jobs[i] = jobOf(&report.Jobs[i])
	}
	r := newRecord(g, who, o, began)
	r.State, r.Settled, r.First, r.Reason, r.Ended = stateOf(report.Status), len(jobs), report.First, report.Reason, k.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	last, err := k.load(r.ID)
	switch {
	case errors.Is(err, ErrUnknown):
	case err != nil:
		return err
	case k.active[r.ID] != nil:
		return nil
	case !last.State.Over():
		return k.overtake(last, r, jobs)
	}
	b, err := k.follow(r, last, jobs)
	if err != nil {
		return err
	}
	k.hasEnded(who)
	if err := k.Store.Put(b); err != nil {
		return err
	}
	k.weigh(who, r.weight(), last.weight())
	return nil
}

// overtake ends what was accepted, and is still to be run, as waited did if that went
// well: all its receipts are there. The caller holds mu.
func (k *Keeper) overtake(accepted, waited *record, jobs []Job) error {
	if waited.State != OK {
		return nil
	}
	was := accepted.weight()
	accepted.State, accepted.Settled, accepted.Ended = OK, waited.Settled, waited.Ended
	accepted.Attempt++
	if err := k.put(accepted, jobs, was); err != nil {
		return err
	}
	k.ledger.remove(accepted.ID)
	k.hasEnded(accepted.For)
	return nil
}

// newRecord is that of a workflow which is to run, for the first time.
func newRecord(g *graph.Graph, who did.DID, o Options, accepted time.Time) *record {
	if o.Priority == engine.Normal {
		o.Priority = ""
	}
	return &record{
		Run:       Run{ID: ID{g.Link(), who}, State: Running, Attempt: 1, KeepGoing: o.KeepGoing, Priority: o.Priority, Jobs: g.Len(), Accepted: accepted},
		authority: o.Authority, instructions: g.Instructions(), brings: union(g.Held(), o.Brings),
	}
}
