package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/gateway"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

func newBlock(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "block",
		Short: "Put files into the store, and get them out",
	})
	var out string
	var raw, share bool
	get := &cobra.Command{
		Use:   "get CID[/PATH]",
		Short: "Write the file or value behind a CID",
		Long:  "Write the bytes of the file behind CID, or of the one at PATH in the directory\nbehind CID, or the value of a DAG-CBOR block as DAG-JSON. A directory is written with\nall that is in it as the new folder that -o names. --raw writes the one block as it is.",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.getBlock(cmd, args[0], out, raw) },
	}
	get.Flags().StringVarP(&out, "output", "o", "", "write to `FILE` instead of standard output, or a directory as this new folder")
	get.Flags().BoolVar(&raw, "raw", false, "write the block itself")
	var cid string
	var asJSON bool
	put := &cobra.Command{
		Use:   "put FILE…",
		Short: "Import files, as `ipfs add --cid-version=1` would, and print their CIDs",
		Long:  "Import files, and folders with all that is in them, as `ipfs add -r --hidden\n--cid-version=1` would, and print their CIDs. A document names a file in a folder as\nipfs://CID/path. With --cid, FILE is one http(s) URL, and what is there is imported\nonly if it is what CID says.",
		Args:  wants(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("cid") {
				return a.putURL(cmd, args, cid, share, asJSON)
			}
			return a.putBlocks(cmd, args, share, asJSON)
		},
	}
	put.Flags().StringVar(&cid, "cid", "", "import what is at a URL if it is what `CID` says")
	put.Flags().BoolVar(&share, "share", false, "let the workflows of others read them: see `ipvm block share`")
	put.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per file")
	cmd.AddCommand(put, get, newBlockList(a), &cobra.Command{
		Use:   "share CID…",
		Short: "Let the workflows of others read files of the store",
		Long: `Let every workflow that this node runs on behalf of somebody else read the files
behind the CIDs, for good. Without it such a workflow reads nothing of this node's
but what came with it and the modules that ` + "`ipvm delegate --function`" + ` has named.`,
		Args: wants(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.shareBlocks(cmd, args) },
	})
	return cmd
}

