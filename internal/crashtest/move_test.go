//go:build unix && cgo

package crashtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKillMove kills the program while it hands a workflow over, and while it takes it
// up in another state directory. The source has stopped, durably, before the file is
// there; and whenever something is killed, doing it again is enough.
func TestKillMove(t *testing.T) {
	t.Parallel()
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	plain, faulty := programs(t)
	rng := random(t)
	source := &served{home: newHome(t), docs: map[string]string{}}
	node := source.serve(t, faulty, "engine.told:6") // which leaves the workflow half done
	path := mixed(rng, true).write(t)
	start(t, plain, source.home, "", "run", "--detach", path).wait(t)
	if node.wait(t) != -1 {
		t.Fatal("the node was not killed")
	}
	list := start(t, plain, source.home, "", "ps")
	list.succeed(t)
	if len(list.out) != 1 {
		t.Fatalf("%d workflows have not ended", len(list.out))
	}
	workflow, _, _ := strings.Cut(list.out[0], " ")
	if _, err := os.Stat(filepath.Join(source.home, "key.pem")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "move.car")
	state := func() string {
		show := start(t, plain, source.home, "", "show", workflow)
		show.succeed(t)
		word, _, _ := strings.Cut(show.out[len(show.out)-1], ":")
		return word
	}
	export := []string{"export", "-o", file, workflow}
	for _, point := range points(t) {
		if !strings.HasPrefix(point, "export.") {
			continue
		}
		_ = os.Remove(file)
		p := start(t, faulty, source.home, point, export...)
		if p.wait(t) != -1 {
			t.Fatalf("the program never passes %s:\n%s", point, &p.stderr)
		}
		kills.add(point)
		_, err := os.Stat(file)
		switch now := state(); {
		case now != "suspended" && now != "handed-over", err == nil && now != "handed-over":
			t.Errorf("killed at %s: the run is %s, and the file: %v", point, now, err)
		}
	}
	start(t, plain, source.home, "", export...).succeed(t)

	want := expected(t, path)
	for _, point := range points(t) {
		if !strings.HasPrefix(point, "import.") {
			continue
		}
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			if err := os.MkdirAll(home, 0o700); err != nil {
				t.Fatal(err)
			}
			key, err := os.ReadFile(filepath.Join(source.home, "key.pem"))
			if err == nil {
				err = os.WriteFile(filepath.Join(home, "key.pem"), key, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, faulty, home, point, "import", "--suspended", file)
			if p.wait(t) != -1 {
				t.Fatalf("the program never passes %s:\n%s", point, &p.stderr)
			}
			kills.add(point)
			run := start(t, plain, home, "", "import", "--run", file)
			run.wait(t)
			if told := acknowledged(t, run, want, true); len(told) == 0 {
				t.Errorf("nothing is told:\n%s\n%s", strings.Join(run.out, "\n"), &run.stderr)
			}
			again := start(t, plain, home, "", "import", "--run", file)
			again.wait(t)
			for _, line := range again.out {
				if ranNow.MatchString(line) {
					t.Errorf("it has ended, and this ran again: %s", line)
				}
			}
		})
	}
}
