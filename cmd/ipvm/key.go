package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
)

func newKey(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "key",
		Short: "Show this node's key, and make and keep others",
		Long: `A node signs its receipts with the key in key.pem of its state directory.
One is made on first use. Other keys are files, or have names: a NAME without
path and ending is that of a key in the folder keys of the state directory.`,
	})
	var keyType string
	var protect bool
	create := &cobra.Command{
		Use:   "new NAME|FILE",
		Short: "Make a key pair, keep it (mode 0600) and print its DID",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.makeKey(cmd, args[0], keyType, protect) },
	}
	create.Flags().StringVar(&keyType, "type", "ed25519", "ed25519, p256 or secp256k1")
	create.Flags().BoolVar(&protect, "passphrase", false, "put it under a passphrase, which is asked for")
	show := &cobra.Command{
		Use:   "show [NAME|FILE]",
		Short: "Print the DID of a key, or of this node",
		Args:  wants(0, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.showKey(cmd, args) },
	}
	var asJSON bool
	list := &cobra.Command{
		Use:   "ls",
		Short: "List this node's key and those with names",
		Args:  wants(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listKeys(cmd, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	take := &cobra.Command{
		Use:   "import NAME|FILE SECRET",
		Short: "Keep the key in the file SECRET: PEM (PKCS#8) or multibase",
		Args:  wants(2, 2),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.importKey(cmd, args[0], args[1], protect) },
	}
	take.Flags().BoolVar(&protect, "passphrase", false, "put it under a passphrase, which is asked for")
	var out string
	var multibase bool
	give := &cobra.Command{
		Use:   "export [NAME|FILE]",
		Short: "Write the secret of a key, or of this node, to a new file (mode 0600)",
		Args:  wants(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.exportKey(cmd, strings.Join(args, ""), out, multibase)
		},
	}
	give.Flags().StringVarP(&out, "output", "o", "", "the new `FILE`; must be given")
	give.Flags().BoolVar(&multibase, "multibase", false, "write one line of multibase instead of PEM")
	cmd.AddCommand(create, show, list, take, give)
	return cmd
}

func (a *app) makeKey(cmd *cobra.Command, name, keyType string, protect bool) error {
	t, err := did.ParseKeyType(keyType)
	if err != nil {
		return misusef("give --type ed25519, p256 or secp256k1", "%v", err)
	}
	key, err := did.Generate(t)
	if err != nil {
		return err
	}
	return a.keepKey(cmd, name, key, protect)
}

// keepKey writes a key to where its name says, and prints its DID.
func (a *app) keepKey(cmd *cobra.Command, name string, key did.PrivateKey, protect bool) error {
	if err := a.config.load(cmd); err != nil {
		return err
	}
	file := a.keyFile(name)
	if file != name {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
	}
	write := did.WriteKeyFile
	if protect {
		p, err := newPassphrase(cmd)
		if err != nil {
			return err
		}
		write = func(file string, key did.PrivateKey) error { return did.WriteEncryptedKeyFile(file, key, p) }
	}
	if err := neverOverwritten(write(file, key)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), key.DID())
	return err
}

func neverOverwritten(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return misusef("a key is never overwritten; give another name", "%v", err)
	}
	return err
}

