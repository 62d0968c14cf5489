package task

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	o := Output{Stdout: ipld.Bytes(nil), Stderr: ipld.Bytes([]byte("usage\nno such file\n")), Exit: 2, Files: []ipld.Value{ipld.List(ipld.String("a"), ipld.Bytes(nil))}}
	back, ok := ParseOutput(o.Value())
	if !ok || !back.Value().Equal(o.Value()) {
		t.Errorf("%v, %v", back, ok)
	}
	f := Failure{Kind: KindGuest, Value: o.Value()}
	if got, want := f.String(), "guest: the program ended with exit status 2: no such file"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	o.Stderr = ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil))
	f.Value = o.Value()
	if got, want := f.String(), "guest: the program ended with exit status 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, v := range map[string]ipld.Value{
		"null": ipld.Null, "a list": ipld.List(), "less": ipld.Map(ipld.Entry{Key: "exit", Value: ipld.Int(1)}),
		"a negative status": ipld.Map(
			ipld.Entry{Key: "stdout"}, ipld.Entry{Key: "stderr"}, ipld.Entry{Key: "exit", Value: ipld.Int(-1)}, ipld.Entry{Key: "files", Value: ipld.List()}),
	} {
		if _, ok := ParseOutput(v); ok {
			t.Errorf("%s is the output of a program", name)
		}
	}
}
