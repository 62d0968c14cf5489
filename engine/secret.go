package engine

import (
	"context"
	"errors"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Vault keeps what is secret, apart from the store; [*store.Vault] is one.
type Vault interface {
	Memory
	// Put is as that of a [Store], for what no Store takes.
	Put(b secret.Of[store.Batch]) error
	Sync(ctx context.Context) error
}

// space is where what comes of a step is kept and looked up, and with which
// runs it shares its own: in the open, or in the vault. What is secret is never
// put into the store, nor shared with a run that is not.
type space struct {
	Memory
	put     func(store.Batch) error
	flights *flights
}

// public is the space of steps that are no secrets.
func (e *Engine) public() space { return space{e.Store, e.Store.Put, &e.flights} }

// spaceOf is the space of a step.
func (e *Engine) spaceOf(isSecret bool) (space, error) {
	if !isSecret {
		return e.public(), nil
	}
	v, err := e.vault()
	if err != nil {
		return space{}, err
	}
	return space{
		Memory:  behind{v, e.Store},
		put:     func(b store.Batch) error { return v.Put(secret.New(b)) },
		flights: &e.secrets,
	}, nil
}

// spacesOf are the spaces that the steps of g need.
func (e *Engine) spacesOf(g *graph.Graph) (map[bool]space, error) {
	spaces := map[bool]space{false: e.public()}
	for i := range g.Len() {
		if !g.Step(i).Secret {
			continue
		}
		var err error
		if spaces[true], err = e.spaceOf(true); err != nil {
			return nil, err
		}
		break
	}
	return spaces, nil
}

// errNoVault reports an engine that was given none.
var errNoVault = errors.New("this node keeps no secrets: it has no vault")

// vault opens the vault when it is first needed.
func (e *Engine) vault() (Vault, error) {
	if e.Config.Vault == nil {
		return nil, errNoVault
	}
	v, err := e.Config.Vault()
	if err != nil {
		return nil, err
	}
	e.opened.Store(&v)
	return v, nil
}

// RevealFile returns the bytes of the file behind a link in a secret result.
func (e *Engine) RevealFile(link ipld.Link) ([]byte, error) {
	sp, err := e.spaceOf(true)
	if err != nil {
		return nil, err
	}
	return content{sp}.File(link)
}

// sync returns when everything that was kept before is durable.
func (e *Engine) sync(ctx context.Context) error {
	if v := e.opened.Load(); v != nil {
		if err := (*v).Sync(ctx); err != nil {
			return err
		}
	}
	return e.Store.Sync(ctx)
}

// behind is what is kept in the vault, and behind it what is in the open, where
// the inputs of a secret step may be.
type behind struct {
	vault Vault
	open  Memory
}

func (b behind) Block(l ipld.Link) ([]byte, error) {
	data, err := b.vault.Block(l)
	if errors.Is(err, store.ErrNotFound) {
		return b.open.Block(l)
	}
	return data, err
}

func (b behind) Has(l ipld.Link) (bool, error) {
	ok, err := b.vault.Has(l)
	if ok || err != nil {
		return ok, err
	}
	return b.open.Has(l)
}

func (b behind) Receipts(id task.ID) ([]*receipt.Signed, error) {
	all, err := b.vault.Receipts(id)
	if err != nil {
		return nil, err
	}
	more, err := b.open.Receipts(id)
	return append(all, more...), err
}

func (b behind) Module(l ipld.Link) (ipld.Value, bool, error) { return b.open.Module(l) }

func (b behind) Resolve(id task.ID) (task.ID, bool, error) { return b.open.Resolve(id) }

func (b behind) Note(kind, key string) ([]byte, bool, error) {
	value, ok, err := b.vault.Note(kind, key)
	if ok || err != nil {
		return value, ok, err
	}
	return b.open.Note(kind, key)
}

// hide takes out of the report of a secret job what may not be shown: what it
// came to and why, under which address, and what that took.
func hide(j JobReport) JobReport {
	shown := JobReport{
		Label: j.Label, Status: j.Status, How: j.How, Task: j.Written, Written: j.Written,
		Upstream: j.Upstream, Handled: j.Handled, Limits: j.Limits,
		Secret: true, Hidden: secret.New(&j),
	}
	if f := j.Outcome.Failure; f != nil {
		shown.Outcome.Failure = &task.Failure{Kind: f.Kind, Message: secret.Shown}
		if j.Status == JobUpstream || j.Status == JobCancelled { // nothing of its own
			shown.Outcome.Failure = f
		}
	} else {
		shown.Outcome.Value = ipld.String(secret.Shown)
	}
	return shown
}
