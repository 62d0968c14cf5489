package component

import "github.com/ipvm-wg/go-ipvm/wit"

// Command is the type of a program that is run as a function:
//
//	func(args: option<list<string>>, env: option<list<tuple<string, string>>>,
//	     stdin: option<list<u8>>, files: option<list<tuple<string, list<u8>>>>)
//	  -> result<output, output>
//
// where output is a record of stdout, stderr, exit and files. The exit status
// 0 is ok; another is an error with the same record.
func Command(name string) wit.Func {
	text := &wit.Type{Kind: wit.StringKind}
	bytes := &wit.Type{Kind: wit.List, Elem: &wit.Type{Kind: wit.U8}}
	pairs := func(of *wit.Type) *wit.Type {
		return &wit.Type{Kind: wit.List, Elem: &wit.Type{Kind: wit.Tuple, Items: []*wit.Type{text, of}}}
	}
	optional := func(of *wit.Type) *wit.Type { return &wit.Type{Kind: wit.Option, Elem: of} }
	files := pairs(bytes)
	output := &wit.Type{Kind: wit.Record, Fields: []wit.Field{
		{Name: "stdout", Type: bytes},
		{Name: "stderr", Type: bytes},
		{Name: "exit", Type: &wit.Type{Kind: wit.U32}},
		{Name: "files", Type: files},
	}}
	return wit.Func{
		Name: name,
		Params: []wit.Field{
			{Name: "args", Type: optional(&wit.Type{Kind: wit.List, Elem: text})},
			{Name: "env", Type: optional(pairs(text))},
			{Name: "stdin", Type: optional(bytes)},
			{Name: "files", Type: optional(files)},
		},
		Result: &wit.Type{Kind: wit.Result, Elem: output, Err: output},
	}
}
