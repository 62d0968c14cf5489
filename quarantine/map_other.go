//go:build !unix

package quarantine

import "errors"

// mapFile can not be done here.
func mapFile(string, int) ([]byte, func() error, error) { return nil, nil, errors.ErrUnsupported }
