package workflow

import (
	"regexp"
	"strings"
)

// credentials are the formats that issuers have marked as theirs, so that what
// has them is a credential and nothing else.
var credentials = []struct {
	name, mark string // every one contains mark, which is fast to look for
	form       *regexp.Regexp
}{
	{"a private key", "PRIVATE KEY-----", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{"an age identity", "AGE-SECRET-KEY-1", regexp.MustCompile(`AGE-SECRET-KEY-1[A-Z0-9]{50,}`)},
	{"an AWS access key", "AKIA", regexp.MustCompile(`\bAKIA[A-Z0-9]{16}\b`)},
	{"an AWS access key", "ASIA", regexp.MustCompile(`\bASIA[A-Z0-9]{16}\b`)},
	{"a GitHub token", "gh", regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{36}`)},
	{"a GitHub token", "github_pat_", regexp.MustCompile(`\bgithub_pat_[A-Za-z0-9_]{60,}`)},
	{"a GitLab token", "glpat-", regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20}`)},
	{"a Slack token", "xox", regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{10,}`)},
	{"a Google API key", "AIza", regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{35}`)},
	{"a Stripe key", "k_live_", regexp.MustCompile(`\b[rs]k_live_[A-Za-z0-9]{20,}`)},
	{"an npm token", "npm_", regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}`)},
}

// maxSearched bounds the text that is searched for credentials, of each value.
const maxSearched = 64 << 10

// credential reports a value that is a credential. It is not shown.
func (r *reader) credential(n *node) {
	text := n.text()
	if n.kind != stringNode || len(text) < 16 || r.src.AllowCredentials {
		return
	}
	if len(text) > maxSearched {
		text = text[:maxSearched]
	}
	for _, c := range credentials {
		if strings.Contains(text, c.mark) && c.form.MatchString(text) {
			r.fault(n, Invalid, "remove it: a document is stored and passed on; if it only looks like one, use --allow-literal-secret",
				"the text holds %s", c.name)
			return
		}
	}
}
