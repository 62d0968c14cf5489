package main

import "os"

// compilerWord, as the only argument, makes ipvm a compiler process: it takes an
// order from standard input and knows nothing of commands. Nodes start it.
const compilerWord = "compiler-process"

// compiler is this program as a compiler process.
func compiler() []string {
	if self := program(); self != "" {
		return []string{self, compilerWord}
	}
	return nil
}

// program is the file of this program; empty where that is not known. On Linux it
// is the very file that runs, also after another has taken its name.
func program() string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self
	}
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	return exe
}
