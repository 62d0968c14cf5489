//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// program is what is measured.
type program interface {
	name() string
	// command starts the program in an empty folder, at an address with this port.
	command(dir string, port int) (*exec.Cmd, error)
}

type ipvmProgram struct{ path, kubo string }

func (ipvmProgram) name() string { return "ipvm" }

func (p ipvmProgram) command(dir string, port int) (*exec.Cmd, error) {
	path, err := filepath.Abs(p.path)
	cmd := exec.Command(path, "node", "--no-supervisor", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--dir", filepath.Join(dir, "state"), "--kubo", p.kubo)
	cmd.Dir = dir
	return cmd, err
}

type homestarProgram struct{ path, kubo string }

func (homestarProgram) name() string { return "Homestar 0.3.0" }

// homestarSettings turns off what looks for other nodes, as ipvm does not either.
const homestarSettings = `[node]
[node.network]
[node.network.ipfs]
host = "127.0.0.1"
port = %s
[node.network.libp2p]
listen_address = "/ip4/127.0.0.1/tcp/0"
[node.network.libp2p.mdns]
enable = false
[node.network.libp2p.rendezvous]
enable_client = false
[node.network.metrics]
port = %d
[node.network.rpc]
host = "127.0.0.1"
port = %d
[node.network.webserver]
host = "127.0.0.1"
port = %d
`

func (p homestarProgram) command(dir string, port int) (*exec.Cmd, error) {
	path, err := filepath.Abs(p.path)
	if err != nil {
		return nil, err
	}
	_, kubo, _ := strings.Cut(strings.TrimPrefix(p.kubo, "http://"), ":")
	metrics, err := freePort()
	if err != nil {
		return nil, err
	}
	rpc, err := freePort()
	if err != nil {
		return nil, err
	}
	settings := filepath.Join(dir, "settings.toml")
	if err := os.WriteFile(settings, fmt.Appendf(nil, homestarSettings, kubo, metrics, rpc, port), 0o600); err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "start", "-c", settings, "--db", filepath.Join(state, "homestar.db"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	return cmd, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// node is a program that runs.
type node struct {
	program
	cmd   *exec.Cmd
	log   *tail
	addr  string
	dir   string
	ready time.Duration // how long it took until it answered
}

// start starts a program in a folder of its own and waits until it is healthy.
func start(ctx context.Context, p program) (*node, error) {
	dir, err := os.MkdirTemp("", "peer-*")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	n := &node{program: p, addr: fmt.Sprintf("127.0.0.1:%d", port), dir: dir, log: &tail{}}
	if n.cmd, err = p.command(dir, port); err != nil {
		return nil, err
	}
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	began := time.Now()
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	for limit := began.Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		resp, err := http.Get("http://" + n.addr + "/health")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				n.ready = time.Since(began)
				return n, nil
			}
		}
		if time.Now().After(limit) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("it does not answer at %s:\n%s", n.addr, n.log.text()), n.stop(), ctx.Err())
		}
	}
}

// end ends the program.
func (n *node) end() error {
	if n.cmd.ProcessState != nil {
		return nil
	}
	if err := n.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	end := time.AfterFunc(10*time.Second, func() { _ = n.cmd.Process.Kill() })
	defer end.Stop()
	_ = n.cmd.Wait() // Homestar does not end well when it is asked to
	return nil
}

// stop ends the program and removes its folder.
func (n *node) stop() error { return errors.Join(n.end(), os.RemoveAll(n.dir)) }

// memory is what a process takes, in bytes.
type memory struct{ resident, anonymous int64 }

func (n *node) memory() (m memory, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		return m, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			m.resident = kib << 10
		case "RssAnon:":
			m.anonymous = kib << 10
		}
	}
	return m, nil
}

// processor is how much time of processors the program has used, to a hundredth of a
// second.
func (n *node) processor() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// size is how much the program keeps on the disk, in bytes.
func (n *node) size() (total int64, err error) {
	err = filepath.WalkDir(filepath.Join(n.dir, "state"), func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // it was removed meanwhile
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		total += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	return total, err
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if most := 4 << 10; len(t.data) > most {
		t.data = t.data[len(t.data)-most:]
	}
	return len(p), nil
}

func (t *tail) text() string { return string(t.data) }

// serveKubo answers as kubo does to who asks for files or blocks.
func serveKubo(files map[ipld.Link][]byte) (*httptest.Server, error) {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		link, err := ipld.ParseLink(strings.TrimPrefix(r.URL.Query().Get("arg"), "/ipfs/"))
		data, ok := files[link]
		if err != nil || !ok {
			http.Error(w, `{"Message":"block was not found locally (offline)","Code":0,"Type":"error"}`, http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data)
	})), nil
}
