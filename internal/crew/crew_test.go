package crew

import (
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGo shows that all funcs are called, also those that wait for others, and
// that Close waits for them.
func TestGo(t *testing.T) {
	c := New(2)
	const n = 50
	var all sync.WaitGroup
	all.Add(n)
	ended := make([]bool, n)
	for i := range n {
		c.Go(func() {
			all.Done()
			all.Wait() // for every other
			ended[i] = true
		})
	}
	c.Close()
	for i, ok := range ended {
		if !ok {
			t.Errorf("func %d has not returned", i)
		}
	}
}

// TestKept shows that goroutines are kept for what comes next, as many as may be.
func TestKept(t *testing.T) {
	c := New(1)
	defer c.Close()
	first := make(chan struct{})
	c.Go(func() { close(first) })
	<-first
	for range 1000 {
		done := make(chan struct{})
		c.Go(func() { close(done) })
		<-done
	}
	if n := len(c.keep); n != 1 {
		t.Errorf("%d goroutines are kept, want 1", n)
	}
}
