package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

const typeForm = "multipart/form-data"

// uploaded are the files that a document names by path.
type uploaded map[string]ipld.Link

// Import returns the link of the file that a document calls path.
func (u uploaded) Import(path string) (ipld.Link, error) {
	link, ok := u[path]
	if !ok {
		return link, fmt.Errorf("%w among the files of the form", fs.ErrNotExist)
	}
	return link, nil
}

// readForm reads the form in src.Data, and leaves its document in src: the part
// "document" and, once at most, "files", which says which file is behind each path
// in it.
func readForm(r *http.Request, src *workflow.Source) error {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return problemf(BadRequest, "Content-Type: a form without a boundary")
	}
	in := multipart.NewReader(bytes.NewReader(src.Data), params["boundary"])
	seen := make(map[string]bool)
	src.Data = nil
	for {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return problemf(BadRequest, "the form: %s", shorten(err.Error()))
		}
		name := part.FormName()
		data, err := io.ReadAll(part)
		if err != nil {
			return problemf(BadRequest, "the form: %s: %s", shorten(name), shorten(err.Error()))
		}
		if seen[name] {
			return problemf(BadRequest, "the form has %q twice", shorten(name))
		}
		switch seen[name] = true; name {
		case "document":
			src.Data = data
			src.Format, err = documentFormat(part.Header.Get("Content-Type"))
		case "files":
			src.Files, err = readUploaded(data)
		default:
			err = problemf(BadRequest, "the form has a part %q that does not exist", shorten(name)).hint("those that do: document, files")
		}
		if err != nil {
			return err
		}
	}
	if len(src.Data) == 0 {
		return problemf(BadRequest, "the form has no document").hint("it is the part that is named document")
	}
	return nil
}

// documentFormat is the format of a document of a media type.
func documentFormat(kind string) (workflow.Format, error) {
	if media, _, err := mime.ParseMediaType(kind); err == nil {
		kind = media
	}
	format, ok := documents[kind]
	if !ok {
		return "", problemf(Unsupported, "a document is not %s", shorten(kind)).hint("YAML is application/yaml, JSON application/json, DAG-CBOR " + typeCBOR)
	}
	return format, nil
}

// readUploaded reads an object of paths and CIDs.
func readUploaded(data []byte) (uploaded, error) {
	v, err := ipld.DecodeJSON(data)
	if err != nil || v.Kind() != ipld.KindMap {
		return nil, problemf(BadRequest, "files: not a JSON object").hint(`it is as {"./picture.png": "bafkrei…"}`)
	}
	files := make(uploaded, v.Len())
	for _, e := range v.Entries() {
		text, _ := e.Value.AsString()
		link, err := ipld.ParseLink(text)
		if err != nil {
			return nil, problemf(BadRequest, "files: %q: not a CID: %s", shorten(e.Key), shorten(err.Error()))
		}
		files[e.Key] = link
	}
	return files, nil
}
