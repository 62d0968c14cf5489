//go:build unix && cgo

package crashtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Opcodes of frames (RFC 6455, section 5.2).
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
	final   = 0x80
)

// socket is a WebSocket whose frames the test writes itself.
type socket struct {
	net.Conn
	in *bufio.Reader
}

// open opens a WebSocket, or returns what the node says instead.
func (s *server) open(t *testing.T) (w *socket, refused string) {
	t.Helper()
	c := s.dial(t)
	w = &socket{Conn: c, in: bufio.NewReader(c)}
	w.until(t, time.Now().Add(patience))
	_, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	for head := ""; ; {
		line, err := w.in.ReadString('\n')
		if err != nil {
			t.Fatalf("no WebSocket: %v after %q", err, head)
		}
		if head += line; line == "\r\n" {
			if strings.HasPrefix(head, "HTTP/1.1 101 ") {
				return w, ""
			}
			problem, _ := w.in.ReadString('}') // there is no other object in it
			_ = c.Close()
			return nil, head + problem
		}
	}
}

// socket opens a WebSocket.
func (s *server) socket(t *testing.T) *socket {
	t.Helper()
	w, refused := s.open(t)
	if w == nil {
		t.Fatal(refused)
	}
	return w
}

func (w *socket) until(t *testing.T, end time.Time) {
	t.Helper()
	if err := w.SetDeadline(end); err != nil {
		t.Fatal(err)
	}
}

// frame is one frame of a client, whose mask changes nothing.
func frame(first byte, payload string) string {
	head := []byte{first}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	return string(append(head, 0, 0, 0, 0)) + payload
}

func (w *socket) send(t *testing.T, frames ...string) {
	t.Helper()
	if _, err := io.WriteString(w, strings.Join(frames, "")); err != nil {
		t.Fatal(err)
	}
}

// read returns the next frame of the node.
func (w *socket) read() (opcode byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(w.in, head[:2]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(w.in, head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:4]))
	case 127:
		_, err = io.ReadFull(w.in, head[2:10])
		n = binary.BigEndian.Uint64(head[2:10])
	}
	if err != nil || n > 64<<20 {
		return 0, nil, errors.Join(err, fmt.Errorf("a frame of %d bytes", n))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.in, payload)
	return head[0] & 0xf, payload, err
}

// message is what the node says next, beside pings, which are answered.
func (w *socket) message(t *testing.T) []byte {
	t.Helper()
	for {
		opcode, payload, err := w.read()
		switch {
		case err != nil:
			t.Fatal(err)
		case opcode == opPing:
			w.send(t, frame(final|opPong, string(payload)))
		case opcode == opText:
			return payload
		default:
			t.Fatalf("a frame %d: %q", opcode, payload)
		}
	}
}

// ask sends a request and wants what is said next to be a result.
func (w *socket) ask(t *testing.T, method, params string) json.RawMessage {
	t.Helper()
	w.send(t, frame(final|opText, request(method, params)))
	var got struct{ Result json.RawMessage }
	if data := w.message(t); json.Unmarshal(data, &got) != nil || got.Result == nil {
		t.Fatalf("%s: %.500s", method, data)
	}
	return got.Result
}

func request(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":[%s],"id":1}`, method, params)
}

// TestNodeSockets opens more WebSockets than the node serves. One too many is told
// so, and those that do not want one are served.
func TestNodeSockets(t *testing.T) {
	t.Parallel()
	n := amount(700, 10_000)
	manyFiles(t)
	plain, _ := programs(t)
	s := serveHTTP(t, plain, newHome(t))
	module := s.put(t, addOne)
	s.serves(t, module, 0)
	before := s.vitals(t)
	var open []*socket
	refusals := 0
	for range n {
		w, refused := s.open(t)
		switch {
		case w != nil:
			open = append(open, w)
		case !strings.HasPrefix(refused, "HTTP/1.1 503 ") || !strings.Contains(refused, "Retry-After: ") || !strings.Contains(refused, "as many WebSockets open as it serves at once"):
			t.Fatalf("one too many is told: %q", refused)
		default:
			refusals++
		}
	}
	s.serves(t, module, 1)
	open[0].ask(t, "health", "")
	t.Logf("%d WebSockets are open, %d were refused; %v", len(open), refusals, s.vitals(t))
	if refusals == 0 {
		t.Error("none was refused")
	}
	for _, w := range open {
		_ = w.Close()
	}
	s.recovers(t, before, 64<<20)
	s.socket(t).ask(t, "health", "")
	s.stop(t)
}

// joiner joins two texts.
var joiner = root + "/examples/names/full-name.wasm"

// homestarWorkflow is a workflow in the dialect of Homestar of n tasks, of which
// each comes to a text of about that many bytes.
func homestarWorkflow(module, name string, n, bytes int) string {
	tasks := make([]string, n)
	for i := range tasks {
		text := fmt.Sprintf("%s-%d-%s", name, i, strings.Repeat("x", bytes))
		tasks[i] = fmt.Sprintf(`{"run":{"rsc":"ipfs://%s","op":"wasm/run","input":{"func":"full-name","args":[%q,"y"]},"nnc":""},"meta":{"memory":4294967296,"time":100000},"prf":[],"cause":null}`, module, text)
	}
	return fmt.Sprintf(`{"name":%q,"workflow":{"tasks":[%s]}}`, name, strings.Join(tasks, ","))
}

