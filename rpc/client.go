package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Client is a node in another process. It is a [Backend] whose methods return
// an error that wraps [ErrGone] when that process ends or the client is closed.
type Client struct {
	path string // of the socket
	uid  int    // who serves it
	http *http.Client
	life context.Context // ends when the client is closed
	end  context.CancelFunc
}

var _ Backend = (*Client)(nil)

// putBytes is how much PutBlocks sends at once, in bytes, and a submission
// carries with it.
const putBytes = 8 << 20

// Dial returns the node that serves the state directory dir. The error wraps
// [ErrGone] if none does. Close it.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path, err := filepath.Abs(filepath.Join(dir, socketName))
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no socket %s", ErrGone, path)
	} else if err != nil {
		return nil, err
	}
	c := &Client{path: path, uid: os.Getuid()}
	c.life, c.end = context.WithCancel(context.Background())
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        idleClient,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
	}}
	if err := c.greet(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// greet makes sure that a node answers, and one that speaks as this one does.
func (c *Client) greet(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	v, err := c.value(wait, "/health")
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: no answer at %s within %v", ErrGone, c.path, dialWait)
	}
	if err != nil {
		return err
	}
	wire, _ := v.Lookup("wire")
	if n, ok := wire.AsInt64(); !ok || n != wireVersion {
		return fmt.Errorf("the node that serves %s is of another release (wire version %s, not %d): use the same release for both", c.path, wire, wireVersion)
	}
	return nil
}

// Close breaks off what is in progress. It does not wait for the callers.
func (c *Client) Close() error {
	c.end()
	c.http.CloseIdleConnections()
	return nil
}

func (c *Client) dial(ctx context.Context) (*net.UnixConn, error) {
	return dialSocket(ctx, c.path, c.uid)
}

// broken is the error of a request whose connection failed with err.
func (c *Client) broken(ctx context.Context, err error) error {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.life.Err() != nil:
		return fmt.Errorf("%w: it was closed here", ErrGone)
	case errors.Is(err, errStranger), errors.Is(err, fs.ErrPermission), errors.Is(err, ErrGone), errors.Is(err, errAnswer):
		return err
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// do sends a request and returns the answer if it is a success. The caller
// calls the func that comes with it when it has read the answer.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, func(), error) {
	own, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.life, cancel)
	done := func() { stop(); cancel() }
	req, err := http.NewRequestWithContext(own, method, "http://ipvm"+path, bytes.NewReader(body))
	if err != nil {
		done()
		return nil, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		done()
		return nil, nil, c.broken(ctx, err)
	}
	if err := c.refused(ctx, resp); err != nil {
		resp.Body.Close()
		done()
		return nil, nil, err
	}
	return resp, func() { resp.Body.Close(); done() }, nil
}

// maxError bounds an answer that is an error, in bytes: a thousand faults.
const maxError = 8 << 20

// refused is the error that resp tells of, if it is no success.
func (c *Client) refused(ctx context.Context, resp *http.Response) error {
	if resp.StatusCode < 300 {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		return c.broken(ctx, err)
	}
	v, err := ipld.DecodeJSON(data)
	if err == nil {
		if e, ok := v.Sole(); ok && e.Key == "error" {
			return remote(e.Value)
		}
	}
	return fmt.Errorf("%w: HTTP status %s", errAnswer, resp.Status)
}

// remote is the error that v says the node had.
func remote(v ipld.Value) error {
	remote, err := decodeError(v)
	if err != nil {
		return fmt.Errorf("%w: error: %w", errAnswer, err)
	}
	return remote
}

// fetch returns the body of the answer to a GET, of at most limit bytes.
func (c *Client) fetch(ctx context.Context, path string, limit int64) ([]byte, error) {
	return c.ask(ctx, http.MethodGet, path, nil, limit)
}

// ask returns the body of an answer, of at most limit bytes.
func (c *Client) ask(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error) {
	resp, done, err := c.do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer done()
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", errAnswer, limit)
	}
	return data, nil
}

// maxValue bounds an answer that is one value, in bytes.
const maxValue = 16 << 20

