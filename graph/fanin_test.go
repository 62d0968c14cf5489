package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// TestFanIn shows how many promises one job takes: those whose encoding is
// within the bound on arguments. One more is a fault at the job.
func TestFanIn(t *testing.T) {
	t.Parallel()
	fanIn := func(promises int) error {
		list := strings.Repeat(`, {"from": "a"}`, promises)
		doc := fmt.Sprintf(`{"a": {"with": %s, "args": []}, "all": {"with": %[1]s, "args": [[%s]]}}`, module, list[2:])
		w, err := workflow.Parse(workflow.Source{Name: "doc.json", Data: []byte(doc)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Build(w, Options{})
		return err
	}
	if err := fanIn(20_500); err != nil {
		t.Error(err)
	}
	var faults workflow.FaultList
	if err := fanIn(20_600); !errors.As(err, &faults) || len(faults) != 1 || faults[0].Kind != workflow.Size || faults[0].Path != "/all/args" {
		t.Errorf("20,600 promises: %v", err)
	}
}
