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

// FileSize returns how many bytes the file has whose root is the given dag-pb
// node, as the node says. The error wraps [ErrBadFile].
func FileSize(node []byte) (uint64, error) {
	n, err := decodePB(node)
	if err != nil {
		return 0, fmt.Errorf("%w: dag-pb: %w", ErrBadFile, err)
	}
	file, err := decodeUnixFS(n.data)
	if err != nil {
		return 0, fmt.Errorf("%w: UnixFS: %w", ErrBadFile, err)
	}
	size, err := file.sum()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBadFile, err)
	}
	return size, nil
}