// value returns the answer to a GET that is a value in DAG-JSON.
func (c *Client) value(ctx context.Context, path string) (ipld.Value, error) {
	data, err := c.fetch(ctx, path, maxValue)
	if err != nil {
		return ipld.Null, err
	}
	v, err := ipld.DecodeJSON(data)
	if err != nil {
		return v, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return v, nil
}

// DID is the principal that signs the node's receipts.
func (c *Client) DID(ctx context.Context) (did.DID, error) {
	v, err := c.value(ctx, "/v1/node")
	if err != nil {
		return "", err
	}
	text, _ := v.Lookup("did")
	s, _ := text.AsString()
	id, err := did.Parse(s)
	if err != nil {
		return "", fmt.Errorf("%w: did: %w", errAnswer, err)
	}
	return id, nil
}

// PutBlocks stores blocks, each verified against its link, durably. Where
// there are many bytes it is not all or nothing.
func (c *Client) PutBlocks(ctx context.Context, blocks []ipld.Block) error {
	for len(blocks) > 0 {
		n, size := 0, 0
		for n < len(blocks) && (n == 0 || size+len(blocks[n].Data) <= putBytes) {
			if err := blocks[n].Link.Verify(blocks[n].Data); err != nil {
				return err
			}
			size += len(blocks[n].Data)
			n++
		}
		if size > maxBlock {
			return fmt.Errorf("block %s: %w: %d bytes, at most %d can be handed to another process", blocks[0].Link, ErrTooLarge, size, maxBlock)
		}
		body, err := ipld.AppendCBOR(nil, blockList(blocks[:n]))
		if err != nil {
			return err
		}
		_, done, err := c.do(ctx, http.MethodPost, "/v1/blocks", body)
		if err != nil {
			return err
		}
		done()
		blocks = blocks[n:]
	}
	return nil
}

// Share lets the workflows of others read a file of the store.
func (c *Client) Share(ctx context.Context, link ipld.Link) error {
	_, err := c.ask(ctx, http.MethodPut, "/v1/shared/"+link.String(), nil, 0)
	return err
}

// Block returns a verified block, or an error that wraps store.ErrNotFound.
func (c *Client) Block(ctx context.Context, link ipld.Link) ([]byte, error) {
	data, err := c.fetch(ctx, "/ipfs/"+link.String(), maxBlock)
	if err != nil {
		return nil, err
	}
	if err := link.Verify(data); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return data, nil
}

// Receipts returns all evidence about one task.
func (c *Client) Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error) {
	var all []*receipt.Signed
	err := c.receipts(ctx, "/v1/receipts/"+id.String(), func(signed *receipt.Signed) bool {
		all = append(all, signed)
		return true
	})
	return all, err
}

// Scan calls yield for each receipt until it returns false.
func (c *Client) Scan(ctx context.Context, yield func(*receipt.Signed) bool) error {
	return c.receipts(ctx, "/v1/receipts", yield)
}

// PutReceipt keeps a receipt from elsewhere as evidence.
func (c *Client) PutReceipt(ctx context.Context, r *receipt.Signed) error {
	_, err := c.ask(ctx, http.MethodPost, "/v1/receipts", r.Bytes(), 0)
	return err
}

// Trusted lists those whose receipts count beside the node's own.
func (c *Client) Trusted(ctx context.Context) ([]Signer, error) {
	data, err := c.fetch(ctx, "/v1/trust", maxValue)
	if err != nil {
		return nil, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return nil, fmt.Errorf("%w: trust: %w", errAnswer, err)
	}
	all, err := decodeSigners(v)
	if err != nil {
		return nil, fmt.Errorf("%w: trust: %w", errAnswer, err)
	}
	return all, nil
}

// Trust makes the receipts of a signer count.
func (c *Client) Trust(ctx context.Context, s Signer) error {
	body, err := ipld.AppendCBOR(nil, encodeSigner(s))
	if err != nil {
		return err
	}
	_, err = c.ask(ctx, http.MethodPost, "/v1/trust", body, 0)
	return err
}

// Word tells what the word of a signer about a task is worth.
func (c *Client) Word(ctx context.Context, signer did.DID, id task.ID) (Word, error) {
	data, err := c.fetch(ctx, "/v1/trust/"+url.PathEscape(string(signer))+"/"+id.String(), maxValue)
	if err != nil {
		return Word{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return Word{}, fmt.Errorf("%w: word: %w", errAnswer, err)
	}
	w, err := decodeWord(v)
	if err != nil {
		return w, fmt.Errorf("%w: word: %w", errAnswer, err)
	}
	return w, nil
}

// Distrust makes the receipts of a signer count no more.
func (c *Client) Distrust(ctx context.Context, id did.DID) error {
	_, err := c.ask(ctx, http.MethodDelete, "/v1/trust/"+url.PathEscape(string(id)), nil, 0)
	return err
}

func (c *Client) receipts(ctx context.Context, path string, yield func(*receipt.Signed) bool) error {
	resp, done, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer done()
	return c.items(ctx, resp.Body, "receipt", func(v ipld.Value) (bool, error) {
		data, _ := v.AsBytes()
		signed, err := receipt.Parse([]byte(data))
		if err != nil {
			return false, err
		}
		return yield(signed), nil
	})
}

// items calls use for what each item of a stream of frames has under key until
// it returns false or the stream is closed.
func (c *Client) items(ctx context.Context, body io.Reader, key string, use func(ipld.Value) (bool, error)) error {
	in := receiver{r: bufio.NewReader(body), frames: true}
	for n := int64(0); ; n++ {
		e, err := in.next()
		if err != nil {
			return c.broken(ctx, err)
		}
		switch e.Key {
		case key:
			more, err := use(e.Value)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", errAnswer, key, err)
			}
			if !more {
				return nil
			}
		case "error":
			return remote(e.Value)
		case "end":
			if total, ok := e.Value.AsInt64(); !ok || total != n {
				return fmt.Errorf("%w: %d items where there are %s", errAnswer, n, e.Value)
			}
			if _, err := in.r.ReadByte(); err == nil {
				return fmt.Errorf("%w: something follows its end", errAnswer)
			}
			return nil
		default:
			return fmt.Errorf("%w: an item %q", errAnswer, e.Key)
		}
	}
}

