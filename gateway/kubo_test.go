package gateway

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// A running kubo gives a file block by block, by its RPC and as a gateway, under
// the CID that this program computes, and says of others that it has them not.
// IPVM_TEST_KUBO is its binary.
func TestPeerKubo(t *testing.T) {
	binary := os.Getenv("IPVM_TEST_KUBO")
	if binary == "" {
		t.Skip("IPVM_TEST_KUBO names no kubo")
	}
	k := kubo{t: t, binary: binary, repo: t.TempDir()}
	k.start()
	data := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := ipld.ParseLink(k.run("add", "-Q", "--cid-version=1", file))
	if err != nil || root != ipld.FileLink(data) {
		t.Fatalf("kubo calls the file %s (%v), and we %s", root, err, ipld.FileLink(data))
	}
	old, err := ipld.ParseLink(k.run("add", "-Q", file)) // CIDv0, no raw leaves
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{"RPC": {Kubo: k.rpc}, "gateway": {Gateways: []string{k.gateway}}} {
		c := client(t, defaults(), c)
		get := func(l ipld.Link) ([]byte, error) { return c.Fetch(t.Context(), l) }
		for _, link := range []ipld.Link{root, old} {
			if got, err := ipld.ReadFile(link, 1<<20, get); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %s: %d bytes, %v", name, link, len(got), err)
			}
		}
		var nobody *NotFoundError
		if _, err := get(link); !errors.As(err, &nobody) || !strings.Contains(err.Error(), "not there (") {
			t.Errorf("%s: of a block that it has not: %v", name, err)
		}
	}
}

// kubo is a node that is not connected to others.
type kubo struct {
	t            *testing.T
	binary, repo string
	rpc, gateway string
}

func (k *kubo) command(args ...string) *exec.Cmd {
	cmd := exec.Command(k.binary, args...)
	cmd.Env = append(os.Environ(), "IPFS_PATH="+k.repo, "HOME="+k.repo)
	return cmd
}

func (k *kubo) run(args ...string) string {
	k.t.Helper()
	out, err := k.command(args...).Output()
	if err != nil {
		k.t.Fatalf("ipfs %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

func (k *kubo) start() {
	k.t.Helper()
	k.run("init", "--profile", "test")
	k.run("config", "Addresses.API", "/ip4/127.0.0.1/tcp/0")
	k.run("config", "Addresses.Gateway", "/ip4/127.0.0.1/tcp/0")
	daemon := k.command("daemon", "--offline")
	if err := daemon.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	waitUntil(k.t, func() bool {
		api, _ := os.ReadFile(filepath.Join(k.repo, "api")) // a multiaddr
		parts := strings.Split(strings.TrimSpace(string(api)), "/")
		gateway, _ := os.ReadFile(filepath.Join(k.repo, "gateway"))
		k.rpc, k.gateway = "http://127.0.0.1:"+parts[len(parts)-1], strings.TrimSpace(string(gateway))
		time.Sleep(10 * time.Millisecond)
		return len(api) > 0 && len(gateway) > 0
	})
}
