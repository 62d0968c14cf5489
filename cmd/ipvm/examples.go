package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples are those of the commands that have none of their own: what stands after
// "ipvm" on a line, by the command's words.
var examples = map[string]string{
	"block get": "block get -o picture.png bafybeih3zzc…",
	"block put": `block put picture.png
block put --cid bafybeih3zzc… https://example.com/picture.png`,
	"block share":     "block share bafybeih3zzc…",
	"cancel":          "cancel bafyreihx3f2v…",
	"check":           "check workflow.yaml\ncheck --normalise workflow.json > workflow.yaml",
	"doctor":          "doctor",
	"init":            "init hello\nrun hello/workflow.yaml",
	"inspect":         "inspect grant.ucan\ninspect --at 7d grant.ucan",
	"key export":      "key export -o alice.pem alice",
	"key import":      "key import alice alice.pem",
	"key ls":          "key ls",
	"key new":         "key new alice\nkey new --type p256 --passphrase bob",
	"key show":        "key show\nkey show alice",
	"receipt explain": "receipt explain workflow.yaml resize",
	"receipt export":  "receipt export -o resize.ucan bafyreihx3f2v…",
	"receipt import":  "receipt import resize.ucan",
	"receipt ls":      "receipt ls --json",
	"receipt show":    "receipt show bafyreihx3f2v…",
	"receipt verify":  "receipt verify resize.ucan",
	"resume":          "resume bafyreihx3f2v…",
	"revoke":          "revoke grant.ucan\nrevoke --as alice -o revocation.ucan zdpuAyw…",
	"show":            "show --json bafyreihx3f2v…",
	"suspend":         "suspend bafyreihx3f2v…",
	"trust ls":        "trust ls",
	"trust rm":        "trust rm bob",
	"version":         "version",
	"wasm inspect":    "wasm inspect count.wasm",
}

func addExamples(root *cobra.Command) {
	for path, lines := range examples {
		cmd, rest, err := root.Find(strings.Fields(path))
		if err == nil && len(rest) == 0 && cmd.Example == "" {
			cmd.Example = "  ipvm " + strings.ReplaceAll(lines, "\n", "\n  ipvm ")
		}
	}
}
