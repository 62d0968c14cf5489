package workflow

import "testing"

func TestPlaces(t *testing.T) {
	t.Parallel()
	const native = `v: "0.1.0"
defaults: {gas: 7}
jobs:
  a: {with: &m {"/": bafkreihhvwl4vffpl6a3iqrgugvp57uaphylxulmiqsmfqveh5e2yq7ib4}, func: f, args: [1, {items: [x, {Name: y}]}]}
  b:
    with: *m
    input:
      - first_name: x
      - last: [1, 2]
    config: {memory: 1KiB}
`
	const bare = `{"with": {"/": "bafkreihhvwl4vffpl6a3iqrgugvp57uaphylxulmiqsmfqveh5e2yq7ib4"}, "args": ["x"]}`
	for _, test := range []struct {
		name, doc string
		job       int
		part      Part
		path      []string
		want      string
	}{
		{"a field", native, 0, PartFunc, nil, "w:4:90: /jobs/a/func"},
		{"an argument", native, 0, PartArgs, []string{"0"}, "w:4:100: /jobs/a/args/0"},
		{"deep inside", native, 0, PartArgs, []string{"1", "items", "1", "name"}, "w:4:122: /jobs/a/args/1/items/1/Name"},
		{"as deep as there is something", native, 0, PartArgs, []string{"1", "items", "7", "name"}, "w:4:111: /jobs/a/args/1/items"},
		{"in a list of names", native, 1, PartArgs, []string{"last", "1"}, "w:9:19: /jobs/b/input/1/last/1"},
		{"by words", native, 1, PartArgs, []string{"first-name"}, "w:8:21: /jobs/b/input/0/first_name"},
		{"in a config", native, 1, PartMemory, nil, "w:10:22: /jobs/b/config/memory"},
		{"in the defaults", native, 1, PartGas, nil, "w:2:17: /defaults/gas"},
		{"not there", native, 1, PartFunc, nil, "w:5:3: /jobs/b"},
		{"a bare job", bare, 0, PartArgs, []string{"0"}, "w:1:89: /args/0"},
		{"not there in a bare job", bare, 0, PartTime, nil, "w:1:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, err := Parse(Source{Name: "w", Data: []byte(test.doc)})
			if err != nil {
				t.Fatal(err)
			}
			if got := w.Places().Of(&w.Jobs[test.job], test.part, test.path...).String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
