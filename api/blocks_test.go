package api_test

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

const (
	rawType = "application/vnd.ipld.raw"
	carType = "application/vnd.ipld.car"
)

// blocksOf are the blocks of data as a file, the root last.
func blocksOf(t *testing.T, data []byte) (all []ipld.Block) {
	t.Helper()
	_, err := ipld.ImportFile(data, func(b ipld.Block) error {
		all = append(all, b)
		return nil
	})
	must(t, err)
	return all
}

// writeCAR is a CAR file.
func writeCAR(t *testing.T, root ipld.Link, blocks []ipld.Block) []byte {
	t.Helper()
	header, err := ipld.AppendCBOR(nil, ipld.Map(
		ipld.Entry{Key: "roots", Value: ipld.List(ipld.LinkValue(root))}, ipld.Entry{Key: "version", Value: ipld.Uint(1)},
	))
	must(t, err)
	out := append(binary.AppendUvarint(nil, uint64(len(header))), header...)
	for _, b := range blocks {
		out = binary.AppendUvarint(out, uint64(len(b.Link.Bytes())+len(b.Data)))
		out = append(append(out, b.Link.Bytes()...), b.Data...)
	}
	return out
}

// readCAR are the roots and blocks of a CAR file whose links are CIDv1 of 36 bytes.
func readCAR(t *testing.T, data []byte) (roots []ipld.Link, blocks []ipld.Block) {
	t.Helper()
	next := func() []byte {
		size, n := binary.Uvarint(data)
		part := data[n : n+int(size)]
		data = data[n+int(size):]
		return part
	}
	header, err := ipld.DecodeCBOR(next())
	must(t, err)
	for l := range ipld.Links(header) {
		roots = append(roots, l)
	}
	for len(data) > 0 {
		part := next()
		l, err := ipld.LinkFromBytes(part[:36])
		must(t, err)
		must(t, l.Verify(part[36:]))
		blocks = append(blocks, ipld.Block{Link: l, Data: part[36:]})
	}
	return roots, blocks
}

// large is a file of five blocks.
func large() []byte {
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i >> 8 * i)
	}
	for i := range 4 {
		data[i*ipld.ChunkSize] = byte(i)
	}
	return data
}

