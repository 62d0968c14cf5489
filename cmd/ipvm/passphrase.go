package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/did"
)

// passphraseVariable has the passphrase where nobody sits at a terminal.
const passphraseVariable = "IPVM_PASSPHRASE"

// openKey reads a key file, and asks for its passphrase if it has one.
func openKey(cmd *cobra.Command, file string) (did.PrivateKey, error) {
	key, err := did.OpenKeyFile(file, func() (string, error) { return passphrase(cmd, "passphrase of "+printable(file)) })
	if errors.Is(err, did.ErrPassphrase) {
		return key, misusef("type it again, or set "+passphraseVariable, "%v", err)
	}
	return key, err
}

// passphrase asks for one, or takes the variable's.
func passphrase(cmd *cobra.Command, what string) (string, error) {
	if p := os.Getenv(passphraseVariable); p != "" {
		return p, nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", misusef("set "+passphraseVariable+", or run it at a terminal", "there is need of a passphrase, and nobody to ask")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", what)
	p, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err == nil && len(p) == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", misusef("", "no passphrase: %v", err)
	}
	return string(p), nil
}

// newPassphrase asks for one twice.
func newPassphrase(cmd *cobra.Command) (string, error) {
	p, err := passphrase(cmd, "passphrase")
	if err != nil || os.Getenv(passphraseVariable) != "" {
		return p, err
	}
	again, err := passphrase(cmd, "once more")
	if err == nil && again != p {
		err = misusef("", "the two passphrases differ")
	}
	return p, err
}
