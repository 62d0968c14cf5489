// Calls the functions of the guests in build/, which are too large to be
// committed: node build.mjs --large build && node --test test-large.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { component, library, program } from "./load.mjs";

const build = (name) => readFileSync(new URL(`build/${name}.wasm`, import.meta.url));

const orders = `region,product,amount
north,apples,12.5
south,"pears, ripe",8
north,plums,4.25
`;

test("tabulate", async (t) => {
  const tabulate = program(build("tabulate"));

  await t.test("standard input", () => {
    const { stdout, stderr, exit, files } = tabulate({ args: ["-sort", "amount", "-summary", "summary.json"], stdin: orders });
    assert.equal(stdout, `| region | product     | amount |
| ------ | ----------- | -----: |
| north  | plums       |   4.25 |
| south  | pears, ripe |      8 |
| north  | apples      |   12.5 |
`);
    assert.deepEqual([stderr, exit], ["", 0]);
    assert.deepEqual(JSON.parse(files["summary.json"]), [
      { column: "region", rows: 3, distinct: 2 },
      { column: "product", rows: 3, distinct: 3 },
      { column: "amount", rows: 3, distinct: 3, sum: 24.75, least: 4.25, most: 12.5 },
    ]);
  });
  await t.test("files", () => {
    const files = { "a.csv": orders, "b.csv": "region,product,amount\neast,|,1\n", "form": "{{range .Rows}}{{index . 1}};{{end}}{{range .Summary}}{{.Distinct}}{{end}}" };
    assert.deepEqual(tabulate({ args: ["-template", "form", "a.csv", "/b.csv"], files }), { stdout: "apples;pears, ripe;plums;|;344", stderr: "", exit: 0, files: {} });
    assert.equal(tabulate({ args: ["b.csv"], files }).stdout, "| region | product | amount |\n| ------ | ------- | -----: |\n| east   | \\|      |      1 |\n");
  });
  await t.test("mistakes", () => {
    const files = { "a.csv": orders, "b.csv": "x\n1\n" };
    for (const [args, stdin, problem] of [
      [[], "", "tabulate: standard input: no line that names the columns\n"],
      [[], "a,b\n1\n", "tabulate: standard input: record on line 2: wrong number of fields\n"],
      [["-sort", "nope"], orders, 'tabulate: there is no column "nope" among ["region" "product" "amount"]\n'],
      [["nowhere"], "", "tabulate: open nowhere: No such file or directory\n"],
      [["a.csv", "b.csv"], "", 'tabulate: b.csv: its columns are ["x"], and those of a.csv are ["region" "product" "amount"]\n'],
    ]) {
      assert.deepEqual(tabulate({ args, stdin, files }), { stdout: "", stderr: problem, exit: 1, files: {} });
    }
    assert.equal(tabulate({ args: ["-nope"] }).exit, 2);
  });
});

test("numbers", () => {
  const numbers = library(build("numbers"));
  assert.equal(numbers.gcd(84n, 36n), 12n);
  assert.equal(numbers.gcd(0n, 0n), 0n);
  assert.equal(numbers.power(2n, 64n, 1000000007n), 582344008n);
  assert.equal(numbers.power(5n, 0n, 1n), 0n);
  assert.equal(numbers.mean(1, 2), 1.5);
  let primes = 0;
  for (let n = 0n; n < 10000n; n++) primes += numbers["is-prime"](n);
  assert.equal(primes, 1229);
  for (const n of [3215031751n, 341550071728321n, 3825123056546413051n, 1000000007n * 998244353n]) assert.equal(numbers["is-prime"](n), 0);
  for (const n of [1000000007n, 2n ** 61n - 1n, 18446744073709551557n]) assert.equal(numbers["is-prime"](n), 1);
  assert.equal(numbers["next-prime"](0n), 2n);
  assert.equal(numbers["next-prime"](1000000007n), 1000000009n);
  assert.equal(BigInt.asUintN(64, numbers["next-prime"](2n ** 63n)), 9223372036854775837n);
});

test("table", async () => {
  const { fromCsv, summarize, toJson } = (await component("table", build("table")))().exports;
  const table = fromCsv(orders);
  assert.deepEqual(table, { columns: ["region", "product", "amount"], rows: [["north", "apples", "12.5"], ["south", "pears, ripe", "8"], ["north", "plums", "4.25"]] });
  assert.deepEqual(summarize(table, "region", "amount"), [
    { key: "north", rows: 2, sum: 16.75, least: 4.25, most: 12.5 },
    { key: "south", rows: 1, sum: 8, least: 8, most: 8 },
  ]);
  assert.deepEqual(JSON.parse(toJson(table))[1], { region: "south", product: "pears, ripe", amount: 8 });

  const rows = (text) => fromCsv(text).rows;
  assert.deepEqual(rows('\ufeffa,b\r\n"x ""y""\n",\r\n,""'), [['x "y"\n', ""], ["", ""]]);
  assert.deepEqual(rows("a\n\n1\n\n"), [["1"]]);
  assert.deepEqual(rows("a,b\n1,"), [["1", ""]]);
  const fails = (call, problem) => assert.throws(call, (error) => (error.payload ?? error) === problem, problem);
  fails(() => fromCsv(""), "no line that names the columns");
  fails(() => fromCsv("a,a\n"), 'two columns are named "a"');
  fails(() => fromCsv("a,b\n1,2\n3\n"), "row 2 has 1 fields, and there are 2 columns");
  fails(() => fromCsv('a\n"b'), "the quote at character 3 is never closed");
  fails(() => fromCsv('"a"b\n'), 'after a quoted field stands "b", at character 4');
  fails(() => summarize(table, "region", "product"), 'row 1: "apples" in column "product" is not a number');
  fails(() => summarize(table, "area", "amount"), 'there is no column "area", but "region", "product", "amount"');
  fails(() => summarize({ columns: ["a", "b"], rows: [["1"]] }, "a", "b"), 'row 1: "" in column "b" is not a number');
});