func TestRawBlocks(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	text := "hello"
	l := ipld.LinkOf(ipld.CodecRaw, []byte(text))
	path := "/ipfs/" + l.String()
	r.do(t, "GET", path, "", "Accept: "+rawType).problem(t, http.StatusNotFound, api.NotFound, l.String())
	if resp := r.do(t, "HEAD", path+"?format=raw", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
	r.do(t, "PUT", path, "hallo").problem(t, http.StatusBadRequest, api.BadRequest, "do not match")
	r.do(t, "PUT", path, text, "Content-Type: text/plain").problem(t, http.StatusUnsupportedMediaType, api.Unsupported, "text/plain")
	stored := r.do(t, "PUT", path, text, "Content-Type: "+rawType)
	expect(t, "cid", stored.json(t, http.StatusCreated)["cid"], any(l.String()))

	for _, ask := range []string{"?format=raw", " " + rawType, " text/html, " + rawType + ";q=0.5, */*;q=0.1"} {
		query, accept, _ := strings.Cut(ask, " ")
		resp := r.do(t, "GET", path+query, "", "Accept: "+accept)
		expect(t, "body", string(resp.body), text)
		for name, want := range map[string]string{
			"Content-Type": rawType, "Etag": `"` + l.String() + `.raw"`, "Cache-Control": "public, max-age=29030400, immutable",
			"Content-Disposition": `attachment; filename="` + l.String() + `.bin"`, "X-Content-Type-Options": "nosniff", "Content-Length": "5",
		} {
			expect(t, name, resp.Header.Get(name), want)
		}
	}
	for _, accept := range []string{"text/html", "*/*", "", rawType + ";q=0", "application/*"} {
		r.do(t, "GET", path, "", "Accept: "+accept).problem(t, http.StatusNotAcceptable, api.NotAcceptable, "?format=raw")
	}
	r.do(t, "GET", path+"?format=tar", "").problem(t, http.StatusNotAcceptable, api.NotAcceptable, "tar")
	if resp := r.do(t, "GET", path+"?format=raw", "", `If-None-Match: "x", W/"`+l.String()+`.raw"`); resp.StatusCode != http.StatusNotModified {
		t.Errorf("If-None-Match: %d", resp.StatusCode)
	}
	head := r.do(t, "HEAD", path+"?format=raw", "")
	expect(t, "HEAD", []any{head.StatusCode, head.ContentLength, len(head.body)}, []any{200, int64(5), 0})
	r.do(t, "PUT", "/ipfs/"+ipld.LinkOf(ipld.CodecRaw, make([]byte, 2<<20+1)).String(), strings.Repeat("\x00", 2<<20+1)).
		problem(t, http.StatusRequestEntityTooLarge, api.TooLarge, "")
	r.do(t, "GET", "/ipfs/nonsense?format=raw", "").problem(t, http.StatusBadRequest, api.BadRequest, "cid")
}

// The empty block that is its own identifier is there for everyone: gateways are
// recognised by it.
func TestProbe(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	for _, method := range []string{"GET", "HEAD"} {
		resp := r.do(t, method, "/ipfs/bafkqaaa?format=raw", "")
		if resp.StatusCode != http.StatusOK || len(resp.body) != 0 || resp.Header.Get("Content-Type") != "application/vnd.ipld.raw" {
			t.Errorf("%s: %d, %v, %q", method, resp.StatusCode, resp.Header, resp.body)
		}
	}
	if resp := r.do(t, "GET", "/ipfs/bafkqablimvwgy3y?format=raw", ""); resp.StatusCode != http.StatusOK || string(resp.body) != "hello" {
		t.Errorf("%d, %q", resp.StatusCode, resp.body)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	data := large()
	blocks := blocksOf(t, data)
	root := blocks[len(blocks)-1].Link
	added := r.do(t, "POST", "/ipfs", string(data))
	expect(t, "cid", added.json(t, http.StatusCreated)["cid"], any(root.String()))
	path := added.Header.Get("Location")

	resp := r.do(t, "GET", path, "", "Accept: "+carType+"; version=1; order=dfs; dups=n")
	expect(t, "type", resp.Header.Get("Content-Type"), carType+"; version=1; order=dfs; dups=n")
	roots, got := readCAR(t, resp.body)
	expect(t, "blocks", []any{len(got), len(roots), got[0].Link.String(), roots[0].String()}, []any{5, 1, root.String(), root.String()})
	have := map[ipld.Link][]byte{}
	for _, b := range got {
		have[b.Link] = b.Data
	}
	whole, err := ipld.ReadFile(root, 1<<30, func(l ipld.Link) ([]byte, error) { return have[l], nil })
	must(t, err)
	if !bytes.Equal(whole, data) {
		t.Error("the file is another one")
	}
	for scope, want := range map[string]int{"block": 1, "entity": 5, "all": 5} {
		_, got := readCAR(t, r.do(t, "GET", path+"?format=car&dag-scope="+scope, "").body)
		expect(t, scope, len(got), want)
	}
	if head := r.do(t, "HEAD", path+"?format=car", ""); head.StatusCode != http.StatusOK || len(head.body) != 0 {
		t.Errorf("HEAD: %d", head.StatusCode)
	}
	if resp := r.do(t, "GET", path+"?format=car", "", "If-None-Match: "+resp.Header.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("If-None-Match: %d", resp.StatusCode)
	}
	r.do(t, "GET", path+"?format=car&entity-bytes=5:9", "").problem(t, http.StatusBadRequest, api.BadRequest, "entity-bytes")
	r.do(t, "GET", path, "", "Accept: "+carType+"; version=2").problem(t, http.StatusNotAcceptable, api.NotAcceptable, "version")
}

func TestPutCAR(t *testing.T) {
	t.Parallel()
	blocks := blocksOf(t, large())
	root := blocks[len(blocks)-1].Link
	path := "/ipfs/" + root.String()
	whole := writeCAR(t, root, blocks)
	other := ipld.LinkOf(ipld.CodecRaw, []byte("other"))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2]++
	for _, test := range []struct {
		name   string
		body   []byte
		status int
		says   string
	}{
		{"whole", whole, http.StatusCreated, ""},
		{"root first", writeCAR(t, root, append(blocks[4:5:5], blocks[:4]...)), http.StatusCreated, ""},
		{"without a leaf", writeCAR(t, root, blocks[1:]), http.StatusUnprocessableEntity, blocks[0].Link.String()},
		{"without the root", writeCAR(t, root, blocks[:4]), http.StatusUnprocessableEntity, root.String()},
		{"another root", writeCAR(t, other, blocks), http.StatusBadRequest, "roots"},
		{"damaged", damaged, http.StatusBadRequest, "do not match"},
		{"cut off", whole[:len(whole)-1], http.StatusBadRequest, "ends within"},
		{"nothing", nil, http.StatusBadRequest, "empty"},
		{"no CAR file", []byte("hello, this is text"), http.StatusBadRequest, "CAR"},
		{"a huge part", append(writeCAR(t, root, nil), 0xff, 0xff, 0xff, 0xff, 0x0f), http.StatusBadRequest, "at most"},
		{"an endless length", append(writeCAR(t, root, nil), bytes.Repeat([]byte{0xff}, 20)...), http.StatusBadRequest, "length"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, options{})
			resp := r.do(t, "PUT", path, string(test.body), "Content-Type: "+carType)
			if resp.StatusCode != test.status || !strings.Contains(string(resp.body), test.says) {
				t.Fatalf("%d %s", resp.StatusCode, resp.body)
			}
			if resp.StatusCode == http.StatusCreated {
				_, got := readCAR(t, r.do(t, "GET", path+"?format=car", "").body)
				expect(t, "blocks", len(got), len(blocks))
			}
		})
	}
}

