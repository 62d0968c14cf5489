package ipvm

import "github.com/ipvm-wg/go-ipvm/api"

// asked tells who makes a signed request over HTTP. A refusal has the node's signed
// word.
func (o *owner) asked(container []byte, method, target string) (api.Caller, error) {
	a, err := o.guard.Ask(container, method, target)
	if err != nil {
		return api.Caller{}, o.denied(container, err)
	}
	c := api.Caller{For: a.For, Own: a.For == a.By, Guest: a.Guest, Body: a.Body}
	if c.For == o.key.DID() {
		c.For, c.Guest = "", true
	}
	return c, nil
}
