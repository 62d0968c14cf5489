package graph

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// ownTasks reports promises that name a job of their own document by its Task
// ID. In the normal form, where promises of both kinds name tasks, they would
// be promises of that job.
func (g *Graph) ownTasks() (faults workflow.FaultList) {
	var labels map[task.ID]string
	for i := range g.workflow.Jobs {
		for _, e := range g.workflow.Jobs[i].Outside {
			if labels == nil {
				labels = make(map[task.ID]string, len(g.steps))
				for k := range g.steps {
					labels[g.steps[k].ID] = g.steps[k].Label
				}
			}
			label, own := labels[e.Promise.Task]
			if !own {
				continue
			}
			faults = append(faults, workflow.Fault{
				Pos: e.Pos, Kind: workflow.BadPromise,
				Msg:  fmt.Sprintf("the task %s is the job %q of this document", e.Promise.Task, label),
				Hint: fmt.Sprintf("name it by its label: {from: %q}", label),
			})
		}
	}
	return faults
}
