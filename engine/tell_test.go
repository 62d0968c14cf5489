package engine

import (
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// TestTellAfterTheEnd is a step that speaks after its run was cancelled and has
// ended: it is not heard, and does no harm.
func TestTellAfterTheEnd(t *testing.T) {
	t.Parallel()
	var heard []Event
	e := &Engine{Config: Config{Now: time.Now}}
	tell := e.tell(ipld.Link{}, func(ev Event) { heard = append(heard, ev) }, nil)
	tell.add(Event{Kind: WorkflowStarted})
	if err := tell.end(); err != nil {
		t.Fatal(err)
	}
	tell.add(Event{Kind: JobStarted})
	if len(heard) != 1 || heard[0].Kind != WorkflowStarted || heard[0].Seq != 1 {
		t.Errorf("heard %v", heard)
	}
}
