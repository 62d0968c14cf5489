package workflow

import "testing"

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{"65536": 65536, "64MiB": 64 << 20, "100 kB": 100_000, "1 byte": 1, "1.5 GB": 1_500_000_000, "1GiB 1KiB": 1<<30 + 1<<10} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "MiB", "64 parsecs", "0.5", "1e3", "99999999999 GiB", "1..5 kB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	names := []string{"full-name", "count", "crop", "grayscale", "fullName2", "rotate90", "gas"}
	for name, want := range map[string]string{
		"fulname": `did you mean "full-name" or "fullName2"?`, "cuont": `did you mean "count"?`, "FULL_NAME": `did you mean "full-name" or "fullName2"?`,
		"greyscale": `did you mean "grayscale"?`, "something": "", "": "", "co": "", "corp": `did you mean "crop"?`, "gsa": `did you mean "gas"?`,
	} {
		if got := didYouMean(near(name, names)); got != want {
			t.Errorf("near %q: %s, want %s", name, got, want)
		}
	}
}
