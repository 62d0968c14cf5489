package ucan

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Bounds of containers.
const (
	// MaxContainer is how many bytes a container may have, as it is sent and
	// without compression.
	MaxContainer = 10 << 20
	// MaxTokens is how many tokens it may hold.
	MaxTokens = 256
)

// Framing is how the bytes of a container are wrapped: its first byte (UCAN
// Container 1.0, "Serialization").
type Framing byte

// The framings.
const (
	Plain         Framing = '@' // the bytes
	Base64        Framing = 'B' // base64 of them, standard alphabet, padded
	Base64URL     Framing = 'C' // base64 of them, URL alphabet, no padding
	Gzip          Framing = 'M' // compressed with gzip
	GzipBase64    Framing = 'O' // compressed, then as Base64
	GzipBase64URL Framing = 'P' // compressed, then as Base64URL: fits in a URL or a header
)

// containerKey is the only key of the map that a container is.
const containerKey = "ctn-v1"

// Container is tokens that are sent together (UCAN Container 1.0).
type Container struct {
	Invocations []*SignedInvocation
	Delegations []*SignedDelegation
}

// ReadContainer reads a container in any framing and every token in it. It
// refuses more than [MaxContainer] bytes, also of what is compressed, more than
// [MaxTokens] tokens, tokens that are there twice, and everything after them;
// their order does not matter. Its errors wrap [ErrMalformed]. Signatures are not
// looked at. Delegations that known holds are taken from there; it may be nil.
func ReadContainer(data []byte, known *Cache) (*Container, error) {
	c, err := readContainer(data, known)
	if err != nil {
		return nil, fmt.Errorf("container: %w: %w", ErrMalformed, err)
	}
	return c, nil
}

func readContainer(data []byte, known *Cache) (*Container, error) {
	inner, err := unframe(data)
	if err != nil {
		return nil, err
	}
	v, err := ipld.DecodeCBORLimits(inner, ipld.Limits{Depth: 2, Bytes: MaxContainer, Items: MaxTokens + 3})
	if err != nil {
		return nil, err
	}
	sole, ok := v.Sole()
	if !ok || sole.Key != containerKey || sole.Value.Kind() != ipld.KindList {
		return nil, fmt.Errorf("it is not a map of %s to a list", containerKey)
	}
	c := new(Container)
	seen := make(map[string]bool, sole.Value.Len())
	for i, e := range sole.Value.Elems() {
		token, ok := e.AsBytes()
		switch {
		case !ok:
			return nil, fmt.Errorf("[%d] is %s, not bytes", i, e.Kind())
		case seen[token]:
			return nil, fmt.Errorf("[%d] is there twice", i)
		}
		if err := c.read([]byte(token), known); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		seen[token] = true
	}
	return c, nil
}

// read adds one token.
func (c *Container) read(token []byte, known *Cache) error {
	if d, ok := known.get(ipld.LinkOf(ipld.CodecDagCBOR, token)); ok {
		c.Delegations = append(c.Delegations, d)
		return nil
	}
	inv := new(SignedInvocation)
	notInvocation := inv.parse(token)
	if notInvocation == nil {
		c.Invocations = append(c.Invocations, inv)
		return nil
	}
	dlg := new(SignedDelegation)
	err := dlg.parse(token)
	switch {
	case err == nil:
		c.Delegations = append(c.Delegations, dlg)
	case inv.tag != "": // an invocation, if it were well formed
		return fmt.Errorf("invocation: %w", notInvocation)
	default:
		return fmt.Errorf("delegation: %w", err)
	}
	return nil
}

// Proof finds a delegation in c. It is made for [Facts.Proofs].
func (c *Container) Proof(link ipld.Link) (*SignedDelegation, error) {
	for _, d := range c.Delegations {
		if d.link == link {
			return d, nil
		}
	}
	return nil, errors.New("not in the container")
}

