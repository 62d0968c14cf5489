package engine

import (
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// holds keep from being collected what one run rests on: its document and all that
// this names, what it awaits of other workflows, and what its jobs came to.
type holds struct{ all, open, secret *store.Hold }

func (h *holds) release() {
	for _, one := range []*store.Hold{h.all, h.open, h.secret} {
		if one != nil {
			one.Release()
		}
	}
}

// hold begins what r holds, in the store and in its rooms.
func (r *run) hold() (err error) {
	links := append([]ipld.Link{r.graph.Link()}, r.options.Brings...)
	if r.spaces.open.private { // the document is not where its inputs are
		v, err := ipld.DecodeCBOR(r.graph.Normal().Data)
		if err != nil {
			return err
		}
		links = slices.AppendSeq(links, ipld.Links(v))
	}
	tasks := r.outside()
	hold := func(on func([]ipld.Link, []task.ID) (*store.Hold, error), to **store.Hold) {
		if on != nil && err == nil {
			*to, err = on(links, tasks)
		}
	}
	hold(r.engine.Store.Hold, &r.holds.all)
	hold(r.spaces.open.hold, &r.holds.open)
	hold(r.spaces.secret.hold, &r.holds.secret)
	return err
}

// outside are the tasks of other workflows that jobs of r await.
func (r *run) outside() (all []task.ID) {
	for i := range r.graph.Len() {
		for _, e := range r.graph.Step(i).Job.Outside {
			all = append(all, e.Promise.Task)
		}
	}
	return all
}

// settled holds what step i came to.
func (h *holds) settled(secret bool, report *JobReport) {
	if !report.Receipt.Defined() {
		return
	}
	on := h.open
	if secret {
		on = h.secret
	}
	if on == nil {
		on = h.all
	}
	on.Add(report.Task)
	if report.Caught != nil && report.Caught.Handler.Defined() {
		on.Add(report.Caught.Handler)
	}
}
