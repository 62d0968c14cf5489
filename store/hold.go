package store

import (
	"context"
	"errors"
	"sync"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Hold is what somebody needs for as long as it is not released: no collection
// removes it.
type Hold struct {
	store *Store

	mu     sync.Mutex
	blocks []ipld.Link
	tasks  []task.ID
}

// Hold keeps blocks, with all that they link to, and the receipts of tasks with
// what these rest on, as far as they are here, from being collected. Release it.
func (s *Store) Hold(blocks []ipld.Link, tasks []task.ID) (*Hold, error) {
	h := &Hold{store: s, blocks: blocks, tasks: tasks}
	if err := s.gate.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	s.collecting.mu.Lock()
	defer s.collecting.mu.Unlock()
	if s.collecting.holds == nil {
		s.collecting.holds = make(map[*Hold]struct{})
	}
	s.collecting.holds[h] = struct{}{}
	if m := s.collecting.marks; m != nil {
		return h, h.mark(context.Background(), m)
	}
	return h, nil
}

// Add holds the receipts of one more task, which was put or read just now.
func (h *Hold) Add(id task.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tasks = append(h.tasks, id)
}

// Release ends the hold. It may be called more than once.
func (h *Hold) Release() {
	s := h.store
	s.collecting.mu.Lock()
	defer s.collecting.mu.Unlock()
	delete(s.collecting.holds, h)
}

// mark tells a collection what is held.
func (h *Hold) mark(ctx context.Context, m *marks) error {
	h.mu.Lock()
	blocks, tasks := h.blocks, h.tasks
	h.mu.Unlock()
	var errs []error
	for _, l := range blocks {
		errs = append(errs, h.store.markBlocks(ctx, m, markBlock, l, kept))
	}
	for _, id := range tasks {
		errs = append(errs, h.store.markTask(m, id))
	}
	return errors.Join(errs...)
}

// allHolds are the holds of the moment.
func (s *Store) allHolds() []*Hold {
	s.collecting.mu.Lock()
	defer s.collecting.mu.Unlock()
	all := make([]*Hold, 0, len(s.collecting.holds))
	for h := range s.collecting.holds {
		all = append(all, h)
	}
	return all
}
