package workflow

import "fmt"

// ParseSize reads a number of bytes as documents spell it in text: "65536",
// "64MiB" or "100 kB".
func ParseSize(s string) (uint64, error) {
	q, err := byteUnits.text(s)
	if err != nil {
		q, err = byteUnits.text(s + "b")
	}
	if err != nil || q.Sign() <= 0 || !q.IsInt() || !q.Num().IsUint64() {
		return 0, fmt.Errorf("%s is not a size such as 64MiB", quote(s))
	}
	return q.Num().Uint64(), nil
}
