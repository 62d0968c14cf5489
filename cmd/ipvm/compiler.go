package main

import "os"

// compilerWord, as the only argument, makes ipvm a compiler process: it takes an
// order from standard input and knows nothing of commands. Nodes start it.
const compilerWord = "compiler-process"

// compiler is this program as a compiler process. On Linux it is the very file
// that runs, also after another has taken its name.
func compiler() []string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return []string{self, compilerWord}
	}
	exe, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{exe, compilerWord}
}
