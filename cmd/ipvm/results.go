package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// asMisuse marks the error of a file that the command line names and that can
// not be opened.
func asMisuse(err error) error {
	var path *fs.PathError
	switch {
	case !errors.As(err, &path):
	case errors.Is(err, syscall.EISDIR):
		return misusef("name a file", "%s is a directory", path.Path)
	case path.Op == "open" && errors.Is(err, fs.ErrNotExist):
		return misusef("", "there is no file %q", path.Path)
	case path.Op == "open":
		return misusef("", "%v", err)
	}
	return err
}

func prepareDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return misusef("-o takes a directory", "%v", err)
	}
	return nil
}

// results is where the files are that results link to.
type results interface {
	File(ctx context.Context, link ipld.Link) ([]byte, error)
	Reveal(j *engine.JobReport) (*engine.JobReport, func(ipld.Link) ([]byte, error), error)
}

// writeResults writes values to files, each atomically, and returns the file
// of each label.
func writeResults(ctx context.Context, node results, w *ipvm.Workflow, report *ipvm.Report, o runOptions) (map[string]string, error) {
	files := map[string]string{}
	if o.dir == "" {
		return files, nil
	}
	sinks := w.Sinks()
	for i := range report.Jobs {
		job := &report.Jobs[i]
		if job.Status != engine.JobOK || !o.all && !slices.Contains(sinks, i) || job.Secret && !o.reveal {
			continue
		}
		file := func(link ipld.Link) ([]byte, error) { return node.File(ctx, link) }
		mode := fs.FileMode(0o644)
		if job.Secret {
			var err error
			if job, file, err = node.Reveal(job); err != nil {
				return files, fmt.Errorf("result of %s: %w", report.Jobs[i].Label, err)
			}
			mode = 0o600
		}
		data, ext, err := render(file, job.Outcome.Value)
		if err != nil {
			return files, fmt.Errorf("result of %s: %w", job.Label, err)
		}
		name := filepath.Join(o.dir, fileName(job.Label)+ext)
		if err := writeAtomically(name, data, mode); err != nil {
			return files, fmt.Errorf("result of %s: %w", job.Label, err)
		}
		files[job.Label] = name
	}
	return files, nil
}

// render is a value as the content of a file: bytes as they are, everything
// else as DAG-JSON.
func render(file func(ipld.Link) ([]byte, error), v ipld.Value) (data []byte, ext string, err error) {
	if link, ok := v.AsLink(); ok {
		if data, err = file(link); err != nil {
			return nil, "", err
		}
		return data, extension(data), nil
	}
	if b, ok := v.AsBytes(); ok {
		return []byte(b), extension([]byte(b)), nil
	}
	data, err = ipld.AppendJSON(nil, v)
	return append(data, '\n'), ".json", err
}

// extension is the file name extension for data, by its first bytes.
func extension(data []byte) string {
	kind, _, _ := strings.Cut(http.DetectContentType(data), ";")
	switch kind {
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/webp":
		return ".webp"
	case "image/bmp":
		return ".bmp"
	case "application/pdf":
		return ".pdf"
	case "application/zip":
		return ".zip"
	case "application/x-gzip":
		return ".gz"
	case "application/wasm":
		return ".wasm"
	case "text/html":
		return ".html"
	case "text/plain":
		return ".txt"
	}
	return ".bin"
}

// fileName is label as a file name that can neither leave its directory nor be
// hidden. Different labels have different names.
func fileName(label string) string {
	name := strings.ReplaceAll(url.PathEscape(label), ":", "%3A")
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	return name
}

func writeAtomically(name string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".ipvm-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
