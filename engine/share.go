package engine

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// SharedKind is the store's namespace of marks on the blocks that guests may
// read: the key is a block's, and the value says nothing. Marks in the store
// are for all guests, those in the room of a guest for that one.
const SharedKind = "shared"

// Share lets the workflows of others read the file behind link, which has to be
// whole in s. The error wraps [store.ErrNotFound] where it is not.
func Share(s Store, link ipld.Link) error {
	blocks, err := fileBlocks(s, link)
	if err != nil {
		return err
	}
	return s.Put(store.Batch{Notes: marks(blocks)})
}

// bring lets the guest on whose behalf r runs read the files that came with the
// workflow. One that is not whole is left out, and who asks for it is told so.
func (r *run) bring() error {
	if !r.spaces.open.alone {
		return nil
	}
	var all []ipld.Link
	for _, link := range r.options.Brings {
		blocks, err := fileBlocks(r.engine.Store, link)
		if err != nil && !missing(err) {
			return err
		}
		all = append(all, blocks...)
	}
	if len(all) == 0 {
		return nil
	}
	for _, sp := range []space{r.spaces.open, r.spaces.secret} {
		if sp.put == nil { // there is no secret
			continue
		}
		if err := sp.put(store.Batch{Notes: marks(all)}); err != nil {
			return err
		}
	}
	return nil
}

// bringing lets the spaces of a guest show the files of links, which are in m,
// and keeps nothing. One that is not whole is left out.
func (s *spaces) bringing(m Memory, links []ipld.Link) error {
	if !s.open.alone {
		return nil
	}
	brings := make(map[ipld.Link]bool)
	for _, link := range links {
		blocks, err := fileBlocks(m, link)
		if err != nil && !missing(err) {
			return err
		}
		for _, l := range blocks {
			brings[l] = true
		}
	}
	front := s.open.Memory.(behind)
	front.brings = brings
	s.open.Memory = front
	if b, ok := s.secret.Memory.(behind); ok {
		b.open = front
		s.secret.Memory = b
	}
	return nil
}

func marks(blocks []ipld.Link) []store.Note {
	notes := make([]store.Note, len(blocks))
	for i, l := range blocks {
		notes[i] = store.Note{Kind: SharedKind, Key: l.Key(), Value: []byte{}}
	}
	return notes
}

// fileBlocks are the blocks of the file behind link, which m has.
func fileBlocks(m Memory, link ipld.Link) (all []ipld.Link, err error) {
	seen := map[ipld.Link]bool{link: true}
	for todo := []ipld.Link{link}; len(todo) > 0; {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		parts, err := filePart(m, l)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			if !seen[p] {
				seen[p] = true
				todo = append(todo, p)
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// filePart are the links in one block of a file.
func filePart(m Memory, l ipld.Link) ([]ipld.Link, error) {
	switch l.Codec() {
	case ipld.CodecRaw:
		ok, err := m.Has(l)
		if err == nil && !ok {
			err = fmt.Errorf("block %s: %w", l, store.ErrNotFound)
		}
		return nil, err
	case ipld.CodecDagPB:
		data, err := m.Block(l)
		if err != nil {
			return nil, err
		}
		return ipld.FileLinks(data)
	}
	return nil, fmt.Errorf("%s: %w", l, ipld.ErrNotFile)
}
