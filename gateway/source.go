package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

const (
	typeBlock = "application/vnd.ipld.raw" // the media type of one block
	plain     = "identity"                 // the encoding of what is sent as it is
	userAgent = "ipvm"
)

var (
	// errNone is that a source works and has not the block.
	errNone = errors.New("not there")
	errSlow = errors.New("no whole answer")
	errSent = errors.New("not what was asked for")
)

// source is one who is asked for blocks.
type source struct {
	base   *url.URL
	kubo   bool         // asked by kubo's RPC, not as a gateway
	failed atomic.Int64 // when it last failed, in nanoseconds since 1970
}

// String is the source as people configured it.
func (s *source) String() string {
	if s.kubo {
		return "kubo at " + s.base.String()
	}
	return s.base.String()
}

// request asks for one block.
func (s *source) request(ctx context.Context, link ipld.Link) (*http.Request, error) {
	method, at := http.MethodGet, s.base.JoinPath("ipfs", link.String())
	at.RawQuery = "format=raw"
	if s.kubo {
		method, at = http.MethodPost, s.base.JoinPath("api/v0/block/get")
		at.RawQuery = "arg=" + link.String()
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", plain)
	if !s.kubo {
		req.Header.Set("Accept", typeBlock)
	}
	return req, nil
}

// get asks for the block and checks what comes.
func (s *source) get(ctx context.Context, client *http.Client, link ipld.Link) ([]byte, error) {
	req, err := s.request(ctx, link)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, plainly(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, s.refused(resp)
	}
	if err := s.suits(resp.Header); err != nil {
		return nil, err
	}
	data, err := read(resp, MaxBlock)
	if err != nil {
		return nil, err
	}
	if link.Verify(data) != nil {
		return nil, fmt.Errorf("%w: its %d bytes are not those of the CID", errSent, len(data))
	}
	return data, nil
}

// suits tells whether an answer can be a block, by its headers.
func (s *source) suits(h http.Header) error {
	if err := encoding(h); err != nil {
		return err
	}
	if s.kubo { // which calls it text or bytes, by its version
		return nil
	}
	if got, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || got != typeBlock {
		return fmt.Errorf("%w: it is %s, not %s", errSent, text(h.Get("Content-Type")), typeBlock)
	}
	return nil
}

// encoding refuses what was compressed on the way: it would be bounded only once
// it is not.
func encoding(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && enc != plain {
		return fmt.Errorf("%w: it has the encoding %s", errSent, text(enc))
	}
	return nil
}

// read is the body of an answer, of at most limit bytes.
func read(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", errSent, resp.ContentLength, limit)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: it ends too early, after %d bytes", errSent, len(data))
	case err != nil:
		return nil, plainly(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", errSent, limit)
	}
	return data, nil
}

// maxReason bounds what is read of why kubo refused, in bytes.
const maxReason = 4 << 10

// refused is why resp, which is no success, gives no block. Kubo tells of a block
// that it does not find as of any other error, in its message.
func (s *source) refused(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return fmt.Errorf("%w (%s)", errNone, status(resp))
	case http.StatusInternalServerError:
		if !s.kubo {
			break
		}
		var body struct{ Message string }
		data, err := read(resp, maxReason)
		if err == nil && json.Unmarshal(data, &body) == nil && body.Message != "" {
			return fmt.Errorf("%w (%s)", errNone, text(body.Message))
		}
	}
	return errors.New(status(resp))
}

// status is the status of resp in our own words.
func status(resp *http.Response) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
}

// plainly is the error of a request without the URL, which its reader knows.
func plainly(err error) error {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		return inURL.Err
	}
	return err
}

// maxText bounds what is shown of the words of others, in characters.
const maxText = 160

// text is the words of others as they can be shown.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if all := []rune(s); len(all) > maxText {
		s = string(all[:maxText-1]) + "…"
	}
	if s == "" {
		return "nothing"
	}
	return s
}
