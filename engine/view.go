package engine

import (
	"context"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// View is what a node shows to one principal: to its owner the store, to another
// what its own workflows came to, what came with them, and what was shared. What
// else is here answers as what is not. Secrets are in no view.
type View struct {
	engine *Engine
	space  space
}

var _ Knowledge = (*View)(nil)

// View is what who sees; empty is the owner.
func (e *Engine) View(who did.DID) (*View, error) {
	if who == "" || who == e.Key.DID() {
		return &View{e, e.public()}, nil
	}
	sp, err := e.space(Room{Guest: who})
	if err != nil {
		return nil, err
	}
	return &View{e, sp}, nil
}

// Whose is who sees it; empty is the owner.
func (v *View) Whose() did.DID { return v.space.whose }

// Block returns a verified block, or an error that wraps [store.ErrNotFound].
func (v *View) Block(link ipld.Link) ([]byte, error) { return v.space.Block(link) }

// Has tells whether Block would find it.
func (v *View) Has(link ipld.Link) (bool, error) { return v.space.Has(link) }

// Receipts returns all evidence about one task.
func (v *View) Receipts(id task.ID) ([]*receipt.Signed, error) { return v.space.Receipts(id) }

// Sync returns when all that was seen before is durable.
func (v *View) Sync(ctx context.Context) error { return v.space.sync(ctx) }

// Module is [Engine.Module] as far as the principal may know.
func (v *View) Module(ctx context.Context, link ipld.Link) (ModuleInfo, *task.Failure, error) {
	return v.engine.module(ctx, v.engine.content(ctx, v.space, link), link)
}

// Standing is [Engine.Standing] for what the principal hears.
func (v *View) Standing(_ context.Context, ids []task.ID) ([]Standing, error) {
	return v.engine.standing(v.space, ids)
}

// Bring lets the principal read blocks that are in the store of the node and that
// it has shown to know, durably.
func (v *View) Bring(ctx context.Context, blocks []ipld.Link) error {
	if !v.space.alone {
		return nil
	}
	if err := v.space.put(store.Batch{Notes: marks(blocks)}); err != nil {
		return err
	}
	return v.space.sync(ctx)
}
