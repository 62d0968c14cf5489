package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Resolve returns the task under which the answer for id is kept, and whether
// there is an alias for id at all.
func (s *Store) Resolve(id task.ID) (to task.ID, ok bool, err error) {
	if err := s.gate.enter(); err != nil {
		return task.ID{}, false, err
	}
	defer s.gate.leave()
	return s.resolve(id)
}

func (s *Store) resolve(id task.ID) (to task.ID, ok bool, err error) {
	err = s.get(linkKey(tableAlias, id.Link), func(value []byte) error {
		to.Link, err = ipld.LinkFromBytes(value)
		return err
	})
	ok, err = s.found(err, "alias of task", id.Link)
	return to, ok, err
}

// Module returns the interface of a module, and whether the store knows it.
func (s *Store) Module(l ipld.Link) (iface ipld.Value, ok bool, err error) {
	if err := s.gate.enter(); err != nil {
		return ipld.Null, false, err
	}
	defer s.gate.leave()
	err = s.get(linkKey(tableModule, l), func(value []byte) error {
		iface, err = ipld.DecodeCBOR(value)
		return err
	})
	ok, err = s.found(err, "interface of module", l)
	return iface, ok, err
}

// Runs calls yield with the records of every run of a workflow, whoever it was for,
// those of each in their order, or with those of every workflow if the link is the zero Link, until
// yield returns false.
func (s *Store) Runs(workflow ipld.Link, yield func(Run) bool) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	var prefix []byte
	if workflow.Defined() {
		prefix = appendLink(nil, workflow)
	}
	errStop := errors.New("stop")
	err := s.each(tableRun, prefix, func(key, value []byte) error {
		run, err := readRun(key, value)
		if err != nil {
			return err
		}
		if !yield(run) {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return &CorruptError{Path: s.path("db"), Err: fmt.Errorf("run records: %w", err)}
	}
	return nil
}

func readRun(key, value []byte) (r Run, err error) {
	r.Workflow, key, err = cutLink(key[1:])
	if err != nil {
		return r, err
	}
	if len(key) < 8 {
		return r, fmt.Errorf("key ends with %d bytes instead of a sequence number", len(key))
	}
	r.For, key = string(key[:len(key)-8]), key[len(key)-8:]
	r.Seq = binary.BigEndian.Uint64(key)
	r.Record, err = ipld.DecodeCBOR(value)
	return r, err
}

// Run returns the record of one run of a workflow on behalf of one principal, and
// whether there is one.
func (s *Store) Run(workflow ipld.Link, who string, seq uint64) (r Run, ok bool, err error) {
	if err := s.gate.enter(); err != nil {
		return Run{}, false, err
	}
	defer s.gate.leave()
	if !s.filter.mayHave(workflow) {
		return Run{}, false, nil
	}
	key := binary.BigEndian.AppendUint64(runKey(workflow, who), seq)
	err = s.get(key, func(value []byte) error {
		r, err = readRun(key, value)
		return err
	})
	ok, err = s.found(err, "run of workflow", workflow)
	return r, ok, err
}

// Note returns a note that was put, and whether there is one.
func (s *Store) Note(kind, key string) (value []byte, ok bool, err error) {
	if err := s.gate.enter(); err != nil {
		return nil, false, err
	}
	defer s.gate.leave()
	err = s.get(noteKey(kind, key), func(v []byte) error {
		value = append([]byte{}, v...)
		return nil
	})
	ok, err = s.found(err, "note "+kind, ipld.Link{})
	return value, ok, err
}

// Notes calls yield with every note of a kind in the order of keys, until yield
// returns false.
func (s *Store) Notes(kind string, yield func(Note) bool) error {
	return s.NotesAfter(kind, "", "", yield)
}

// NotesAfter calls yield with the notes of a kind whose keys begin with prefix and
// are above from, in the order of keys, until yield returns false.
func (s *Store) NotesAfter(kind, prefix, from string, yield func(Note) bool) (err error) {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	root, lower := noteKey(kind, ""), noteKey(kind, prefix)
	upper := after(lower)
	if from != "" && from >= prefix {
		lower = append(noteKey(kind, from), 0)
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if !yield(Note{Kind: kind, Key: string(it.Key()[len(root):]), Value: append([]byte{}, value...)}) {
			return nil
		}
	}
	return it.Error()
}

// PutNote puts one note; a nil value removes it.
func (s *Store) PutNote(kind, key string, value []byte) error {
	return s.Put(Batch{Notes: []Note{{Kind: kind, Key: key, Value: value}}})
}

func noteKey(kind, key string) []byte {
	k := append(make([]byte, 0, 2+len(kind)+len(key)), tableNote, byte(len(kind)))
	return append(append(k, kind...), key...)
}

// found turns the outcome of a lookup into "is there one?".
func (s *Store) found(err error, what string, l ipld.Link) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrNotFound):
		return false, nil
	}
	return false, &CorruptError{Link: l, Path: s.path("db"), Err: fmt.Errorf("%s %s: %w", what, l, err)}
}
