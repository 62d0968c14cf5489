package ipld

import "fmt"

// FileLinks returns the links of one dag-pb node of a file, in order: the
// blocks that must be there before the file can be read. The error wraps
// [ErrBadFile].
func FileLinks(node []byte) ([]Link, error) {
	n, err := decodePB(node)
	if err != nil {
		return nil, fmt.Errorf("%w: dag-pb: %w", ErrBadFile, err)
	}
	links := make([]Link, len(n.links))
	for i, l := range n.links {
		links[i] = l.link
	}
	return links, nil
}