func (a *app) showKey(cmd *cobra.Command, args []string) error {
	if err := a.config.load(cmd); err != nil {
		return err
	}
	file := a.keyFile(strings.Join(args, ""))
	key, err := openKey(cmd, file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(args) == 0:
		return misusef("it is made when something is run, or by `ipvm key new "+file+"`", "this node has no key yet: %v", err)
	case errors.Is(err, fs.ErrNotExist):
		return misusef("`ipvm key ls` lists the keys with names", "%v", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\n", key.DID())
	return nil
}

// keyJSON is a key; the name of this node's is empty.
type keyJSON struct {
	Schema     int    `json:"schema"`
	Name       string `json:"name,omitempty"`
	DID        string `json:"did,omitempty"` // unless it is under a passphrase
	Type       string `json:"type,omitempty"`
	Passphrase bool   `json:"passphrase,omitempty"`
}

// listKeys lists the node's key, if there is one, and those with names. What can
// not be read does not keep the others from it.
func (a *app) listKeys(cmd *cobra.Command, asJSON bool) error {
	if err := a.config.load(cmd); err != nil {
		return err
	}
	names, err := a.keyNames()
	if err != nil {
		return err
	}
	names = append([]string{""}, names...)
	var troubles []error
	for _, name := range names {
		key, err := did.ReadKeyFile(a.keyFile(name))
		if locked := errors.Is(err, did.ErrPassphrase); asJSON && (locked || err == nil) {
			k := keyJSON{Schema: jsonSchema, Name: name, Passphrase: locked}
			if !locked {
				k.DID, k.Type = string(key.DID()), fmt.Sprint(key.Type())
			}
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(k); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, did.ErrPassphrase) {
			fmt.Fprintf(cmd.OutOrStdout(), "(under a passphrase)  %s\n", printable(cmp.Or(name, "(this node)")))
			continue
		}
		if name == "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			troubles = append(troubles, err)
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %-9s  %s\n", key.DID(), key.Type(), printable(cmp.Or(name, "(this node)")))
	}
	return errors.Join(troubles...)
}

// keyNames are the names of the keys in the state directory.
func (a *app) keyNames() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(a.config.dir(), keysDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), keyExt); ok && filepath.Ext(name) == "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// importKey keeps a key that stands in another file.
func (a *app) importKey(cmd *cobra.Command, name, file string, protect bool) error {
	key, err := readSecret(cmd, file)
	if err != nil {
		return err
	}
	return a.keepKey(cmd, name, key, protect)
}

// readSecret reads a private key in PEM or multibase; "-" is standard input.
// What others may read is refused.
func readSecret(cmd *cobra.Command, file string) (did.PrivateKey, error) {
	if file != "-" {
		key, err := openKey(cmd, file)
		if err == nil || !errors.Is(err, did.ErrSecret) {
			return key, asMisuse(err)
		}
	}
	data, err := readBounded(cmd, file)
	if err != nil {
		return did.PrivateKey{}, err
	}
	key, err := did.ParsePEM(data)
	if err != nil {
		key, err = did.ParseMultibase(string(bytes.TrimSpace(data)))
	}
	if err != nil {
		return key, misusef("a key is PEM (PKCS#8, not encrypted) or one line of multibase", "%s: %v", printable(file), err)
	}
	return key, nil
}

// exportKey writes the secret of a key to a new file.
func (a *app) exportKey(cmd *cobra.Command, name, out string, multibase bool) error {
	if out == "" {
		return misusef("name a new file: -o FILE", "a secret is not written to standard output")
	}
	if err := a.config.load(cmd); err != nil {
		return err
	}
	key, err := openKey(cmd, a.keyFile(name))
	if err != nil {
		return asMisuse(err)
	}
	if multibase {
		err = writeSecret(out, key.Multibase()+"\n")
	} else {
		err = did.WriteKeyFile(out, key)
	}
	if err := neverOverwritten(err); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", key.DID())
	return err
}

// writeSecret writes text to a new file of the user's own.
func writeSecret(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// keyFile is where a key is: a name without a path and an ending is that of one
// in the state directory, and the empty one is the node's own.
func (a *app) keyFile(name string) string {
	switch {
	case name == "":
		return filepath.Join(a.config.dir(), ipvm.KeyFile)
	case filepath.Base(name) == name && filepath.Ext(name) == "":
		return filepath.Join(a.config.dir(), keysDir, name+keyExt)
	}
	return name
}

// Where keys with names are, in the state directory.
const (
	keysDir = "keys"
	keyExt  = ".pem"
)
