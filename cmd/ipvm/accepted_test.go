package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/runs"
)

// standstill is a place where a run stands in some way.
type standstill struct {
	place
	run runs.Run
}

func (s standstill) RunOf(context.Context, runs.ID) (runs.Run, error) { return s.run, nil }

// Who follows a run hears how it stands when no more events come, also where it has
// come to its end a moment later.
func TestFollowedRunStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state runs.State
		want  error
		text  string
	}{
		{runs.Suspended, nil, "suspended; go on with `ipvm resume "},
		{runs.HandedOver, nil, "handed-over: 1 of 2 jobs settled"},
		{runs.OK, nil, "ok: 1 of 2 jobs settled"},
		{runs.Cancelled, errFailed, "cancelled: 1 of 2 jobs settled"},
		{runs.Failed, errFailed, "failed: 1 of 2 jobs settled"},
		{runs.Running, errNoNode, ""},
	} {
		var out strings.Builder
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		cmd.SetOut(&out)
		teller := newTale(cmd, standstill{run: runs.Run{State: test.state, Jobs: 2, Settled: 1}}, false)
		err := teller.stopped(runs.ID{})
		teller.end()
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || !strings.HasPrefix(out.String(), test.text) {
			t.Errorf("%s: %v, %q; want %v, %q", test.state, err, &out, test.want, test.text)
		}
	}
}
