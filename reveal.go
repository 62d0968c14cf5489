package ipvm

import (
	"errors"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// ErrNotRevealed reports a secret of a run that another process drove: secrets
// do not leave the process that owns the state directory.
var ErrNotRevealed = errors.New("the secret stays in the process that owns the state directory; end that process and run the workflow again")

// Reveal returns what j hides, which is a secret, and a reader of the files that
// it links to. Whoever calls it answers for where that goes.
func (n *Node) Reveal(j *engine.JobReport) (*engine.JobReport, func(ipld.Link) ([]byte, error), error) {
	hidden := j.Hidden.Reveal()
	own, ok := n.current().(*owner)
	if hidden == nil || !ok {
		return nil, nil, ErrNotRevealed
	}
	return hidden, own.RevealFile, nil
}