// A CAR file in which a block turns out to be missing is cut off, so that nobody
// takes it for whole.
func TestCutOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	blocks := blocksOf(t, large())
	must(t, r.node.PutBlocks(t.Context(), "", blocks[3:]))
	resp, err := r.Do(r.request(t, "GET", "/ipfs/"+blocks[4].Link.String()+"?format=car", ""))
	if err == nil {
		var b bytes.Buffer
		_, err = b.ReadFrom(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("it looks whole")
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	shown := r.do(t, "POST", "/v1/workflows?wait", r.sum(t, 1), yaml).json(t, http.StatusOK)
	job := shown["jobs"].([]any)[1].(map[string]any)
	path := "/v1/receipts/" + job["task"].(string)
	evidence := r.do(t, "GET", path, "").json(t, http.StatusOK)
	one := evidence["receipts"].([]any)[0].(map[string]any)
	expect(t, "receipt", []any{one["receipt"], one["value"], one["executor"]}, []any{job["receipt"], any(3.0), any(string(r.node.Key.DID()))})

	list, err := ipld.DecodeCBOR(r.do(t, "GET", path, "", "Accept: application/vnd.ipld.dag-cbor").body)
	must(t, err)
	_, l, err := ipld.Encode(list.Elems()[0])
	must(t, err)
	expect(t, "what was signed", l.String(), job["receipt"].(string))

	roots, blocks := readCAR(t, r.do(t, "GET", path, "", "Accept: "+carType).body)
	expect(t, "roots", []string{roots[0].String(), blocks[0].Link.String()}, []string{l.String(), l.String()})
	r.do(t, "GET", path, "", "Accept: image/png").problem(t, http.StatusNotAcceptable, api.NotAcceptable, "json")
	r.do(t, "GET", "/v1/receipts/"+l.String(), "").problem(t, http.StatusNotFound, api.NotFound, "")
}

// What came out is in the CAR file as well, down to the last leaf.
func TestReceiptsWithOutput(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	g := r.node.Example(t, "thumbnail/workflow.yaml")
	shown := r.do(t, "POST", "/v1/workflows?wait", string(g.Normal().Data), "Content-Type: application/cbor").json(t, http.StatusOK)
	for _, j := range shown["jobs"].([]any) {
		j := j.(map[string]any)
		out, ok := j["value"].(map[string]any)
		if !ok {
			continue
		}
		root, err := ipld.ParseLink(out["/"].(string))
		must(t, err)
		_, blocks := readCAR(t, r.do(t, "GET", "/v1/receipts/"+j["task"].(string), "", "Accept: "+carType).body)
		have := map[ipld.Link][]byte{}
		for _, b := range blocks {
			have[b.Link] = b.Data
		}
		_, err = ipld.ReadFile(root, 1<<30, func(l ipld.Link) ([]byte, error) { return have[l], nil })
		must(t, err)
		return
	}
	t.Error("no job has a file for its result")
}