// TestNodeNeverReads has a client ask for a thousand notifications and read none.
// It is cut off and the log tells why; the node's memory does not hold what it did
// not take, and another client gets all of them.
func TestNodeNeverReads(t *testing.T) {
	t.Parallel()
	const tasks, size = 1000, 2 << 10
	n := amount(2, 20)
	plain, _ := programs(t)
	s := serveHTTP(t, plain, newHome(t))
	module := s.put(t, joiner)
	document := homestarWorkflow(module, "many", tasks, size)
	other := s.socket(t)
	other.ask(t, "subscribe_run_workflow", document)
	counted(t, other, tasks)
	before := s.vitals(t)

	for range n {
		w := s.socket(t)
		if err := w.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		w.ask(t, "subscribe_run_workflow", document)
		opcode, payload, err := w.read()
		if err != nil || opcode != opPing {
			t.Fatalf("expected a ping, got %d (%v)", opcode, err)
		}
		w.send(t, frame(final|opPong, string(payload))) // and then it reads no more
	}
	other.ask(t, "subscribe_run_workflow", document)
	counted(t, other, tasks)
	_ = other.Close()
	most := s.vitals(t)
	const cut = "a client is cut off"
	await(t, "the clients to be cut off", func() bool {
		most = larger(most, s.vitals(t))
		return strings.Count(s.stderr.String(), cut) >= n
	})
	t.Logf("%d clients cut off; at most %v", n, most)
	// Each request is 2 MiB, of which less than 1 MiB is held as long as there is somebody to tell.
	if grown, right := most.resident-before.resident, int64(96+4*n)<<20; grown > right {
		t.Errorf("the node grew by %d MiB meanwhile", grown>>20)
	}
	s.socket(t).ask(t, "health", "")
	s.recovers(t, before, int64(96+4*n)<<20)
	s.stop(t)
}

// counted reads n notifications, of n tasks.
func counted(t *testing.T, w *socket, n int) {
	t.Helper()
	w.until(t, time.Now().Add(patience))
	all := make([]string, n)
	for i := range all {
		_, data, ok := bytes.Cut(w.message(t), []byte(`"result":[`))
		if !ok {
			t.Fatal("expected a notification")
		}
		all[i] = string(data)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != n {
		t.Error("a task was told twice")
	}
}

// TestNodeMalformedFrames sends what is no WebSocket, and what is hardly one. The
// node goes on, and what is right, though cut into pieces, is answered.
func TestNodeMalformedFrames(t *testing.T) {
	t.Parallel()
	n := amount(300, 20_000)
	plain, _ := programs(t)
	s := serveHTTP(t, plain, newHome(t))
	health := request("health", "")
	w := s.socket(t)
	w.send(t, frame(opText, health[:10]), frame(final|opPing, "still there?"), frame(0, ""), frame(0, health[10:20]), frame(final, health[20:]))
	if opcode, payload, err := w.read(); err != nil || opcode != opPong || string(payload) != "still there?" {
		t.Errorf("a ping between pieces: %d %q (%v)", opcode, payload, err)
	}
	if data := w.message(t); !bytes.Contains(data, []byte(`"healthy":true`)) {
		t.Errorf("a request in pieces: %s", data)
	}
	w.send(t, frame(final|opText, "{\"\xff\": 1}"))
	if data := w.message(t); !bytes.Contains(data, []byte(`"the message is not UTF-8"`)) {
		t.Errorf("a request that is not UTF-8: %s", data)
	}
	before := s.vitals(t)

	rng := random(t)
	var work sync.WaitGroup
	for range 8 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 0))
		work.Go(func() {
			for range n / 8 {
				s.malformed(t, own)
			}
		})
	}
	work.Wait()
	w.ask(t, "health", "")
	s.recovers(t, before, 64<<20)
	s.stop(t)
}

// malformed sends frames of which one is not right, and hangs up.
func (s *server) malformed(t *testing.T, rng *rand.Rand) {
	w := s.socket(t)
	defer w.Close()
	noise := make([]byte, rng.IntN(300))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	health := request("health", "")
	var sent string
	switch rng.IntN(8) {
	case 0:
		sent = string(noise)
	case 1: // any kind of frame, with any bits set
		sent = frame(byte(rng.Uint32()), string(noise))
	case 2: // no mask
		sent = "\x81" + string([]byte{byte(len(health))}) + health
	case 3: // a length that is not true, or is far too large
		sent = "\x81\xff" + string(binary.BigEndian.AppendUint64(nil, rng.Uint64()>>rng.IntN(64))) + "\x00\x00\x00\x00" + string(noise)
	case 4: // pieces of pieces
		sent = frame(opText, health[:5]) + frame(opText, health[5:])
	case 5:
		sent = frame(final|opText, string(noise)) + frame(final|opClose, string(noise[:min(len(noise), 120)]))
	case 6: // cut off anywhere
		sent = frame(final|opText, health)
		sent = sent[:rng.IntN(len(sent))]
	case 7: // one byte is another
		text := []byte(frame(final|opText, health) + frame(final|opPing, "x"))
		text[rng.IntN(len(text))] = byte(rng.Uint32())
		sent = string(text)
	}
	_, _ = io.WriteString(w, sent)
	if rng.IntN(2) == 0 {
		_ = w.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = io.Copy(io.Discard, w.in)
	}
}
