package homestar_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/homestar"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Of the document of a client that takes in nothing little is held, and nothing once
// it has gone. What the process holds is measured, so no other test runs meanwhile.
func TestHeldForSilentClients(t *testing.T) {
	const clients, tasks, size = 8, 200, 10 << 10
	var b *bench
	b = newBench(t, homestar.Config{WriteTimeout: time.Hour, PingInterval: time.Hour, Submit: func(ctx context.Context, w *workflow.Workflow) (*graph.Graph, runs.Attempt, error) {
		defer func() { b.graphs = nil }()
		return b.submit(ctx, w)
	}})
	module := b.module(t, "names/full-name.wasm")
	all := make([]string, tasks)
	for i := range all {
		all[i] = invocation(module, "full-name", fmt.Sprintf("%q", fmt.Sprint(i, strings.Repeat("x", size))), `"y"`)
	}
	doc := document("large", all...)
	first := b.dial(t)
	first.notifications(t, first.subscribe(t, doc), tasks)
	must(t, first.CloseNow())
	b.subscriptions(t, 0)
	before := heap()

	conns := make([]net.Conn, clients)
	for i := range conns {
		conns[i] = b.subscribeOnly(t, doc)
	}
	heapFalls(t, before+clients<<19)
	b.subscriptions(t, clients)
	for _, conn := range conns {
		must(t, conn.Close())
	}
	b.subscriptions(t, 0)
	heapFalls(t, before+4<<20) // the store is in memory, too
}

// subscribeOnly asks for the tasks of a workflow, shows that it heard the answer, and
// reads no more.
func (b *bench) subscribeOnly(t *testing.T, doc string) net.Conn {
	t.Helper()
	conn := b.raw(t)
	must(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	request := fmt.Sprintf(`{"jsonrpc":"2.0","method":"subscribe_run_workflow","params":[%s],"id":1}`, doc)
	frame := binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, uint64(len(request)))
	_, err := conn.Write(append(append(frame, 0, 0, 0, 0), request...))
	must(t, err)
	var got []byte
	for part := make([]byte, 1); !strings.Contains(string(got), "\x89"); got = append(got, part...) {
		_, err := io.ReadFull(conn, part)
		must(t, err)
	}
	size := make([]byte, 1)
	_, err = io.ReadFull(conn, size)
	must(t, err)
	payload := make([]byte, size[0])
	_, err = io.ReadFull(conn, payload)
	must(t, err)
	_, err = conn.Write(append([]byte{0x8a, 0x80 | size[0], 0, 0, 0, 0}, payload...))
	must(t, err)
	return conn
}

// subscriptions waits until so many are active.
func (b *bench) subscriptions(t *testing.T, n int) {
	t.Helper()
	await(t, func() string {
		_, text := b.get(t, "/metrics")
		if _, rest, _ := strings.Cut(text, `"ipvm_jsonrpc_subscriptions"`); !strings.Contains(rest[:min(len(rest), 200)], fmt.Sprintf(`"value":%d}`, n)) {
			return text
		}
		return ""
	})
}

// heapFalls waits until the process holds at most so many bytes.
func heapFalls(t *testing.T, most int64) {
	t.Helper()
	await(t, func() string {
		if held := heap(); held > most {
			return fmt.Sprintf("%d KiB are held, and %d at most were expected", held>>10, most>>10)
		}
		return ""
	})
}

// heap is how much the process holds.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// await waits until nothing is missing.
func await(t *testing.T, missing func() string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		what := missing()
		if what == "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatal(what)
		}
	}
}
