//go:build cgo

package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// TestGuidePicture holds the picture in the guide to what the program draws.
func TestGuidePicture(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	if code := run([]string{"graph", "--svg", "--dir", t.TempDir(), "../../examples/thumbnail/workflow.yaml"}, nil, &out, &errOut); code != exitOK {
		t.Fatalf("exit status %d: %s", code, &errOut)
	}
	samePicture(t, "../../docs/thumbnail.svg", out.Bytes())
}

// samePicture holds the picture in file to what is drawn now.
func samePicture(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, file); !bytes.Equal(got, want) {
		t.Errorf("%s is not what is drawn now; look at it after -update", file)
	}
}

// TestEffectPicture draws what the classes of steps, their turns and the way of
// a secret look like.
func TestEffectPicture(t *testing.T) {
	t.Parallel()
	const f = "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	w, err := workflow.Parse(workflow.Source{Name: "effects.yaml", Data: []byte(`ipvm/workflow:
  nonce: {"/": {"bytes": AAECAwQFBgcICQoLDA0ODw}}
  jobs:
    prices: {with: "https://example.com/prices", do: crud/read, secret: true}
    count: {with: ` + f + `, func: square, args: [{from: prices}]}
    public: {with: ` + f + `, func: square, args: [4]}
    send: {with: "mailto:boris@example.com", do: msg/send, input: {body: {from: count}}}
    one: {with: "dns://example.com?TYPE=TXT", do: crud/update, input: {value: {from: public}}}
    known: {with: ` + f + `, func: square, args: [{from: {"/": bafyreihstutbp3izkvoppgmekctov5tra3axp7q6xihsm632l7sw6dttxm}}]}
    two: {with: "dns://example.com?TYPE=TXT", do: crud/update, input: {value: hello}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{Owner: "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", Effects: []task.EffectKind{
		{Scheme: "https", Ability: "crud/read", Class: task.ClassQuery},
		{Scheme: "mailto", Ability: "msg/send", Class: task.ClassMutation},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := drawSVG(&out, g, "effects.yaml", nil); err != nil {
		t.Fatal(err)
	}
	samePicture(t, "testdata/effects.svg", out.Bytes())
}
