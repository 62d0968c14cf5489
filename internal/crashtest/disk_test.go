//go:build unix && cgo

package crashtest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// onSmallDisk is a state directory on a disk of its own.
func onSmallDisk(t *testing.T, size string) (disk, home string) {
	t.Helper()
	from := newHome(t)
	disk = t.TempDir()
	smallDisk(t, disk, size)
	home = filepath.Join(disk, "state")
	if err := os.CopyFS(home, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	private(t, home)
	return disk, home
}

// pictures is a workflow of n jobs that each come to a picture of 100 KiB. No other
// seed has the same jobs.
func (s *server) pictures(t *testing.T, n, seed int) string {
	t.Helper()
	module := s.put(t, images)
	data, err := base64.RawStdEncoding.DecodeString(picture.(map[string]any)["/"].(map[string]any)["bytes"].(string))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "picture")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	link := s.put(t, file)
	jobs := make([]string, n)
	for i := range jobs {
		jobs[i] = fmt.Sprintf(`"p%d": {"with": %q, "func": "crop", "args": [{"/": %q}, %d, %d, 180, %d]}`, i, module, link, i%40, i/40%30, 140+seed)
	}
	return "{" + strings.Join(jobs, ",") + "}"
}

// TestNodeDiskFull fills the disk of a node while workflows run and are submitted.
// It says what is wrong, gives what it has, and when there is room again it goes on
// as if nothing had been.
func TestNodeDiskFull(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		left int64
	}{
		{"nothing left", 0},
		{"less than the reserve", reserve / 2},
		{"full after some jobs", reserve + 4<<20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plain, _ := programs(t)
			disk, home := onSmallDisk(t, "160m")
			s := serveHTTP(t, plain, home)
			module := s.put(t, addOne)
			f := &flood{module: module, acked: make(map[int]string)}
			for range 20 {
				f.one(t.Context(), t, s)
			}
			var large []string
			for i := range amount(2, 3) {
				r := s.do(t, "POST", "/v1/workflows", s.pictures(t, 200, i), "Content-Type", "application/json")
				large = append(large, r.ran(t).Workflow)
			}
			for round := range amount(1, 10) {
				s.awaitServes(t, module, 2_000_000+round)
				free := fill(t, filepath.Join(disk, "filler"), test.left)
				refused := 0
				for end := time.Now().Add(amount(2*time.Second, 5*time.Second)); time.Now().Before(end); {
					n := int(f.next.Add(1))
					r := s.do(t, "POST", "/v1/workflows", small(module, n), "Content-Type", "application/json")
					switch {
					case r.status == http.StatusOK || r.status == http.StatusAccepted:
						f.acked[n] = r.ran(t).Workflow
					case r.status == http.StatusInsufficientStorage && strings.Contains(string(r.body), "make room"):
						refused++
					default:
						t.Fatalf("on a full disk: %v\n%s", r, &s.stderr)
					}
					if r := s.do(t, "GET", "/v1/workflows/"+large[0], ""); r.status != http.StatusOK && r.status != http.StatusInsufficientStorage {
						t.Fatalf("reading on a full disk: %v", r)
					}
				}
				free()
				t.Logf("round %d: %d were refused", round, refused)
				if test.left < reserve && refused == 0 {
					t.Error("the disk was not full")
				}
				s.awaitServes(t, module, 1_000_000+round)
			}
			began := time.Now()
			f.ended(t, s)
			defer func() { t.Logf("all has ended %v after there was room", time.Since(began).Round(time.Second/10)) }()
			for _, link := range large {
				await(t, "a large workflow to end", func() bool {
					return s.do(t, "GET", "/v1/workflows/"+link, "").ran(t).State != "running"
				})
				if shown := s.do(t, "GET", "/v1/workflows/"+link, "").ran(t); shown.State != "ok" {
					t.Errorf("%s: %s %.500s", link, shown.State, shown.Reason)
				}
			}
			t.Logf("opened again %d times", strings.Count(s.stderr.String(), "ipvm: the node's disk is in order again"))
			s.stop(t)
			if t.Failed() {
				t.Logf("%.3000s", &s.stderr)
			}
		})
	}
}

