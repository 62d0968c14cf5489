package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

func TestPolicyWords(t *testing.T) {
	t.Parallel()
	const link = "bafkreihchhvu2delen2inr455uwprguurdpzauvm7birjogpcuci3abbz4"
	mod := `["==", ".mod", {"/": "` + link + `"}]`
	for _, tt := range []struct{ command, statement, want string }{
		{"/ipvm/run", `["<=", ".gas", 1000000000]`, "gas at most 1,000,000,000"},
		{"/ipvm/run", `["<", ".gas", 1000]`, "gas below 1,000"},
		{"/ipvm/run", `[">=", ".memory", 65536]`, "memory at least 64 KiB"},
		{"/ipvm/run", `["!=", ".time", 1500000000]`, "time is not 1.5s"},
		{"/ipvm/run", `["<=", ".time", 18446744073709551615]`, ".time at most 18,446,744,073,709,551,615"},
		{"/ipvm/run", `["<=", ".gas", -1]`, ".gas at most -1"},
		{"/ipvm/run", `["<=", ".gas", 1.5]`, ".gas at most 1.5"},
		{"/ipvm/run", `["like", ".gas", "1*"]`, `.gas like "1*"`},
		{"/ipvm/run", `["==", ".effects", []]`, "no effects"},
		{"/ipvm/run", `["!=", ".effects", []]`, ".effects is not []"},
		{"/ipvm/run", `["==", ".effects", {}]`, ".effects is {}"},
		{"/ipvm/run", `["==", ".workflow", {"/": "` + link + `"}]`, "only workflow " + link},
		{"/ipvm/run", `["all", ".functions", ` + mod + `]`, "only functions of module " + link},
		{"/ipvm/run", `["all", ".functions", ["and", [` + mod + `, ["==", ".fun", "f"]]]]`, `only function "f" of module ` + link},
		{"/ipvm/run", `["all", ".functions", ["or", [` + mod + `, ["and", [` + mod + `, ["==", ".fun", "\u001b[31m"]]]]]]`, "only functions of module " + link + `, or function "\u001b[31m" of module ` + link},
		{"/ipvm/run", `["all", ".functions", ["or", []]]`, "each of .functions: (anything)"},
		{"/ipvm/run", `["all", ".functions", ["or", [` + mod + `, ["==", ".fun", "f"]]]]`, "each of .functions: ((.mod is " + link + `) or (.fun is "f"))`},
		{"/ipvm/run", `["all", ".functions", ["and", [` + mod + `, ["==", ".fun", "f"], ["==", ".x", 1]]]]`, "each of .functions: ((.mod is " + link + `) and (.fun is "f") and (.x is 1))`},
		{"/ipvm/run", `["all", ".functions", ["!=", ".mod", null]]`, "each of .functions: (.mod is not null)"},
		{"/ipvm/run", `["any", ".functions", ` + mod + `]`, "at least one of .functions: (.mod is " + link + ")"},
		{"/ipvm/run", `["all", ".x", ["<=", ".gas", 1000]]`, "each of .x: (.gas at most 1,000)"},
		{"/ipvm/run", `["all", ".x", ["==", ".effects", []]]`, "each of .x: (.effects is [])"},
		{"/ipvm/run", `["not", ["<=", ".memory", 1024]]`, "not (memory at most 1 KiB)"},
		{"/ipvm/run", `["or", [["<=", ".memory", 1024], ["==", ".effects", []]]]`, "(memory at most 1 KiB) or (no effects)"},
		{"/ipvm/run", `["and", []]`, "anything"},
		{"/crud/read", `["<=", ".memory", 1024]`, ".memory at most 1,024"},
		{"/crud/read", `["any", ".[\"\u202e\"]", ["like", ".", "\u202e*"]]`, "at least one of .[\"\\u202e\"]: (it like \"\\u202e*\")"},
	} {
		v, err := ipld.DecodeJSON([]byte("[" + tt.statement + "]"))
		if err != nil {
			t.Fatal(tt.statement, err)
		}
		p, err := ucan.ParsePolicy(v)
		if err != nil {
			t.Fatal(tt.statement, err)
		}
		if got := policyWords(tt.command, p); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.command, tt.statement, got, tt.want)
		}
	}
}

func TestPolicyWordsAreBounded(t *testing.T) {
	t.Parallel()
	p, err := ucan.ParsePolicy(ipld.List(ipld.List(ipld.String("=="), ipld.String(".a"), ipld.String(strings.Repeat("x", 1<<16)))))
	if err != nil {
		t.Fatal(err)
	}
	words := policyWords("/ipvm/run", p)[0]
	if n := len([]rune(words)); n != maxPolicyText || !strings.HasSuffix(words, "…") {
		t.Errorf("%d characters", n)
	}
}

func TestParseMoment(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for text, want := range map[string]int64{
		"10m": 1_800_000_600, "-1h30m": 1_799_994_600, "7d": 1_800_604_800, "-1d": 1_799_913_600, "0": 0, "1800000001": 1_800_000_001,
		"2026-01-31T12:00:00Z": 1_769_860_800, "2026-01-31T12:00:00+02:00": 1_769_853_600,
	} {
		if got, err := parseMoment(text, now); err != nil || got.Unix() != want {
			t.Errorf("%s: %d, want %d (%v)", text, got.Unix(), want, err)
		}
	}
	for _, text := range []string{"", "tomorrow", "9007199254740992", "1.5d", "9999999d", "d", "2026-01-31"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int64]string{
		0: "now", 1: "in 1 second", -1: "1 second ago", 119: "in 119 seconds", 120: "in 2 minutes", 599: "in 10 minutes", -7199: "120 minutes ago",
		7200: "in 2 hours", 604_799: "in 7 days", 31_536_000_000: "in 365,000 days",
	} {
		if got := relative(seconds); got != want {
			t.Errorf("%d: %s, want %s", seconds, got, want)
		}
	}
}
