package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// counted lets everything run on behalf of a principal, and tells of each step
// that begins.
type counted struct {
	who   did.DID
	begun func(did.DID)
}

func (c *counted) Issuer() did.DID { return c.who }

func (c *counted) Allow(ipld.Link, string) *task.Failure {
	c.begun(c.who)
	return nil
}

// numbers is a document of n jobs from first on, which wait for nothing.
func numbers(n, first int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "j%d: next(%d)\n", i, first+i)
	}
	return b.String()
}

// Two steps of one principal begin while another has thousands that were there
// first, whoever of them is the owner.
func TestFewStepsOfAnotherPrincipal(t *testing.T) {
	t.Parallel()
	const workers, workflows, jobs = 2, 10, 300
	for _, ownerHasMany := range []bool{true, false} {
		t.Run(fmt.Sprintf("the owner has many %v", ownerHasMany), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, ipvmtest.Options{Workers: workers})
			many, few := r.Key.DID(), did.DID("did:key:alice")
			if !ownerHasMany {
				many, few = few, many
			}
			var mu sync.Mutex
			var order []did.DID
			gates := map[did.DID]chan struct{}{many: make(chan struct{}), few: make(chan struct{})}
			open := sync.OnceFunc(func() { close(gates[many]); close(gates[few]) })
			t.Cleanup(open)
			begun := func(who did.DID) {
				mu.Lock()
				order = append(order, who)
				mu.Unlock()
				<-gates[who]
			}
			var wait []func() (*engine.Report, error)
			for i := range workflows {
				wait = append(wait, start(t.Context(), r.Engine.Engine, r.document(t, numbers(jobs, i*jobs)), engine.Options{Permit: &counted{many, begun}}))
			}
			came := func(begun, asking int) func() bool {
				return func() bool { mu.Lock(); defer mu.Unlock(); return len(order) == begun && r.Asking() == asking }
			}
			until(t, "all workers are taken", came(workers, 1))
			wait = append(wait, start(t.Context(), r.Engine.Engine, r.document(t, numbers(2, 1e6)), engine.Options{Permit: &counted{few, begun}}))
			until(t, "both ask for workers", came(workers, 2))
			gates[many] <- struct{}{} // the first of its steps ends
			until(t, "both ask again", came(workers+1, 2))
			gates[many] <- struct{}{}
			until(t, "the many ask again", came(workers+2, 1))
			open()
			for _, w := range wait {
				if report, err := w(); err != nil || report.Status != engine.StatusOK {
					t.Fatal(report, err)
				}
			}
			if got := order[workers : workers+2]; got[0] != few || got[1] != few {
				t.Errorf("the next to begin were those of %q", got)
			}
		})
	}
}

// until waits for something that is to come soon.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to this: %s", what)
		}
	}
}

// Steps run at once only as far as their memory is there together, and none waits
// for ever.
func TestNodeMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 4, Policy: engine.Policy{Memory: 200 << 20}}) // 64 MiB thrice, not 4 times
	var mu sync.Mutex
	begun := 0
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open)
	permit := &counted{r.Key.DID(), func(did.DID) {
		mu.Lock()
		begun++
		mu.Unlock()
		<-gate
	}}
	done := start(t.Context(), r.Engine.Engine, r.document(t, numbers(20, 0)), engine.Options{Permit: permit})
	until(t, "3 steps run, and the others wait", func() bool {
		mu.Lock()
		defer mu.Unlock()
		if begun > 3 {
			t.Fatalf("%d steps run", begun)
		}
		return begun == 3 && r.Asking() == 1
	})
	open()
	if report, err := done(); err != nil || report.Status != engine.StatusOK {
		t.Fatal(report, err)
	}
}

// Who asks for more than there is together is told before anything runs.
func TestMoreThanTheNodesMemory(t *testing.T) {
	t.Parallel()
	p := engine.Policy{Memory: 200 << 20}
	r := newRig(t, ipvmtest.Options{Policy: p})
	faults, err := engine.Check(t.Context(), r.Engine.Engine, r.document(t, "job: next(1), memory: 256MiB\nfits: next(1), memory: 128MiB\n"), p)
	if err != nil || len(faults) != 1 {
		t.Fatal(faults, err)
	}
	if got, want := faults[0].Msg+": "+faults[0].Hint, "the job asks for memory 256 MiB, this node grants at most 128 MiB: ask for less, or raise --node-memory"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	p.Max.Memory = 64 << 20
	if faults, err = engine.Check(t.Context(), r.Engine.Engine, r.document(t, "job: next(1), memory: 128MiB\n"), p); err != nil || len(faults) != 1 || !strings.HasSuffix(faults[0].Hint, "--max-memory") {
		t.Error(faults, err)
	}
	for bound, want := range map[uint64]uint64{1: 64 << 20, 64 << 20: 64 << 20, 127 << 20: 64 << 20, 128 << 20: 128 << 20, 1 << 40: 1 << 30} {
		if got := (engine.Policy{Memory: bound}).Limits(task.Limits{Memory: 1 << 40}).Memory; got != want {
			t.Errorf("bound %d: %d for a job that asks for much, want %d", bound, got, want)
		}
	}
}

func TestOnlyTheOwnerRaisesPriorities(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	g := r.document(t, "job: next(1)\n")
	for _, test := range []struct {
		o    engine.Options
		want string
	}{
		{engine.Options{}, ""},
		{engine.Options{Priority: engine.Low}, ""},
		{engine.Options{Priority: engine.High}, ""},
		{engine.Options{Priority: "highest"}, `no such priority: "highest"`},
		{engine.Options{Priority: engine.High, Permit: guest(r.Key.DID())}, ""},
		{engine.Options{Priority: engine.Normal, Permit: guest("did:key:alice")}, ""},
		{engine.Options{Priority: engine.High, Permit: guest("did:key:alice")}, "only the owner"},
		{engine.Options{Priority: engine.High, Permit: engine.Unsigned}, "only the owner"},
	} {
		_, err := r.Run(context.Background(), g, test.o)
		if got := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(got, test.want) && test.want != "" {
			t.Errorf("%+v: %v, want %q", test.o, err, test.want)
		}
		if denied := strings.HasPrefix(test.want, "only"); denied != errors.Is(err, engine.ErrPriority) {
			t.Errorf("%+v: %v", test.o, err)
		}
	}
}
