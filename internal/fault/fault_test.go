//go:build faults

package fault

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"": true, "a": true, "a:1": true, "a:3,b": true, "a:0": false, "a:x": false, "a:": false} {
		if _, err := parse(text); (err == nil) != ok {
			t.Errorf("parse(%q) = %v, want ok %t", text, err, ok)
		}
	}
}

func TestPointKillsAtTheNthPass(t *testing.T) {
	if os.Getenv("FAULT_TEST_CHILD") != "" {
		for i := range 5 {
			if i == 2 {
				os.Stdout.WriteString("third\n")
			}
			Point("here")
			Point("elsewhere")
		}
		os.Exit(0)
	}
	for env, want := range map[string]string{"here:3": "third\n", "here:2": "", "nowhere": "third\n"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPointKillsAtTheNthPass$")
		cmd.Env = append(os.Environ(), "FAULT_TEST_CHILD=1", "IPVM_FAULT="+env)
		out, err := cmd.Output()
		if string(out) != want {
			t.Errorf("%s: printed %q, want %q", env, out, want)
		}
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if killed != (env != "nowhere") {
			t.Errorf("%s: killed %t (%v)", env, killed, err)
		}
	}
}
