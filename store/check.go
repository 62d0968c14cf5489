package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

// Stats count what a store holds.
type Stats struct {
	Blocks   int // inside the database
	Files    int // large blocks
	Receipts int
	Aliases  int
	Modules  int
	Runs     int
	// DatabaseBytes is what the database takes on the disk, FileBytes what
	// the large blocks do.
	DatabaseBytes, FileBytes uint64
	// FreeBytes is what the disk has left; 0 when it does not say.
	FreeBytes uint64
}

// Stats counts what the store holds, by reading all keys.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	if err := s.gate.enter(); err != nil {
		return Stats{}, err
	}
	defer s.gate.leave()
	var st Stats
	for _, t := range []struct {
		table byte
		n     *int
	}{
		{tableBlock, &st.Blocks},
		{tableFile, &st.Files},
		{tableReceipt, &st.Receipts},
		{tableAlias, &st.Aliases},
		{tableModule, &st.Modules},
		{tableRun, &st.Runs},
	} {
		err := s.each(t.table, nil, func(key, value []byte) error {
			*t.n++
			if t.table == tableFile {
				st.FileBytes += fileSize(value)
			}
			return context.Cause(ctx)
		})
		if err != nil {
			return Stats{}, fmt.Errorf("stats: %w", err)
		}
	}
	st.DatabaseBytes = s.db.Metrics().DiskSpaceUsage()
	st.FreeBytes, _ = s.Free()
	return st, nil
}

// Problem is one fault that Check found.
type Problem struct {
	Link ipld.Link // the block or receipt concerned; may be the zero Link
	What string
	Err  error
}

func (p Problem) String() string {
	if !p.Link.Defined() {
		return fmt.Sprintf("%s: %v", p.What, p.Err)
	}
	return fmt.Sprintf("%s %s: %v", p.What, p.Link, p.Err)
}

// maxCheckedFile bounds a file that Check reads as a whole, in bytes.
const maxCheckedFile = 1 << 30

// Check reads the whole store: every block must match its CID, every record
// must parse and stand under its key, every receipt must be signed well, and
// what a receipt's output needs must be there, to the last leaf. It calls found
// with each problem. The error says that the check itself could not go on.
func (s *Store) Check(ctx context.Context, found func(Problem)) error {
	return s.check(ctx, nil, found)
}

// check is Check; behind, if there is one, has blocks that are not here.
func (s *Store) check(ctx context.Context, behind *Store, found func(Problem)) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	c := checker{store: s, behind: behind, ctx: ctx, found: found, seen: make(map[ipld.Link]bool)}
	for _, table := range []struct {
		name  byte
		visit func(key, value []byte) error
	}{{tableBlock, c.block}, {tableFile, c.file}, {tableReceipt, c.receipt}, {tableRun, c.run}, {tableModule, c.module}, {tableAlias, c.alias}} {
		if err := s.each(table.name, nil, table.visit); err != nil {
			return fmt.Errorf("check: %w", err)
		}
	}
	return nil
}

type checker struct {
	store  *Store
	behind *Store
	ctx    context.Context
	found  func(Problem)
	seen   map[ipld.Link]bool // references already followed
}

func (c *checker) report(l ipld.Link, what string, err error) {
	if err != nil {
		c.found(Problem{Link: l, What: what, Err: err})
	}
}

func (c *checker) block(key, value []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		if _, data, cut := cutUsed(value); cut != nil {
			err = cut
		} else {
			err = l.Verify(data)
		}
	}
	c.report(l, "block", err)
	return context.Cause(c.ctx)
}

func (c *checker) file(key, _ []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		_, _, err = c.store.file(l)
	}
	c.report(l, "block", err)
	return context.Cause(c.ctx)
}

func (c *checker) receipt(key, value []byte) error {
	_, block, err := cutUsed(value)
	if err != nil {
		c.report(ipld.Link{}, "receipt", err)
		return context.Cause(c.ctx)
	}
	r, err := receipt.Parse(bytes.Clone(block))
	if err != nil {
		c.report(ipld.LinkOf(ipld.CodecDagCBOR, block), "receipt", err)
		return context.Cause(c.ctx)
	}
	c.report(r.Link(), "receipt", r.Verify())
	if want, err := receiptKey(r); err != nil || !bytes.Equal(key, want) {
		c.report(r.Link(), "receipt", errors.Join(err, fmt.Errorf("it stands under key %x instead of %x", key, want)))
	}
	for _, l := range References(r) {
		c.report(r.Link(), "output of receipt", c.follow(l))
	}
	return context.Cause(c.ctx)
}

// read reads a block, which is no use of it.
func (c *checker) read(l ipld.Link) ([]byte, error) {
	data, _, err := c.store.peek(l)
	if errors.Is(err, ErrNotFound) && c.behind != nil {
		data, _, err = c.behind.peek(l)
	}
	return data, err
}

// follow looks whether everything under l is there.
func (c *checker) follow(l ipld.Link) error {
	if c.seen[l] {
		return nil
	}
	c.seen[l] = true
	if l.Codec() == ipld.CodecDagPB {
		_, err := ipld.ReadFile(l, maxCheckedFile, c.read)
		return err
	}
	data, err := c.read(l)
	if err != nil || l.Codec() != ipld.CodecDagCBOR {
		return err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return fmt.Errorf("block %s: %w", l, err)
	}
	for _, inner := range distinct(v) {
		if err := c.follow(inner); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) run(key, value []byte) error {
	r, err := readRun(key, value)
	c.report(r.Workflow, "run of workflow", err)
	return context.Cause(c.ctx)
}

func (c *checker) module(key, value []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		_, err = ipld.DecodeCBOR(value)
	}
	c.report(l, "module", err)
	return context.Cause(c.ctx)
}

func (c *checker) alias(key, value []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		_, err = ipld.LinkFromBytes(value)
	}
	c.report(l, "alias of task", err)
	return context.Cause(c.ctx)
}

// fileSize is the size in the record of a large block, 0 if it is damaged.
func fileSize(value []byte) uint64 {
	_, rest, err := cutUsed(value)
	if err != nil {
		return 0
	}
	n, _, err := cutUsed(rest)
	if err != nil {
		return 0
	}
	return n
}
