package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
)

// Who asks is told of the tasks that ended the node while they ran on its behalf.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	none := r.do(t, "GET", "/v1/quarantine", "").json(t, http.StatusOK)["tasks"].([]any)
	expect(t, "for those who show nothing", len(none), 0)

	some := r.by(t, api.Caller{For: guest}, "GET", "/v1/quarantine", "").json(t, http.StatusOK)["tasks"].([]any)
	expect(t, "tasks", len(some), 1)
	death := some[0].(map[string]any)
	expect(t, "the task", fmt.Sprint(death["func"], " ", death["for"], " ", death["times"], " ", death["how"], " ", death["last"], " ", death["refused"]),
		"f "+string(guest)+" 2 SIGABRT 1970-01-01T00:00:02.000000Z true")
}
