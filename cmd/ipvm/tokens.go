package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/ucan"
)

// maxTokens bounds a file of tokens, in bytes.
const maxTokens = 1 << 20

// readBounded reads a file of at most maxTokens bytes; "-" is standard input.
func readBounded(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, asMisuse(err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxTokens+1))
	if err != nil {
		return nil, asMisuse(err)
	}
	if len(data) > maxTokens {
		return nil, misusef("", "%s is larger than 1 MiB", printable(file))
	}
	return data, nil
}

// readProofs reads delegations from containers, and from files of one token.
func readProofs(cmd *cobra.Command, files []string) (all []*ucan.SignedDelegation, err error) {
	for _, file := range files {
		data, err := readBounded(cmd, file)
		if err != nil {
			return nil, err
		}
		c, _, err := parseTokens(data)
		if err != nil {
			return nil, misusef("a proof is what `ipvm delegate -o FILE` writes", "%s: %v", printable(file), err)
		}
		if len(c.Delegations) == 0 {
			return nil, misusef("a proof is what `ipvm delegate -o FILE` writes", "%s: no delegation is in it", printable(file))
		}
		all = append(all, c.Delegations...)
	}
	return all, nil
}

// parseTokens reads a container in any framing, or a token alone, for which
// there is no framing. White space around text does not count.
func parseTokens(data []byte) (*ucan.Container, ucan.Framing, error) {
	if len(data) > 0 && data[0] == 0x82 { // a list of two, which an envelope is
		c, err := parseToken(data)
		return c, 0, err
	}
	if text := bytes.TrimSpace(data); len(text) > 0 && bytes.IndexByte([]byte("BCOP"), text[0]) >= 0 {
		data = text
	}
	c, err := ucan.ReadContainer(data, nil)
	if err != nil {
		return nil, 0, err
	}
	return c, ucan.Framing(data[0]), nil
}

// parseToken reads an invocation or a delegation.
func parseToken(data []byte) (*ucan.Container, error) {
	if d, err := ucan.ParseDelegation(data); err == nil {
		return &ucan.Container{Delegations: []*ucan.SignedDelegation{d}}, nil
	} else if !bytes.Contains(data[:min(len(data), 128)], []byte("ucan/inv@")) {
		return nil, err
	}
	inv, err := ucan.ParseInvocation(data)
	if err != nil {
		return nil, err
	}
	return &ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}, nil
}

// delegationJSON is what a delegation says.
type delegationJSON struct {
	CID       string          `json:"cid"`
	Issuer    string          `json:"issuer"`
	Audience  string          `json:"audience,omitempty"`
	Subject   string          `json:"subject,omitempty"`
	Powerline bool            `json:"powerline,omitempty"`
	Command   string          `json:"command"`
	Policy    json.RawMessage `json:"policy,omitempty"`
	Words     []string        `json:"words,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	Nonce     string          `json:"nonce"`
	NotBefore *int64          `json:"notBefore,omitempty"`
	Expires   *int64          `json:"expires,omitempty"`
}

func newDelegationJSON(s *ucan.SignedDelegation) delegationJSON {
	d := s.Delegation()
	out := delegationJSON{
		CID: s.Link().Base58(), Issuer: string(d.Issuer), Audience: string(d.Audience), Subject: string(d.Subject), Powerline: d.Powerline,
		Command: d.Command, Policy: rawJSON(d.Policy.Value()), Words: boundsWords(d),
		Nonce: hex.EncodeToString([]byte(d.Nonce)), NotBefore: d.NotBefore, Expires: d.Expires,
	}
	if !d.Meta.IsNull() {
		out.Meta = rawJSON(d.Meta)
	}
	return out
}
