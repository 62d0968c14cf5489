package rpc

import "testing"

func TestSizes(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	want, err := n.Sizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Sizes(t.Context()); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
