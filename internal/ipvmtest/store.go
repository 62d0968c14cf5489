package ipvmtest

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/store"
)

// Reserving is a store on a disk of which it wants so much as a reserve, in per cent of
// what is free: with more than 100 the disk is full.
func Reserving(tb testing.TB, percent uint64) *store.Store {
	tb.Helper()
	dir := tb.TempDir()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	free, known := s.Free()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	if !known {
		tb.Fatal("the disk does not say how much is free")
	}
	if s, err = store.Open(dir, store.Options{MinFree: free / 100 * percent}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}
