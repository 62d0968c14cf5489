package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// ErrGone reports that the process that served a node has ended or can not be
// reached any more. What it had acknowledged is kept; asking the next owner of
// the state directory again is safe, because workflows are known by their CID.
var ErrGone = errors.New("the node is gone")

// Signer is one whose receipts count.
type Signer struct {
	DID did.DID
	// Name is for people; it may be empty.
	Name string
	// Proofs are the delegations by which receipts count as far as these go, the
	// last of them for the signer; without any, all receipts of the signer count.
	Proofs []*ucan.SignedDelegation
	// Refused says why the proofs do not hold any more; empty while they do.
	Refused string
}

// Word is what the word of somebody about a task is worth.
type Word struct {
	Counts bool
	// Partly tells that it depends on what the task calls, which is not known here.
	Partly bool
	// Signer is by which entry it counts: the zero Signer for the node itself.
	Signer Signer
	// Why says why it does not count, where the node was told of its signer.
	Why string
}

// maxName bounds the name of a signer, in bytes.
const maxName = 64

// Check tells whether s can sign receipts and has a name that can be shown.
func (s Signer) Check() error {
	if _, err := s.DID.PublicKey(); err != nil {
		return err
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if len(s.Name) > maxName || strings.ContainsFunc(s.Name, odd) {
		return fmt.Errorf("the name %.80q is not short text of one line", s.Name)
	}
	return nil
}

// Backend is a node: the one in this process, or one behind a socket.
type Backend interface {
	// DID is the principal that signs the node's receipts.
	DID(ctx context.Context) (did.DID, error)
	// PutBlocks stores blocks, each verified against its link, durably.
	PutBlocks(ctx context.Context, blocks []ipld.Block) error
	// Share lets the workflows of others read a file of the store, durably. The
	// error wraps store.ErrNotFound if it is not whole there.
	Share(ctx context.Context, link ipld.Link) error
	// Block returns a verified block, or an error that wraps store.ErrNotFound.
	Block(ctx context.Context, link ipld.Link) ([]byte, error)
	// Receipts returns all evidence about one task.
	Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error)
	// PutReceipt keeps a receipt from elsewhere as evidence, durably. Its
	// signature must hold.
	PutReceipt(ctx context.Context, r *receipt.Signed) error
	// Trusted lists those whose receipts count beside the node's own, by DID, and
	// those whose receipts count as far as proofs go.
	Trusted(ctx context.Context) ([]Signer, error)
	// Trust makes the receipts of a signer count, durably. Proofs have to lead from
	// the node to the signer, and to hold now; else the error wraps ErrDenied.
	// Distrust lets none of the signer's receipts count any more.
	Trust(ctx context.Context, s Signer) error
	Distrust(ctx context.Context, id did.DID) error
	// Word tells what the word of a signer about a task is worth here.
	Word(ctx context.Context, signer did.DID, id task.ID) (Word, error)
	// Quarantined lists the tasks whose calls have ended the node's process, the
	// oldest first.
	Quarantined(ctx context.Context) ([]quarantine.Record, error)
	// Release durably forgets what is held against a task, or all tasks of a
	// module, and returns how many records that were.
	Release(ctx context.Context, link ipld.Link) (int, error)
	// Scan calls yield for each receipt until it returns false.
	Scan(ctx context.Context, yield func(*receipt.Signed) bool) error
	// Rerun runs the task of a receipt again, for as long as limit at most, and
	// compares. What proves a receipt of this node's store wrong is kept there. See
	// [engine.Engine.Rerun].
	Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error)
	// Module returns what is known of the module behind link, or why it can
	// not be used.
	Module(ctx context.Context, link ipld.Link) (engine.ModuleInfo, *task.Failure, error)
	// Note returns what the node noted about the run of a task; the zero Note
	// when there is nothing.
	Note(ctx context.Context, id task.ID) (engine.Note, error)
	// Standing tells for each of ids what the node knows of the task. See
	// [engine.Engine.Standing].
	Standing(ctx context.Context, ids []task.ID) ([]engine.Standing, error)
	// Revoke takes in a revocation, a container of UCAN tokens, durably, and
	// returns the link of the delegation that does not count any more.
	Revoke(ctx context.Context, container []byte) (ipld.Link, error)
	// Revoked tells which delegations of a container of UCAN tokens were
	// revoked, and by whom of those that issued one there.
	Revoked(ctx context.Context, container []byte) ([]ucan.Revocation, error)
	// Preview tells what Run would find remembered and what it would run.
	Preview(ctx context.Context, g *graph.Graph, o engine.Options) ([]engine.Forecast, error)
	// Submit accepts a workflow, which the node then drives to its end, whoever
	// is there. See [runs.Keeper.Submit]. The error wraps [ErrNoService] if this
	// process does not stay for that.
	Submit(ctx context.Context, g *graph.Graph, o runs.Options) (runs.Run, error)
	// RunOf returns how an accepted run stands, JobsOf what its jobs came to, in the
	// order in which they settled. The errors wrap [runs.ErrUnknown].
	RunOf(ctx context.Context, id runs.ID) (runs.Run, error)
	JobsOf(ctx context.Context, id runs.ID) ([]runs.Job, error)
	// Runs calls yield with the accepted runs that q selects, the latest first,
	// until it returns false.
	Runs(ctx context.Context, q runs.Query, yield func(runs.Run) bool) error
	// Watch tells the events of an accepted run. See [runs.Keeper.Watch].
	Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error
	// Submission returns an accepted run with what it was submitted with. The error
	// wraps [runs.ErrUnknown].
	Submission(ctx context.Context, id runs.ID) (runs.Submission, error)
	// Direct suspends, resumes, cancels or hands over an accepted run. See
	// [runs.Keeper].
	Direct(ctx context.Context, id runs.ID, what Direction) (runs.Run, error)
	// Collect removes what was used least recently, within the bounds of c, or
	// tells what would go. See [store.Store.Collect].
	Collect(ctx context.Context, c store.Collection) (store.Collected, error)
	// Sizes tells how much is kept, by part.
	Sizes(ctx context.Context) (Sizes, error)
	// Room tells what the disk has left, and whether new work is taken.
	Room(ctx context.Context) (Room, error)
	// Pin keeps what is under a link from being collected, durably. The error
	// wraps store.ErrNotFound if there is nothing. Unpin lets it go; its error
	// wraps [ErrNotPinned]. Pins calls yield with each pin until it returns false.
	Pin(ctx context.Context, link ipld.Link) (Pin, error)
	Unpin(ctx context.Context, link ipld.Link) error
	Pins(ctx context.Context, yield func(Pin) bool) error
	// Backup copies the state directory to dir, a whole path where nothing is, on
	// the machine of the node. The key goes with it if asked.
	Backup(ctx context.Context, dir string, withKey bool) error
	// Run drives g to its end. See [engine.Engine.Run].
	Run(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error)
}

// Direction is what is to become of an accepted run.
type Direction string

// The directions.
const (
	Suspend Direction = "suspend"
	Resume  Direction = "resume"
	Cancel  Direction = "cancel"
	// HandOver is what becomes of a suspended run that goes on elsewhere.
	HandOver Direction = "hand-over"
)
