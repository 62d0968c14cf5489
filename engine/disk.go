package engine

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// diskUse is how many bytes a result takes: its encoding, and the files that it
// links to.
func diskUse(m Memory, v ipld.Value) (uint64, error) {
	data, err := ipld.AppendCBOR(nil, v)
	if err != nil {
		return 0, err
	}
	total := uint64(len(data))
	for link := range ipld.Links(v) {
		block, err := m.Block(link)
		if missing(err) { // it was no part of the result
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("size of %s: %w", link, err)
		}
		size := uint64(len(block))
		if link.Codec() == ipld.CodecDagPB {
			if size, err = ipld.FileSize(block); err != nil {
				return 0, fmt.Errorf("size of %s: %w", link, err)
			}
		}
		total += size
	}
	return total, nil
}

func hasLinks(v ipld.Value) bool {
	for range ipld.Links(v) {
		return true
	}
	return false
}

// overDisk is why out is more than the job may leave behind; nil when it is
// not. The result itself is kept and remembered: another job may take it.
func overDisk(m Memory, out task.Outcome, limit uint64) (*task.Failure, error) {
	if !out.OK() || limit >= task.MaxArgs && !hasLinks(out.Value) { // no value is larger
		return nil, nil
	}
	use, err := diskUse(m, out.Value)
	if err != nil || use <= limit {
		return nil, err
	}
	return task.Failf(task.KindType, tooLarge+"%d bytes, the disk limit of the job is %d", use, limit), nil
}

// tooLarge begins what [overDisk] says.
const tooLarge = "the result takes "

// IsOverDisk tells whether f is of a result that takes more than the job may leave
// behind.
func IsOverDisk(f *task.Failure) bool {
	return f.Kind == task.KindType && strings.HasPrefix(f.Message, tooLarge)
}
