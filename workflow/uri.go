package workflow

import (
	"errors"
	"fmt"
	"strings"
)

// maxURI bounds a URI, in bytes.
const maxURI = 8 << 10

// defaultPorts are the ports that mean the same as none.
var defaultPorts = map[string]string{
	"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "postgres": "5432", "postgresql": "5432",
}

// Why a text is no URI, as far as the way to mend it depends on that.
var (
	errScheme   = errors.New("it does not begin with a scheme, such as https")
	errUser     = errors.New("it names a user or a password")
	errFragment = errors.New("the part after # is never sent")
)

// NormalURI is the one form in which a URI is compared, ordered and granted
// (RFC 3986, section 6.2.2): scheme and host in lower case, no default port, no
// dot segments, escapes in upper case and only where they are needed. A URI with
// a user or a password is refused, and so is a fragment that nobody would see.
func NormalURI(s string) (uri, scheme string, err error) {
	if len(s) > maxURI {
		return "", "", fmt.Errorf("it has %d bytes; at most %d are allowed", len(s), maxURI)
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return "", "", errScheme
	}
	scheme = strings.ToLower(scheme)
	if rest, err = normalEscapes(rest); err != nil {
		return "", "", err
	}
	if rest == "" {
		return "", "", errors.New("nothing follows the scheme")
	}
	if !strings.HasPrefix(rest, "//") {
		return scheme + ":" + rest, scheme, nil
	}
	authority, rest := cutAt(rest[2:], "/?#")
	if authority, err = normalAuthority(scheme, authority); err != nil {
		return "", "", err
	}
	path, rest := cutAt(rest, "?#")
	path = removeDots(path)
	if web := scheme == "http" || scheme == "https"; web {
		if strings.Contains(rest, "#") {
			return "", "", errFragment
		}
		if path == "" {
			path = "/"
		}
	}
	return scheme + "://" + authority + path + rest, scheme, nil
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// cutAt is s up to the first of chars, and the rest.
func cutAt(s, chars string) (before, rest string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func normalAuthority(scheme, s string) (string, error) {
	if strings.Contains(s, "@") {
		return "", errUser
	}
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if strings.Trim(port, "0123456789") != "" {
		return "", fmt.Errorf("the port %s is no number", quote(port))
	}
	if host == "" && scheme != "file" {
		return "", errors.New("it names no host")
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok || strings.Trim(inner, "0123456789abcdefABCDEF:.") != "" {
			return "", fmt.Errorf("%s is no address", quote(host))
		}
	} else if strings.ContainsAny(host, ":[]") {
		return "", fmt.Errorf("%s is no host", quote(host))
	}
	host = lowerHost(host)
	if port == "" || port == defaultPorts[scheme] {
		return host, nil
	}
	return host + ":" + port, nil
}

// lowerHost is host in lower case, but for its escapes.
func lowerHost(host string) string {
	b := []byte(strings.ToLower(host))
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToUpper(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// normalEscapes is s with escapes in upper case, and none for what needs none.
func normalEscapes(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) {
				return "", errors.New("an escape in it is cut off: % is followed by two digits")
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 0 || lo < 0 {
				return "", fmt.Errorf("%s is no escape: %% is followed by two digits of base 16", quote(s[i:i+3]))
			}
			if d := byte(hi<<4 | lo); unreserved(d) {
				b.WriteByte(d)
			} else {
				fmt.Fprintf(&b, "%%%02X", d)
			}
			i += 2
		case unreserved(c) || strings.IndexByte(":/?#[]@!$&'()*+,;=", c) >= 0:
			b.WriteByte(c)
		default:
			return "", fmt.Errorf("the character %q has to be written as an escape such as %%%02X", rune(c), c)
		}
	}
	return b.String(), nil
}

func unhex(c byte) int {
	if 'A' <= c && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// removeDots takes the segments . and .. out of a path (RFC 3986, section
// 5.2.4).
func removeDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path, "/")
	out := segments[:1]
	for i, s := range segments[1:] {
		last := i == len(segments)-2
		switch s {
		case ".":
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return strings.Join(out, "/")
}