// Append appends c in the given framing to dst, the tokens in bytewise order. Of
// one that is there twice one is written.
func (c *Container) Append(dst []byte, f Framing) ([]byte, error) {
	tokens := make([][]byte, 0, len(c.Invocations)+len(c.Delegations))
	for _, t := range c.Invocations {
		tokens = append(tokens, t.data)
	}
	for _, t := range c.Delegations {
		tokens = append(tokens, t.data)
	}
	slices.SortFunc(tokens, bytes.Compare)
	tokens = slices.CompactFunc(tokens, bytes.Equal)
	if len(tokens) > MaxTokens {
		return dst, fmt.Errorf("container of %d tokens: %w (at most %d)", len(tokens), ErrSize, MaxTokens)
	}
	list := make([]ipld.Value, len(tokens))
	for i, t := range tokens {
		list[i] = ipld.Bytes(t)
	}
	inner, err := ipld.AppendCBOR(nil, ipld.Map(ipld.Entry{Key: containerKey, Value: ipld.List(list...)}))
	if err != nil {
		return dst, fmt.Errorf("container: %w", err)
	}
	out, err := frame(dst, inner, f)
	if err == nil && max(len(inner), len(out)-len(dst)) > MaxContainer {
		err = fmt.Errorf("container of %d bytes: %w (at most %d)", max(len(inner), len(out)-len(dst)), ErrSize, MaxContainer)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// parts tells what f is made of.
func (f Framing) parts() (text *base64.Encoding, compressed, ok bool) {
	switch f {
	case Plain:
		return nil, false, true
	case Base64:
		return base64.StdEncoding.Strict(), false, true
	case Base64URL:
		return base64.RawURLEncoding.Strict(), false, true
	case Gzip:
		return nil, true, true
	case GzipBase64:
		return base64.StdEncoding.Strict(), true, true
	case GzipBase64URL:
		return base64.RawURLEncoding.Strict(), true, true
	}
	return nil, false, false
}

func frame(dst, inner []byte, f Framing) ([]byte, error) {
	text, compressed, ok := f.parts()
	if !ok {
		return nil, fmt.Errorf("container: no framing %q", byte(f))
	}
	if compressed {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(inner); err != nil {
			return nil, fmt.Errorf("container: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("container: %w", err)
		}
		inner = b.Bytes()
	}
	dst = append(dst, byte(f))
	if text == nil {
		return append(dst, inner...), nil
	}
	return text.AppendEncode(dst, inner), nil
}

func unframe(data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("it is empty")
	case len(data) > MaxContainer:
		return nil, fmt.Errorf("%d bytes are %w (at most %d)", len(data), ErrSize, MaxContainer)
	}
	text, compressed, ok := Framing(data[0]).parts()
	if !ok {
		return nil, fmt.Errorf("its first byte is %q, want one of @ B C M O P", data[0])
	}
	inner := data[1:]
	if text != nil {
		if bytes.ContainsAny(inner, "\r\n") { // the decoder skips them
			return nil, errors.New("base64: it has line ends")
		}
		var err error
		if inner, err = text.AppendDecode(nil, inner); err != nil {
			return nil, fmt.Errorf("base64: %w", err)
		}
	}
	if compressed {
		return inflate(inner)
	}
	return inner, nil
}

// inflate reads exactly one gzip member, and stops where it gets too large.
func inflate(data []byte) ([]byte, error) {
	rest := bytes.NewReader(data)
	r, err := gzip.NewReader(rest)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	r.Multistream(false)
	out, err := io.ReadAll(io.LimitReader(r, MaxContainer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("gzip: %w", err)
	case len(out) > MaxContainer:
		return nil, fmt.Errorf("gzip: what it inflates to is %w (at most %d bytes)", ErrSize, MaxContainer)
	case rest.Len() > 0:
		return nil, fmt.Errorf("gzip: %d bytes follow", rest.Len())
	}
	return out, nil
}
