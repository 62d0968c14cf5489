package client_test

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Whatever a node sends as events, what is told of it is about the workflow, in
// order, and ends with the end.
func FuzzReadEvents(f *testing.F) {
	link, err := ipld.ParseLink("bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(": hello\n\nid: 2.1\nevent: workflow-started\ndata: {\"kind\":\"workflow-started\",\"run\":" + someRun + "}\n\n"))
	f.Add([]byte("id: 2.2\ndata: {\"kind\":\"job-settled\",\"label\":\"a\",\"job\":{\"label\":\"a\",\"status\":\"ok\",\"value\":2}}\n\nretry: 10\n\n"))
	f.Add([]byte("data: {\"kind\":\"workflow-ended\",\ndata: \"run\":" + someRun + "}\r\n\r\nid: 1.1\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var at client.Position
		over := false
		_ = client.ReadEvents(stream, link, func(ev client.Event) bool {
			if over {
				t.Fatal("something follows the end")
			}
			over = ev.Kind == client.WorkflowEnded
			if ev.Run != nil && ev.Run.Workflow != link {
				t.Fatalf("an event of another workflow: %+v", ev.Run)
			}
			if ev.At.Seq > 0 {
				if ev.At.Attempt < at.Attempt || ev.At.Attempt == at.Attempt && ev.At.Seq <= at.Seq {
					t.Fatalf("%+v is told after %+v", ev.At, at)
				}
				at = ev.At
			}
			return true
		})
	})
}
