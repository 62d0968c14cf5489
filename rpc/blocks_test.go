package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// TestInlineBlocks shows that large bytes of the document travel with it,
// however many there are.
func TestInlineBlocks(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"few": 2, "many": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var jobs []string
			for i := range count {
				data := ipld.Bytes([]byte(strings.Repeat(fmt.Sprintf("%05d", i), 40<<10)))
				jobs = append(jobs, fmt.Sprintf(`"j%d": {"with": %s, "func": "f", "args": [%s]}`, i, module, data))
			}
			g := build(t, nil, "{"+strings.Join(jobs, ",")+"}", "")
			if (size(g.Blocks()) > putBytes) != (name == "many") {
				t.Fatalf("%d bytes are not %s", size(g.Blocks()), name)
			}
			got := map[ipld.Link]bool{}
			ran, calls := false, 0
			_, c := serve(t, &double{
				putBlock: func(blocks []ipld.Block) error {
					if calls++; size(blocks) > putBytes {
						return fmt.Errorf("%d bytes at once", size(blocks))
					}
					for _, b := range blocks {
						got[b.Link] = b.Link.Verify(b.Data) == nil && !ran
					}
					return nil
				},
				run: func(context.Context, *graph.Graph, engine.Options) (*engine.Report, error) {
					ran = true
					return nil, errors.New("enough")
				},
			})
			if _, err := c.Run(bounded(t), g, engine.Options{}); err == nil || err.Error() != "enough" {
				t.Fatal(err)
			}
			if (calls > 1) != (name == "many") {
				t.Errorf("%s blocks in %d calls", name, calls)
			}
			for _, b := range g.Blocks() {
				if !got[b.Link] {
					t.Fatalf("block %s is not there", b.Link)
				}
			}
		})
	}
}

// TestBlocks shows that blocks are verified on both sides.
func TestBlocks(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	var blocks []ipld.Block
	for i := range 50 {
		data := []byte(strings.Repeat(fmt.Sprint(i%10), 1<<20-i))
		blocks = append(blocks, ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, data), Data: data})
	}
	if err := c.PutBlocks(ctx, blocks); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		got, err := c.Block(ctx, b.Link)
		if err != nil || string(got) != string(b.Data) {
			t.Fatalf("block %s: %v", b.Link, err)
		}
	}
	wrong := slices.Clone(blocks[:2])
	wrong[1].Data = []byte("something else")
	if err := c.PutBlocks(ctx, wrong); !errors.Is(err, ipld.ErrMismatch) {
		t.Errorf("a wrong block: %v", err)
	}
	if err := c.PutBlocks(ctx, []ipld.Block{{Link: ipld.LinkOf(ipld.CodecRaw, make([]byte, maxBlock+1)), Data: make([]byte, maxBlock+1)}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a block above the bound: %v", err)
	}
	_, liar := serve(t, &double{block: func(context.Context, ipld.Link) ([]byte, error) { return []byte("lie"), nil }})
	if _, err := liar.Block(ctx, blocks[0].Link); !errors.Is(err, ipld.ErrMismatch) || errors.Is(err, ErrGone) {
		t.Errorf("a lie: %v", err)
	}
}

// What others may read, and what comes with a workflow, through the socket.
func TestShare(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	var got engine.Options
	_, c := serve(t, &double{Backend: n, run: func(_ context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
		got = o
		return nil, store.ErrNotFound
	}})
	ctx := bounded(t)
	file, gone := ipld.LinkOf(ipld.CodecRaw, []byte("a file")), ipld.LinkOf(ipld.CodecRaw, []byte("gone"))
	if err := n.PutBlocks(ctx, []ipld.Block{{Link: file, Data: []byte("a file")}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Share(ctx, file); err != nil {
		t.Fatal(err)
	}
	var marked []string
	if err := n.store.Notes("shared", func(note store.Note) bool { marked = append(marked, note.Key); return true }); err != nil || !slices.Equal(marked, []string{file.Key()}) {
		t.Errorf("marks of %q, %v", marked, err)
	}
	if err := c.Share(ctx, gone); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
	brings := []ipld.Link{file, gone}
	if _, err := c.Run(ctx, twoJobs(t), engine.Options{Brings: brings}); !errors.Is(err, store.ErrNotFound) || !slices.Equal(got.Brings, brings) {
		t.Errorf("%v, %v", got.Brings, err)
	}
}