// TestDoctorBesideFullDisk asks a node about its disk while that is full, and after.
func TestDoctorBesideFullDisk(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	disk, home := onSmallDisk(t, "160m")
	s := serveHTTP(t, plain, home)
	doctor := func() string {
		p := start(t, plain, home, "", "doctor")
		if code := p.wait(t); code != 3 { // a disk that is so small is wrong all the time
			t.Errorf("doctor ended with %d", code)
		}
		return strings.Join(p.out, "\n") + "\n"
	}
	const refused = "BAD room     no new work is taken: disk full\n"
	if said := doctor(); !strings.Contains(said, "(owner: false)\n") || !strings.Contains(said, "BAD disk     1") || strings.Contains(said, "BAD room") {
		t.Errorf("with room:\n%s", said)
	}
	free := fill(t, filepath.Join(disk, "filler"), reserve/2)
	if said := doctor(); !strings.Contains(said, "BAD disk     16.0 MiB free\n") || !strings.Contains(said, refused) {
		t.Errorf("without:\n%s", said)
	}
	free()
	if said := doctor(); strings.Contains(said, "BAD room") {
		t.Errorf("with room again:\n%s", said)
	}
	s.stop(t)
}

// TestNodeReadOnly has the file system of a node take no new files for a while. What
// needs one waits, or is refused clearly, and all goes on afterwards.
func TestNodeReadOnly(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home := newHome(t)
	s := serveHTTP(t, plain, home)
	module := s.put(t, addOne)
	s.serves(t, module, 0)
	f := &flood{module: module, acked: make(map[int]string)}
	for round := range amount(1, 10) {
		document := s.pictures(t, 100, round)
		writable := readOnly(t, home)
		r := s.do(t, "POST", "/v1/workflows", document, "Content-Type", "application/json")
		large := ""
		if r.status == http.StatusAccepted {
			large = r.ran(t).Workflow
		}
		refused := 0
		for end := time.Now().Add(amount(time.Second, 5*time.Second)); time.Now().Before(end); {
			n := int(f.next.Add(1))
			r := s.do(t, "POST", "/v1/workflows", small(module, n), "Content-Type", "application/json")
			switch {
			case r.status == http.StatusOK || r.status == http.StatusAccepted:
				f.acked[n] = r.ran(t).Workflow
			case r.status == http.StatusInsufficientStorage && strings.Contains(string(r.body), "make the node's disk writable"):
				refused++
			default:
				t.Fatalf("on a read-only disk: %v\n%s", r, &s.stderr)
			}
		}
		if r := s.do(t, "POST", "/ipfs", strings.Repeat("x", 1<<20)); r.status != http.StatusInsufficientStorage || !strings.Contains(string(r.body), "make the node's disk writable") {
			t.Errorf("a file on a read-only disk: %v", r)
		}
		if large != "" {
			if shown := s.do(t, "GET", "/v1/workflows/"+large, "").ran(t); shown.State == "ok" {
				t.Error("the disk was writable")
			}
		}
		t.Logf("round %d: %d accepted so far, %d refused", round, len(f.acked), refused)
		writable()
		s.awaitServes(t, module, 1_000_000+round)
		f.ended(t, s)
		if large == "" {
			continue
		}
		await(t, "a large workflow to end", func() bool { return s.do(t, "GET", "/v1/workflows/"+large, "").ran(t).State != "running" })
		if shown := s.do(t, "GET", "/v1/workflows/"+large, "").ran(t); shown.State != "ok" {
			t.Errorf("%s: %s %.500s", large, shown.State, shown.Reason)
		}
	}
	s.stop(t)
	if t.Failed() {
		t.Logf("%.3000s", &s.stderr)
	}
}

// awaitServes waits until the node runs a workflow, as it does a moment after its
// disk is in order. Until then it says clearly that it does not.
func (s *server) awaitServes(t *testing.T, module string, n int) {
	t.Helper()
	await(t, "the node to run a workflow", func() bool {
		r, err := s.try(t.Context(), "POST", "/v1/workflows?wait", small(module, n), "Content-Type", "application/json")
		switch {
		case s.ended():
			t.Fatalf("the node has ended: %s", &s.stderr)
		case err != nil || r.status == http.StatusInsufficientStorage || r.status == http.StatusServiceUnavailable || r.status == http.StatusAccepted:
			time.Sleep(100 * time.Millisecond)
			return false
		case r.status != http.StatusOK:
			t.Fatalf("while the disk is put in order: %v\n%s", r, &s.stderr)
		}
		wantAddOne(t, r.ran(t), n)
		return true
	})
}
