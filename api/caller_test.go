package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/rpc"
)

var (
	owner   = api.Caller{Own: true, Guest: true}
	deputy  = api.Caller{Guest: true} // acts for the owner
	ofGuest = api.Caller{For: guest, Own: true, Guest: true}
	odd     = api.Caller{For: stranger, Own: true}
)

// Everybody sees and directs their own, and what is another's is as if it were not
// there; the owner sees all.
func TestCallers(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	sum := "a: {with: " + r.module(t) + ", args: [1]}\n"
	open := r.do(t, "POST", "/v1/workflows", sum).json(t, http.StatusAccepted)
	own := r.by(t, owner, "POST", "/v1/workflows", sum).json(t, http.StatusAccepted)
	expect(t, "the same workflow", own["workflow"], open["workflow"])
	path := "/v1/workflows/" + own["workflow"].(string)
	for name, test := range map[string]struct {
		by    api.Caller
		query string
		found bool
		runs  int
	}{
		"the owner":            {owner, "", true, 2},
		"who acts for it":      {deputy, "", true, 2},
		"the owner for anyone": {owner, "?for=anyone", true, 1},
		"the owner for others": {owner, "?for=" + string(guest), false, 0},
		"another":              {ofGuest, "", false, 0},
		"a stranger":           {odd, "", false, 0},
	} {
		resp := r.by(t, test.by, "GET", path+test.query, "")
		if test.found {
			resp.json(t, http.StatusOK)
		} else {
			resp.problem(t, http.StatusNotFound, api.NotFound, "no run of this workflow is known")
			r.by(t, test.by, "DELETE", path+test.query, "").problem(t, http.StatusNotFound, api.NotFound, "no run")
			r.by(t, test.by, "GET", path+"/events"+test.query, "").problem(t, http.StatusNotFound, api.NotFound, "no run")
		}
		list := r.by(t, test.by, "GET", "/v1/workflows"+test.query, "").json(t, http.StatusOK)
		expect(t, name, len(list["workflows"].([]any)), test.runs)
	}
	r.by(t, ofGuest, "GET", path+"?for=anyone", "").problem(t, http.StatusForbidden, api.Denied, "for the node's owner to see")
	r.by(t, owner, "GET", path+"?for=me", "").problem(t, http.StatusBadRequest, api.BadRequest, "for: ")
	r.by(t, owner, "GET", path+"?for=anyone&for=anyone", "").problem(t, http.StatusBadRequest, api.BadRequest, "2 times")
	r.do(t, "GET", path+"?for=anyone", "").problem(t, http.StatusBadRequest, api.BadRequest, "that does not exist")
	stopped := r.by(t, owner, "DELETE", path, "").json(t, http.StatusOK)
	expect(t, "the owner's", stopped["state"], any("cancelled"))
	expect(t, "the other", r.do(t, "GET", path, "").json(t, http.StatusOK)["state"], any("running"))
	r.pass()
}

// Who is known by a key alone has nothing kept, and what is done in another's name
// is signed.
func TestCallersWrite(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	sum := "a: {with: " + r.module(t) + ", args: [1]}\n"
	r.by(t, odd, "POST", "/ipfs", "x").problem(t, http.StatusForbidden, api.Denied, "keeps nothing for "+string(stranger))
	r.by(t, odd, "PUT", "/ipfs/"+r.module(t), "x").problem(t, http.StatusForbidden, api.Denied, "keeps nothing for "+string(stranger))
	r.by(t, ofGuest, "POST", "/ipfs", "x").json(t, http.StatusCreated)
	for _, by := range []api.Caller{odd, ofGuest} {
		r.by(t, by, "POST", "/v1/workflows", sum).problem(t, http.StatusForbidden, api.Denied, "has not signed the workflow")
	}
	r.by(t, deputy, "POST", "/v1/workflows", sum).problem(t, http.StatusForbidden, api.Denied, "only the node's own key")
	r.by(t, owner, "POST", "/v1/workflows?wait", sum).json(t, http.StatusOK)
}

// A signed request is the one that was signed, with its body.
func TestSignedRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	sum := "a: {with: " + r.module(t) + ", args: [1]}\n"
	header := r.signs(owner, "POST", "/v1/workflows", sum)
	r.do(t, "POST", "/v1/workflows", sum+" ", header).problem(t, http.StatusForbidden, api.Denied, "the body is not the one that was signed")
	r.do(t, "POST", "/v1/workflows", "", header).problem(t, http.StatusForbidden, api.Denied, "the body is not the one that was signed")
	list := r.do(t, "GET", "/v1/workflows", "", r.signs(owner, "GET", "/v1/workflows", "")).json(t, http.StatusOK)
	expect(t, "accepted", len(list["workflows"].([]any)), 0)
	p := r.do(t, "POST", "/v1/workflows?wait", sum, header).problem(t, http.StatusForbidden, api.Denied, "not of this request")
	expect(t, "denial", p["denial"], any("Cdenial"))
	file := strings.Repeat("x", 300_000)
	put := r.signs(ofGuest, "POST", "/ipfs", file)
	r.do(t, "POST", "/ipfs", file+"y", put).problem(t, http.StatusForbidden, api.Denied, "the body is not")
	r.do(t, "POST", "/ipfs", file, put).json(t, http.StatusCreated)
	r.do(t, "GET", "/v1/workflows", "", "Authorization: Basic eDp5").problem(t, http.StatusBadRequest, api.BadRequest, "not UCAN and a container")
	r.do(t, "GET", "/v1/workflows", "", header, header).problem(t, http.StatusBadRequest, api.BadRequest, "2 Authorization headers")
}

// What is kept for a stranger is counted, but not what it has already.
func TestCallersKeep(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	var kept []int
	by := api.Caller{For: guest, Own: true, Guest: true, Offered: true, Keep: func(bytes int) error {
		if bytes > 1000 {
			return fmt.Errorf("%w: more than 1000", rpc.ErrDenied)
		}
		kept = append(kept, bytes)
		return nil
	}}
	r.by(t, by, "POST", "/ipfs", "xyz").json(t, http.StatusCreated)
	r.by(t, by, "POST", "/ipfs", "xyz").json(t, http.StatusCreated)
	r.by(t, by, "POST", "/ipfs", strings.Repeat("y", 1001)).problem(t, http.StatusForbidden, api.Denied, "more than 1000")
	r.by(t, by, "POST", "/v1/workflows", strings.Repeat("#", 1001)).problem(t, http.StatusForbidden, api.Denied, "more than 1000")
	sum := "a: {with: " + r.module(t) + ", args: [1]}\n"
	m := r.by(t, by, "POST", "/v1/workflows?wait", sum).json(t, http.StatusOK)
	expect(t, "for", m["for"], any(string(guest)))
	expect(t, "kept", kept, []int{3, 0, len(sum)})
}
