package workflow

import "testing"

func TestFaultListHints(t *testing.T) {
	t.Parallel()
	at := func(line int, hint string) Fault {
		return Fault{Pos: Pos{File: "w", Line: line}, Msg: "wrong", Hint: hint}
	}
	list := FaultList{at(1, "a"), at(2, "a"), at(3, "b"), at(4, ""), at(5, ""), at(6, "b"), at(7, "b")}
	const want = "w:1: wrong\nw:2: wrong\n  hint: a\nw:3: wrong\n  hint: b\nw:4: wrong\nw:5: wrong\nw:6: wrong\nw:7: wrong\n  hint: b"
	if got := list.Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for len(list) < maxShown+3 {
		list = append(list, at(8, "c"))
	}
	const end = "w:8: wrong\n  hint: c\n… and 3 more"
	if got := list.Error(); got[len(got)-len(end):] != end {
		t.Errorf("a long list ends in %q, want %q", got[len(got)-len(end):], end)
	}
}
