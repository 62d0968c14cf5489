package client_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// issued is a receipt of somebody about a task.
func issued(t *testing.T, about string) *receipt.Signed {
	t.Helper()
	r, err := receipt.Issue(ipvmtest.Key(t), receipt.Receipt{
		Executor: ipvmtest.Key(t).DID(), Task: taskID(about), Out: task.Outcome{Value: ipld.Int(43)},
		Gas: 1, Limits: task.Limits{Gas: 10, Memory: 64 << 20}, Schedule: "test-1",
	})
	must(t, err)
	return r
}

func taskID(of string) task.ID { return task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte(of))} }

// listed is a list of tokens in DAG-CBOR.
func listed(tokens ...[]byte) []byte {
	return append([]byte{0x80 | byte(len(tokens))}, bytes.Join(tokens, nil)...)
}

// Receipts count only if they are about the task and signed.
func TestReceiptsHeld(t *testing.T) {
	t.Parallel()
	good, other := issued(t, "a").Bytes(), issued(t, "b").Bytes()
	forged := bytes.Clone(good)
	forged[10] ^= 1
	for name, test := range map[string]struct {
		body []byte
		text string
	}{
		"good":         {listed(good), ""},
		"another task": {listed(good, other), "is about task"},
		"forged":       {listed(good, forged), "signature"},
		"no receipt":   {listed([]byte{0x01}), "not a receipt"},
		"no list":      {[]byte{0x01}, "no list of receipts"},
		"no CBOR":      {[]byte{0xff}, "no list of receipts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, answer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/vnd.ipld.dag-cbor")
				_, _ = w.Write(test.body)
			}))
			all, err := c.Receipts(t.Context(), taskID("a"))
			if test.text == "" {
				must(t, err)
				expect(t, "receipts", len(all), 1)
			} else if !errors.Is(err, client.ErrAnswer) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v, expected one that says %q", err, test.text)
			}
		})
	}
}

// What a node says it has stored or sends is held to its CID, and an answer to what
// was asked.
func TestAnswersHeld(t *testing.T) {
	t.Parallel()
	c := open(t, answer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		case strings.HasPrefix(r.URL.Path, "/ipfs/") && r.Method == http.MethodGet:
			w.Header().Set("Content-Type", "application/vnd.ipld.raw")
			_, _ = w.Write([]byte("b"))
		case strings.HasPrefix(r.URL.Path, "/ipfs"):
			about(w, `{"schema":1,"cid":"bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy"}`)
		case r.URL.Query().Has("state"):
			about(w, `{"workflows":[],"next":"1"}`)
		case r.Method == http.MethodPost:
			about(w, `{"workflow":"`+taskID("x").String()+`","state":"","attempt":1}`)
		default:
			about(w, someRun)
		}
	}))
	ctx := t.Context()
	a := ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, []byte("a")), Data: []byte("a")}
	for name, do := range map[string]func() error{
		"block":    func() error { _, err := c.Block(ctx, a.Link); return err },
		"file":     func() error { _, err := c.File(ctx, a.Link); return err },
		"stored":   func() error { return c.PutBlock(ctx, a) },
		"uploaded": func() error { _, err := c.Upload(ctx, a.Data); return err },
		"run":      func() error { _, err := c.Run(ctx, a.Link); return err },
		"jobs":     func() error { _, err := c.Jobs(ctx, a.Link); return err },
		"cancel":   func() error { _, err := c.Cancel(ctx, a.Link); return err },
		"no state": func() error { _, err := c.Suspend(ctx, taskID("x").Link); return err },
		"list": func() (err error) {
			for _, e := range c.Runs(ctx, true) {
				err = e
			}
			return err
		},
	} {
		if err := do(); !errors.Is(err, client.ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
