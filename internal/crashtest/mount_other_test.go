//go:build unix && cgo && !linux

package crashtest

import "testing"

func bindReadOnly(t *testing.T, _ string) {
	t.Helper()
	t.Skip("mounting is not known on this system")
}

func readOnly(t *testing.T, _ string) func() {
	t.Helper()
	t.Skip("mounting is not known on this system")
	return nil
}

func smallDisk(t *testing.T, _, _ string) {
	t.Helper()
	t.Skip("mounting is not known on this system")
}
