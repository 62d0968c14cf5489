// Puts the functions' types into a core module, and makes a component of it.
//
//   node embed.mjs greeting.wit greeting.core.wasm greeting.wasm
//   node embed.mjs --core greeting.wit greeting.core.wasm greeting.wasm
//
// With --core it stays a core module, with its type in a custom section.

import { componentEmbed, componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import { readFileSync, writeFileSync } from "node:fs";

const args = process.argv.slice(2);
const core = args[0] === "--core";
const [wit, from, to, ...more] = core ? args.slice(1) : args;
if (to === undefined || more.length > 0) {
  console.error("usage: node embed.mjs [--core] WIT CORE-MODULE RESULT");
  process.exit(2);
}

const typed = await componentEmbed({ binary: readFileSync(from), witSource: readFileSync(wit, "utf8"), stringEncoding: "utf8" });
writeFileSync(to, core ? typed : await componentNew(typed));
