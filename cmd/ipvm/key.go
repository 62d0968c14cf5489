package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
)

func newKey(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "key",
		Short: "Show this node's key, or make one",
		Long:  "A node signs its receipts with the key in key.pem of its state directory.\nOne is made on first use.",
	})
	var keyType string
	create := &cobra.Command{
		Use:   "new FILE",
		Short: "Make a key pair, write it to FILE (mode 0600) and print its DID",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return makeKey(cmd, args[0], keyType) },
	}
	create.Flags().StringVar(&keyType, "type", "ed25519", "ed25519, p256 or secp256k1")
	show := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the DID of the key in FILE, or of this node",
		Args:  wants(0, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.showKey(cmd, args) },
	}
	cmd.AddCommand(create, show)
	return cmd
}

func makeKey(cmd *cobra.Command, file, keyType string) error {
	t, err := did.ParseKeyType(keyType)
	if err != nil {
		return misusef("give --type ed25519, p256 or secp256k1", "%v", err)
	}
	key, err := did.Generate(t)
	if err != nil {
		return err
	}
	err = did.WriteKeyFile(file, key)
	if errors.Is(err, fs.ErrExist) {
		return misusef("a key is never overwritten; give another name", "%v", err)
	}
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), key.DID())
	}
	return err
}

func (a *app) showKey(cmd *cobra.Command, args []string) error {
	if err := a.config.load(cmd.Root().PersistentFlags()); err != nil {
		return err
	}
	file := filepath.Join(a.config.dir(), ipvm.KeyFile)
	if len(args) == 1 {
		file = args[0]
	}
	key, err := did.ReadKeyFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(args) == 0:
		return misusef("it is made when something is run, or by `ipvm key new "+file+"`", "this node has no key yet: %v", err)
	case errors.Is(err, fs.ErrNotExist):
		return misusef("", "%v", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\n", key.DID())
	return nil
}
