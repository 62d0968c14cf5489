package workflow

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Every unit and prefix of the draft's section 7.1, by its name and by its
// representation, and the texts that look like one of them and are another.
func TestQuantities(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		field, text string
		want        uint64 // nanoseconds or bytes; 0 is a fault
		hint        string
	}{
		{"time", `[400, n, seconds]`, 400, ""},
		{"time", `[400, nano, seconds]`, 400, ""},
		{"time", `[4000, p, seconds]`, 4, ""},
		{"time", `[3, u, seconds]`, 3e3, ""},
		{"time", `[500, m, seconds]`, 500e6, ""},
		{"time", `[5, c, seconds]`, 50e6, ""},
		{"time", `[5, d, seconds]`, 500e6, ""},
		{"time", `[4, da, seconds]`, 40e9, ""},
		{"time", `[4, h, seconds]`, 400e9, ""},
		{"time", `[4, ha, seconds]`, 400e9, ""},
		{"time", `[2, k, seconds]`, 2000e9, ""},
		{"time", `[1, M, seconds]`, 1e15, ""},
		{"time", `[1, G, seconds]`, 1e18, ""},
		{"time", `[5, m]`, 300e9, ""},
		{"time", `[5, d]`, 432000e9, ""},
		{"time", `[5, h]`, 18000e9, ""},
		{"time", `[3, m, m]`, 180e6, ""},
		{"time", `[1, weeks]`, 604800e9, ""},
		{"time", `[1, Weeks]`, 604800e9, ""},
		{"time", `[1, years]`, 0, "write the days that are meant: [365, days]"},
		{"time", `2 years`, 0, "write the days that are meant: [365, days]"},
		{"time", `{years: 1}`, 0, "write the days that are meant: [365, days]"},
		{"time", `[1, m, years]`, 0, "write the days that are meant: [365, days]"},
		{"time", `[5, N, seconds]`, 0, "n is nano"},
		{"time", `[5, mm, seconds]`, 0, "the prefixes are p, n, u, m, c, d, da, h, k, M, G, T, P and E, or their names"},
		{"time", `[1, E, seconds]`, 0, ""}, // more than there is room for
		{"memory", `[800, mega, bits]`, 100e6, ""},
		{"memory", `[16, nibble]`, 8, ""},
		{"memory", `[16, Nibble]`, 8, ""},
		{"memory", `[16, nibbles]`, 8, ""},
		{"memory", `[16, bits]`, 2, ""},
		{"memory", `[16, bit]`, 2, ""},
		{"memory", `16 bits`, 2, ""},
		{"memory", `{bits: 12, nibbles: 1}`, 2, ""},
		{"memory", `[100, k, bytes]`, 100e3, ""},
		{"memory", `[1, M, bytes]`, 1e6, ""},
		{"memory", `[1, G, bytes]`, 1e9, ""},
		{"memory", `[2000, m, bytes]`, 2, ""},
		{"disk", `[1, T, bytes]`, 1e12, ""},
		{"disk", `[1, P, bytes]`, 1e15, ""},
		{"disk", `[1, E, bytes]`, 1e18, ""},
		{"disk", `[8, E, bits]`, 1e18, ""},
		{"memory", `[12, bits]`, 0, "a byte has 8 bits or 2 nibbles"},
		{"memory", `[3, nibbles]`, 0, "a byte has 8 bits or 2 nibbles"},
		{"memory", `[1, m, bytes]`, 0, "m is milli, M is mega"},
		{"memory", `[1, p, bytes]`, 0, "p is pico, P is peta"},
		{"memory", `[1, K, bytes]`, 0, "k is kilo"},
		{"memory", `[1, g, bytes]`, 0, "G is giga"},
		{"memory", `[1, e, bytes]`, 0, "E is exa"},
		{"memory", `[1, D, bytes]`, 0, "d is deci"},
	} {
		got, fault := quantityOf(tt.field, tt.text)
		switch {
		case tt.want != got:
			t.Errorf("%s: %s: got %d, want %d (%s)", tt.field, tt.text, got, tt.want, fault)
		case tt.want == 0 && !strings.Contains(fault, tt.hint):
			t.Errorf("%s: %s: want the hint %q, got %s", tt.field, tt.text, tt.hint, fault)
		}
	}
}

// quantityOf is the limit that a job with text in the field has, or the fault.
func quantityOf(field, text string) (uint64, string) {
	const module = "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	w, err := Parse(Source{Name: "q.yaml", Data: fmt.Appendf(nil, "{with: %s, %s: %s}", module, field, text)})
	if err != nil {
		return 0, err.Error()
	}
	l := w.Jobs[0].Limits
	return uint64(l.Time/time.Nanosecond) + l.Memory + l.Disk, ""
}
