package store

import (
	"context"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Vault keeps what is secret: the same as a [Store], in a place of its own, of
// which nothing is given to others. What goes in is a [secret.Of], which no
// Store takes.
type Vault struct{ s *Store }

// OpenVault opens the vault in dir, as [Open] opens a store.
func OpenVault(dir string, o Options) (*Vault, error) { return vault(Open(dir, o)) }

// OpenVaultMemory opens an empty vault in memory.
func OpenVaultMemory(o Options) (*Vault, error) { return vault(OpenMemory(o)) }

func vault(s *Store, err error) (*Vault, error) {
	if err != nil {
		return nil, err
	}
	return &Vault{s}, nil
}

// Put keeps b as [Store.Put] does.
func (v *Vault) Put(b secret.Of[Batch]) error { return v.s.Put(b.Reveal()) }

// Sync returns when everything that was put before is durable.
func (v *Vault) Sync(ctx context.Context) error { return v.s.Sync(ctx) }

// Hold is [Store.Hold].
func (v *Vault) Hold(blocks []ipld.Link, tasks []task.ID) (*Hold, error) {
	return v.s.Hold(blocks, tasks)
}

// Collect is [Store.Collect].
func (v *Vault) Collect(ctx context.Context, c Collection) (Collected, error) {
	return v.s.Collect(ctx, c)
}

// Size is [Store.Size].
func (v *Vault) Size(ctx context.Context) (uint64, error) { return v.s.Size(ctx) }

// Held is [Store.Held].
func (v *Vault) Held(ctx context.Context) (uint64, error) { return v.s.Held(ctx) }

// Reckoned is [Store.Reckoned].
func (v *Vault) Reckoned() uint64 { return v.s.Reckoned() }

// Bare is [Store.Bare].
func (v *Vault) Bare() (bool, error) { return v.s.Bare() }

// Backup is [Store.Backup].
func (v *Vault) Backup(ctx context.Context, to string) error { return v.s.Backup(ctx, to) }

// Check is [Store.Check] for a vault whose outputs may lead into the store open.
func (v *Vault) Check(ctx context.Context, open *Store, found func(Problem)) error {
	return v.s.check(ctx, open, found)
}

// Repair is [Store.Repair] likewise.
func (v *Vault) Repair(ctx context.Context, open *Store, own did.DID, told func(Problem)) error {
	return v.s.repair(ctx, open, own, told)
}

// Close is [Store.Close].
func (v *Vault) Close() error { return v.s.Close() }

// Block is [Store.Block].
func (v *Vault) Block(l ipld.Link) ([]byte, error) { return v.s.Block(l) }

// Has is [Store.Has].
func (v *Vault) Has(l ipld.Link) (bool, error) { return v.s.Has(l) }

// Receipts is [Store.Receipts].
func (v *Vault) Receipts(id task.ID) ([]*receipt.Signed, error) { return v.s.Receipts(id) }

// Scan is [Store.Scan].
func (v *Vault) Scan(yield func(*receipt.Signed) bool) error { return v.s.Scan(yield) }

// Module is [Store.Module].
func (v *Vault) Module(l ipld.Link) (ipld.Value, bool, error) { return v.s.Module(l) }

// Resolve is [Store.Resolve].
func (v *Vault) Resolve(id task.ID) (task.ID, bool, error) { return v.s.Resolve(id) }

// Note is [Store.Note].
func (v *Vault) Note(kind, key string) ([]byte, bool, error) { return v.s.Note(kind, key) }