// Module returns what is known of the module behind link, or why it can not be
// used.
func (c *Client) Module(ctx context.Context, link ipld.Link) (engine.ModuleInfo, *task.Failure, error) {
	data, err := c.fetch(ctx, "/v1/modules/"+link.String(), maxValue)
	if err != nil {
		return engine.ModuleInfo{}, nil, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return engine.ModuleInfo{}, nil, fmt.Errorf("%w: module: %w", errAnswer, err)
	}
	about, failure, err := decodeModule(v)
	if err != nil {
		return engine.ModuleInfo{}, nil, fmt.Errorf("%w: module: %w", errAnswer, err)
	}
	return about, failure, nil
}

// Note returns what the node noted about the run of a task.
func (c *Client) Note(ctx context.Context, id task.ID) (engine.Note, error) {
	data, err := c.fetch(ctx, "/v1/notes/"+id.String(), maxValue)
	if err != nil {
		return engine.Note{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return engine.Note{}, fmt.Errorf("%w: note: %w", errAnswer, err)
	}
	note, err := engine.ParseNote(v)
	if err != nil {
		return engine.Note{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return note, nil
}

// standingTasks is how many tasks are asked about at once.
const standingTasks = 100_000

// Standing tells for each of ids what the node knows of the task.
func (c *Client) Standing(ctx context.Context, ids []task.ID) ([]engine.Standing, error) {
	all := make([]engine.Standing, 0, len(ids))
	for part := range slices.Chunk(ids, standingTasks) {
		body, err := ipld.AppendCBOR(nil, encodeTasks(part))
		if err != nil {
			return nil, err
		}
		data, err := c.ask(ctx, http.MethodPost, "/v1/standing", body, maxValue)
		if err != nil {
			return nil, err
		}
		v, err := ipld.DecodeCBOR(data)
		if err != nil {
			return nil, fmt.Errorf("%w: standings: %w", errAnswer, err)
		}
		standings, err := decodeStandings(v, len(part))
		if err != nil {
			return nil, fmt.Errorf("%w: standings: %w", errAnswer, err)
		}
		all = append(all, standings...)
	}
	return all, nil
}

// Revoke takes a delegation back. See [Backend.Revoke].
func (c *Client) Revoke(ctx context.Context, container []byte) (ipld.Link, error) {
	data, err := c.ask(ctx, http.MethodPost, "/v1/revocations", container, maxError)
	if err != nil {
		return ipld.Link{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	link, ok := v.AsLink()
	if err != nil || !ok {
		return link, fmt.Errorf("%w: revocation: not a link", errAnswer)
	}
	return link, nil
}

// Revoked tells which delegations were revoked. See [Backend.Revoked].
func (c *Client) Revoked(ctx context.Context, container []byte) ([]ucan.Revocation, error) {
	data, err := c.ask(ctx, http.MethodPost, "/v1/revoked", container, maxRevoked)
	if err != nil {
		return nil, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return nil, fmt.Errorf("%w: revocations: %w", errAnswer, err)
	}
	all, err := decodeRevocations(v)
	if err != nil {
		return nil, fmt.Errorf("%w: revocations: %w", errAnswer, err)
	}
	return all, nil
}

// Preview tells what Run would find remembered and what it would run.
func (c *Client) Preview(ctx context.Context, g *graph.Graph, o engine.Options) ([]engine.Forecast, error) {
	body, err := submit(g, nil, o)
	if err != nil {
		return nil, err
	}
	resp, done, err := c.do(ctx, http.MethodPost, "/v1/preview", body)
	if err != nil {
		return nil, err
	}
	defer done()
	all := make([]engine.Forecast, 0, g.Len())
	err = c.items(ctx, resp.Body, "forecast", func(v ipld.Value) (bool, error) {
		forecast, err := decodeForecast(v)
		if i := len(all); err == nil && (i >= g.Len() || forecast.Label != g.Label(i)) {
			err = fmt.Errorf("job %q is not job %d of the workflow", forecast.Label, i)
		}
		all = append(all, forecast)
		return true, err
	})
	if err == nil && len(all) != g.Len() {
		err = fmt.Errorf("%w: %d forecasts of %d jobs", errAnswer, len(all), g.Len())
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// submit is the body that hands g over.
func submit(g *graph.Graph, blocks []ipld.Block, o engine.Options) ([]byte, error) {
	return submission{blocks: blocks, keepGoing: o.KeepGoing, priority: o.Priority, authority: o.Authority, brings: o.Brings}.of(g)
}

// of is s, of which nothing of the workflow is there, for g.
func (s submission) of(g *graph.Graph) ([]byte, error) {
	normal := g.Normal().Data
	if len(normal) > maxWorkflow {
		return nil, fmt.Errorf("workflow %s: %w: its normal form has %d bytes, at most %d can be handed to another process", g.Link(), ErrTooLarge, len(normal), maxWorkflow)
	}
	s.workflow, s.instructions = normal, g.Instructions()
	return s.encode()
}
