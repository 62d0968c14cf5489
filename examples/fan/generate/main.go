package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
)

func main() {
	log.SetFlags(0)
	n := 128
	if len(os.Args) > 1 {
		var err error
		if n, err = strconv.Atoi(os.Args[1]); err != nil || n < 1 || n > 100_000 || len(os.Args) > 2 {
			log.Fatal("usage: generate [number of squares, from 1 to 100000]")
		}
	}
	out := bufio.NewWriter(os.Stdout)
	write(out, n)
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

// write writes the workflow with n squares, one job to a line.
func write(w io.Writer, n int) {
	fmt.Fprint(w, "{\n  \"jobs\": {\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(w, "    \"square-%d\": {\"with\": \"./arithmetic.wasm\", \"func\": \"square\", \"args\": [%d]},\n", i, i)
	}
	fmt.Fprint(w, "    \"sum\": {\"with\": \"./arithmetic.wasm\", \"func\": \"sum\", \"input\": {\"xs\": [")
	for i := 1; i <= n; i++ {
		if i > 1 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, "\n      {\"from\": \"square-%d\"}", i)
	}
	fmt.Fprint(w, "\n    ]}}\n  }\n}\n")
}
