//go:build unix && cgo

package crashtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keeping are the fault points of what keeps a store in order, and the command that
// passes them.
func keeping(point, to string) []string {
	switch {
	case strings.HasPrefix(point, "store.collect."):
		return []string{"gc", "--max-bytes", "0"}
	case strings.HasPrefix(point, "store.backup."), point == "node.backup":
		return []string{"backup", to}
	}
	return nil
}

// TestKillKeeping kills the program while it collects and while it makes a backup.
// The store is whole after it, what is left of the results is right, a backup that
// was not finished does not look like one, and doing it again is enough.
func TestKillKeeping(t *testing.T) {
	t.Parallel()
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	plain, faulty := programs(t)
	for _, point := range points(t) {
		if keeping(point, "") == nil {
			continue
		}
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			home, backup := newHome(t), filepath.Join(t.TempDir(), "backup")
			path := mixed(rng, true).write(t)
			want := expected(t, path)
			start(t, plain, home, "", "run", path).wait(t)
			do := keeping(point, backup)
			p := start(t, faulty, home, point, do...)
			if p.wait(t) != -1 {
				t.Fatalf("the program never passes %s:\n%s", point, &p.stderr)
			}
			kills.add(point)
			if _, err := os.Lstat(backup); err == nil {
				t.Error("a backup is there that was not finished")
			}
			homes := []string{home}
			start(t, plain, home, "", do...).succeed(t)
			if do[0] == "backup" {
				homes = append(homes, backup)
			}
			for _, home := range homes {
				start(t, plain, home, "", "doctor").succeed(t)
				run := start(t, plain, home, "", "run", path)
				run.wait(t)
				if told := acknowledged(t, run, want, true); len(told) == 0 {
					t.Errorf("nothing is told:\n%s\n%s", strings.Join(run.out, "\n"), &run.stderr)
				}
			}
		})
	}
}
