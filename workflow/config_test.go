package workflow_test

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// What the config of a workflow says of each job counts for the jobs that say
// nothing of it, in all dialects that have one: a secret that is overlooked is told.
func TestConfigOfTheWorkflowIsOfEachJob(t *testing.T) {
	t.Parallel()
	const module = "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	const config = "config: {secret: true, check: {zkp: nova}, gas: 99}\n"
	for name, text := range map[string]string{
		"native": config + "jobs:\n  a: {with: " + module + "}\n  b: {with: " + module + ", args: [1], secret: false}\n",
		"job draft": "type: ipvm/workflow\nversion: 0.0.1\nnonce: ABCDEF\n" + config + "run:\n  a: {type: ipvm/wasm, with: " + module + "}\n" +
			"  b: {type: ipvm/wasm, with: " + module + ", inputs: [1], secret: false}\n",
	} {
		w, err := workflow.Parse(workflow.Source{Data: []byte(text), Format: workflow.YAML})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, want := range []workflow.Secrecy{workflow.SecretAlways, workflow.SecretNever} {
			j := &w.Jobs[i]
			if j.Secret != want || j.Check == nil || j.Limits.Gas != 0 {
				t.Errorf("%s: job %s: secret %d, check %v, gas %d", name, j.Label, j.Secret, j.Check, j.Limits.Gas)
			}
		}
		if w.Config.Gas != 99 {
			t.Errorf("%s: the whole may use %d gas", name, w.Config.Gas)
		}
	}
}
