package request

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Scheme is that of the Authorization header: "UCAN", a space, and a container in
// the framing [ucan.Base64] or [ucan.Base64URL].
const Scheme = "UCAN"

// Commands of invocations that are requests.
const (
	// ReadCommand is that of GET and HEAD: to see what is the subject's.
	ReadCommand = "/ipvm/read"
	// ChangeCommand is that of all other methods: to do as the subject may.
	ChangeCommand = "/ipvm/admin"
)

const (
	// Lifetime is how far in the future an invocation may expire, clocks that
	// differ aside.
	Lifetime = 5 * time.Minute
	// usual is how far those do that are made here.
	usual = 2 * time.Minute
	// maxToken bounds the container in a header, in characters.
	maxToken = 24 << 10
)

var (
	// ErrHeader reports an Authorization header that is not of a signed request.
	ErrHeader = errors.New("the Authorization header is not UCAN and a container")
	// ErrMeant reports an invocation that is not of this request.
	ErrMeant = errors.New("the invocation is not of this request")
)

// Request is what is asked.
type Request struct {
	// Method is in capitals, Target is the path with the query, as the request line
	// has it.
	Method, Target string
	// Body is the SHA-256 of the body, which may be empty.
	Body [sha256.Size]byte
}

// Of is the request with a body.
func Of(method, target string, body []byte) Request {
	return Request{Method: method, Target: target, Body: sha256.Sum256(body)}
}

// Reads tells whether r changes nothing.
func (r Request) Reads() bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// Command is that of the invocation.
func (r Request) Command() string {
	if r.Reads() {
		return ReadCommand
	}
	return ChangeCommand
}

// Args are those of the invocation.
func (r Request) Args() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "body", Value: ipld.Bytes(r.Body[:])},
		ipld.Entry{Key: "path", Value: ipld.String(r.Target)},
		ipld.Entry{Key: "method", Value: ipld.String(r.Method)},
	)
}

// Read returns the request that an invocation is, and makes sure that it is of the
// given method and target. The error wraps [ErrMeant].
func Read(inv ucan.Invocation, method, target string) (Request, error) {
	said := func(key string) string {
		v, _ := inv.Args.Lookup(key)
		text, _ := v.AsString()
		return text
	}
	r := Request{Method: said("method"), Target: said("path")}
	body, _ := inv.Args.Lookup("body")
	hash, ok := body.AsBytes()
	switch {
	case !ok || len(hash) != len(r.Body) || inv.Args.Len() != 3:
		return r, fmt.Errorf("%w: its args are not {method, path, body}", ErrMeant)
	case r.Method != method || r.Target != target:
		return r, fmt.Errorf("%w: it is for %.20q of %.200q, not %.20q of %.200q", ErrMeant, r.Method, r.Target, method, target)
	case inv.Command != r.Command():
		return r, fmt.Errorf("%w: its command is %.100q, not %s", ErrMeant, inv.Command, r.Command())
	}
	copy(r.Body[:], hash)
	return r, nil
}

// Signer signs requests to one node.
type Signer struct {
	Key  did.PrivateKey
	Node did.DID
	// For is on whose behalf the requests are; empty is the key's own. For another
	// the proofs have to let the key do so.
	For did.DID
	// Proofs are delegations; those that are needed are looked for among them. Where
	// they let the principal have workflows run at the node, that is shown, too: the
	// node keeps files for such principals.
	Proofs []*ucan.SignedDelegation
}

// Sign returns the Authorization header of r, which is good for one use. The error
// is a [*ucan.Denied] where the proofs are not enough.
func (s Signer) Sign(r Request, now time.Time) (string, error) {
	subject, args, at := s.For, r.Args(), ucan.Moment{Now: now}
	var proofs []*ucan.SignedDelegation
	if subject == "" {
		subject = s.Key.DID()
	} else if subject != s.Key.DID() {
		var err error
		proofs, err = ucan.Prove(ucan.Wish{Subject: subject, Holder: s.Key.DID(), Command: r.Command(), Args: args}, s.Proofs, at)
		if err != nil {
			return "", err
		}
	}
	inv, err := ucan.Invoke(s.Key, ucan.Call{
		Subject: subject, Audience: s.Node, Command: r.Command(), Args: args, Proofs: proofs, Expires: now.Add(usual),
	}, now)
	if err != nil {
		return "", err
	}
	c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}, Delegations: append(Guest(s.Node, subject, s.Proofs, at), proofs...)}
	token, err := c.Append(nil, ucan.Base64URL)
	if err == nil && len(token) > maxToken {
		err = fmt.Errorf("the proofs make a header of %d bytes, at most %d can be sent", len(token), maxToken)
	}
	return Scheme + " " + string(token), err
}

// Guest are those of some delegations by which a principal may have workflows of
// its own run at a node; none where it may not. Whether they hold otherwise is for
// [ucan.CheckChain] to say.
func Guest(node, who did.DID, all []*ucan.SignedDelegation, at ucan.Moment) []*ucan.SignedDelegation {
	chain, err := ucan.Prove(ucan.Wish{Subject: node, Holder: who, Command: grant.RunCommand}, all, at)
	if err != nil {
		return nil
	}
	return chain
}

// Container is the container in an Authorization header. The error wraps
// [ErrHeader].
func Container(header string) ([]byte, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if token = strings.Trim(token, " "); !strings.EqualFold(scheme, Scheme) || token == "" {
		return nil, ErrHeader
	}
	switch f := ucan.Framing(token[0]); {
	case len(token) > maxToken:
		return nil, fmt.Errorf("%w: more than %d characters", ErrHeader, maxToken)
	case f != ucan.Base64 && f != ucan.Base64URL:
		return nil, fmt.Errorf("%w in base64: it begins with %q, not %q or %q", ErrHeader, token[0], ucan.Base64, ucan.Base64URL)
	}
	return []byte(token), nil
}