func (a *app) shareBlocks(cmd *cobra.Command, cids []string) (err error) {
	links := make([]ipld.Link, len(cids))
	for i, cid := range cids {
		if links[i], err = ipld.ParseLink(cid); err != nil {
			return misusef("a CID looks like bafkrei…; `ipvm block put --share FILE` imports a file", "%q is not a CID", cid)
		}
		if c := links[i].Codec(); c != ipld.CodecRaw && c != ipld.CodecDagPB {
			return misusef("what `ipvm block put` prints is the CID of a file", "%s is not a file", links[i])
		}
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	for _, link := range links {
		err := node.Backend().Share(cmd.Context(), link)
		if errors.Is(err, store.ErrNotFound) {
			return misusef("`ipvm block put --share FILE` imports a file and shares it", "%s is not whole in the store of this node: %v", link, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shareModules shares the modules that a grant for this node names, as far as
// they are here.
func (a *app) shareModules(cmd *cobra.Command, links []ipld.Link) (err error) {
	if len(links) == 0 {
		return nil
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	for _, link := range links {
		err := node.Backend().Share(cmd.Context(), link)
		if errors.Is(err, store.ErrNotFound) {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: the module %s is not here; `ipvm block put --share FILE` brings it\n", link)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// content is where files are put and had from.
type content interface {
	ImportFrom(ctx context.Context, name string, in io.Reader) (ipld.Link, error)
	FetchFile(ctx context.Context, link ipld.Link) ([]byte, error)
	FetchBlock(ctx context.Context, link ipld.Link) ([]byte, error)
	PutBlock(ctx context.Context, b ipld.Block) error
}

func (a *app) putBlocks(cmd *cobra.Command, files []string, share, asJSON bool) (err error) {
	there, err := a.elsewhere(cmd, signer{})
	if err != nil {
		return err
	}
	if there != nil {
		defer there.Close()
		if share {
			return misusef("", "--share is not done over HTTP")
		}
		return importFiles(cmd, elsewhere{there}, files, asJSON, func(ipld.Link) error { return nil })
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	return importFiles(cmd, node, files, asJSON, func(link ipld.Link) error {
		if !share {
			return nil
		}
		return node.Backend().Share(cmd.Context(), link)
	})
}

// importFiles puts files, and then does something with each.
func importFiles(cmd *cobra.Command, to content, files []string, asJSON bool, then func(ipld.Link) error) error {
	for _, file := range files {
		if isURL(file) {
			return misusef("--cid says what it has to be: what is at a URL may change", "%s is no file", printable(file))
		}
		link, err := importFile(cmd, to, file)
		if err != nil {
			return asMisuse(err)
		}
		if err := then(link); err != nil {
			return err
		}
		if err := printPut(cmd.OutOrStdout(), link, file, asJSON); err != nil {
			return err
		}
	}
	return nil
}

// putJSON is a file that was put.
type putJSON struct {
	Schema int    `json:"schema"`
	CID    string `json:"cid"`
	File   string `json:"file"`
}

func printPut(out io.Writer, link ipld.Link, file string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(putJSON{jsonSchema, link.String(), file})
	}
	_, err := fmt.Fprintf(out, "%s  %s\n", link, printable(file))
	return err
}

func importFile(cmd *cobra.Command, to content, file string) (ipld.Link, error) {
	if file == "-" {
		return to.ImportFrom(cmd.Context(), "stdin", cmd.InOrStdin())
	}
	f, err := os.Open(file)
	if err != nil {
		return ipld.Link{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		b, err := importFolder(cmd, to, file, &folders{left: maxFolderFiles})
		return b.Link, err
	}
	return to.ImportFrom(cmd.Context(), file, f)
}

// content opens where files are put and had from: the node of the state directory, or one
// elsewhere. done closes it.
func (a *app) content(cmd *cobra.Command) (from content, done func(error) error, err error) {
	there, err := a.elsewhere(cmd, signer{})
	if err != nil {
		return nil, nil, err
	}
	if there != nil {
		return elsewhere{there}, func(err error) error { there.Close(); return err }, nil
	}
	node, err := a.open(cmd)
	if err != nil {
		return nil, nil, err
	}
	return node, func(err error) error { return closing(cmd, node, err) }, nil
}

func (a *app) getBlock(cmd *cobra.Command, cid, file string, raw bool) (err error) {
	from, done, err := a.content(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	link, err := resolve(cmd, from, cid)
	if err != nil {
		return err
	}
	data, err := blockContent(cmd, from, link, raw)
	if errors.Is(err, ipld.ErrNotFile) {
		return a.getFolder(cmd, from, link, file, err)
	}
	if errors.Is(err, client.NotFound) {
		return misusef("`ipvm block put FILE` sends a file", "%v", err)
	}
	if nobody := new(gateway.NotFoundError); errors.As(err, &nobody) {
		return fmt.Errorf("block %s is not in the store of this node, and %w\n  hint: the next time may be better; `ipvm block put FILE` imports a file", nobody.Link, nobody)
	}
	if errors.Is(err, store.ErrNotFound) {
		if _, err := from.FetchBlock(cmd.Context(), link); errors.Is(err, store.ErrNotFound) {
			return misusef("`ipvm block put FILE` imports a file; --gateways and --kubo say whom to ask", "%s is not in the store of this node", link)
		}
		return misusef("`ipvm block put FILE` imports the whole file again", "a part is missing: %v", err)
	}
	if err != nil {
		return err
	}
	if file != "" {
		return writeAtomically(file, data, 0o644)
	}
	if f, ok := cmd.OutOrStdout().(*os.File); ok && isTerminal(f) && extension(data) == ".bin" {
		return misusef("give -o FILE, or redirect the output", "the content is not text, and standard output is a terminal")
	}
	_, err = cmd.OutOrStdout().Write(data)
	return err
}

// getFolder writes out what is no file, as notFile says, if it is a directory.
func (a *app) getFolder(cmd *cobra.Command, from content, link ipld.Link, path string, notFile error) error {
	if path != "" {
		err := writeFolder(cmd, from, link, path)
		if !errors.Is(err, ipld.ErrNotDirectory) {
			return err
		}
		return misusef("--raw writes the block itself", "%v", notFile)
	}
	return misusef("-o FOLDER writes a directory, `ipvm block ls` lists it, and --raw writes the block itself", "%v", notFile)
}

func blockContent(cmd *cobra.Command, from content, link ipld.Link, raw bool) ([]byte, error) {
	if raw || link.Codec() != ipld.CodecDagCBOR {
		if raw {
			return from.FetchBlock(cmd.Context(), link)
		}
		return from.FetchFile(cmd.Context(), link)
	}
	data, err := from.FetchBlock(cmd.Context(), link)
	if err != nil {
		return nil, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return nil, err
	}
	out, err := ipld.AppendJSON(nil, v)
	return append(out, '\n'), err
}
