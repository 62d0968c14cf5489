package rpc

import "testing"

func TestRoom(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	for _, want := range []Room{{}, {Known: true}, {Free: 1 << 40, Known: true}, {Free: 5, Known: true, Refused: "disk full\n"}} {
		n.left = want
		if got, err := c.Room(t.Context()); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}
