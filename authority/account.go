package authority

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// An account is what the workflows that rest on one delegation have used of the
// total that it grants. What one in progress may use counts as used until it
// ends, so that a node that breaks off in between has counted enough.
type account struct {
	total uint64 // granted
	used  uint64
	until int64 // last second at which the delegation is in force
	link  ipld.Link
}

// maxAccounts bounds how many are kept.
const maxAccounts = 1 << 16

// accountKey tells a delegation by what was signed: of a P-256 signature
// anybody can make a second form, which has another CID.
type accountKey = [32]byte

// totals are the accounts of the delegations of a chain that grant a total. A
// delegation that says so in a form which is not understood is refused.
func (g *Guard) totals(chain []*ucan.SignedDelegation) (map[accountKey]account, error) {
	all := make(map[accountKey]account)
	for _, d := range chain {
		dlg := d.Delegation()
		total, bounded, err := grant.Total(dlg.Meta)
		if err != nil {
			return nil, fmt.Errorf("%w: the delegation %s: %w", ErrRefused, d.Link().Base58(), err)
		}
		if !bounded {
			continue
		}
		a := account{total: total, used: g.accounts[d.SigHash()].used, until: math.MaxInt64, link: d.Link()}
		if dlg.Expires != nil {
			a.until = *dlg.Expires
		}
		all[d.SigHash()] = a
	}
	return all, nil
}

// within tells whether gas is left in each account.
func within(all map[accountKey]account, gas uint64) error {
	for _, a := range all {
		if left := a.total - min(a.used, a.total); gas > left {
			return fmt.Errorf("%w: asked: %d gas; used or set aside: %d; granted: %d to all workflows together, by the delegation %s",
				ErrRefused, gas, a.used, a.total, a.link.Base58())
		}
	}
	return nil
}

// reserve counts gas as used in each account of chain, or in none.
func (g *Guard) reserve(chain []*ucan.SignedDelegation, gas uint64) ([]accountKey, error) {
	all, err := g.totals(chain)
	if err == nil {
		err = within(all, gas)
	}
	if err != nil {
		return nil, err
	}
	var keys []accountKey
	for key, a := range all {
		if _, known := g.accounts[key]; !known && len(g.accounts) >= maxAccounts {
			if err := g.closeAccounts(); err != nil {
				return nil, err
			}
		}
		a.used += gas
		if err := g.book(key, a); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// giveBack counts gas as not used after all.
func (g *Guard) giveBack(keys []accountKey, gas uint64) error {
	for _, key := range keys {
		a := g.accounts[key]
		a.used -= min(gas, a.used)
		if err := g.book(key, a); err != nil {
			return err
		}
	}
	return nil
}

// book keeps an account.
func (g *Guard) book(key accountKey, a account) error {
	data, err := ipld.AppendCBOR(nil, a.value())
	if err != nil {
		return err
	}
	if err := g.store.PutNote(accountKind, string(key[:]), data); err != nil {
		return err
	}
	g.accounts[key] = a
	return nil
}

// closeAccounts forgets those of delegations that have expired. The error is
// [ucan.ErrFull] when there are none.
func (g *Guard) closeAccounts() error {
	for key, a := range g.accounts {
		if !past(a.until, g.now()) {
			continue
		}
		if err := g.store.PutNote(accountKind, string(key[:]), nil); err != nil {
			return err
		}
		delete(g.accounts, key)
	}
	if len(g.accounts) >= maxAccounts {
		return fmt.Errorf("%w: %d delegations with a total: %w", ErrRefused, len(g.accounts), ucan.ErrFull)
	}
	return nil
}

// past tells whether a token that was valid until then is not valid any more, by
// whatever skew a node may have.
func past(until int64, now time.Time) bool {
	return until < now.Add(-MaxSkew).Unix()
}

// reopen takes in an account that was kept, or drops its note.
func (g *Guard) reopen(n store.Note) error {
	a, err := parseAccount(n.Value)
	if err == nil && len(n.Key) != len(accountKey{}) {
		err = errors.New("not under a hash")
	}
	if err != nil {
		return fmt.Errorf("note %x is no account: %w", n.Key, err)
	}
	if past(a.until, g.now()) {
		return g.store.PutNote(accountKind, n.Key, nil)
	}
	g.accounts[accountKey([]byte(n.Key))] = a
	return nil
}

// value is what the note of a has.
func (a account) value() ipld.Value {
	return ipld.Map(ipld.Entry{Key: "used", Value: ipld.Uint(a.used)}, ipld.Entry{Key: "until", Value: ipld.Int(a.until)})
}

func parseAccount(data []byte) (a account, err error) {
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return a, err
	}
	used, _ := v.Lookup("used")
	until, _ := v.Lookup("until")
	var ok, dated bool
	a.used, ok = used.AsUint64()
	a.until, dated = until.AsInt64()
	if !ok || !dated || v.Len() != 2 {
		return a, errors.New("not {used, until}")
	}
	return a, nil
}
