// Copies a folder, and makes components of WASI 0.2 of the programs of WASI preview 1 in it.
//
//   node adapt.mjs FROM TO
//
// Needs the npm packages of this folder and of the folder javascript.

import { componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [from, to, ...more] = process.argv.slice(2);
if (to === undefined || more.length > 0) {
  console.error("usage: node adapt.mjs FROM TO");
  process.exit(2);
}

const adapter = readFileSync(new URL("javascript/node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm", import.meta.url));
cpSync(from, to, { recursive: true });
for (const file of readdirSync(to, { recursive: true })) {
  if (!file.endsWith(".wasm")) continue;
  const program = readFileSync(join(to, file));
  if (program[4] === 1) writeFileSync(join(to, file), await componentNew(program, [["wasi_snapshot_preview1", adapter]]));
}
