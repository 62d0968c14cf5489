// Brings guests into node, for the tests: components by way of jco, programs by
// way of node's WASI.

import { transpileBytes as transpile } from "@bytecodealliance/jco-transpile";
import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";

// Said once for each use of WASI: that node may change it.
process.removeAllListeners("warning");
const { WASI } = await import("node:wasi");

const work = mkdtempSync(join(tmpdir(), "ipvm-guests-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

// component gives a function that makes a fresh instance of a component: its
// exports, and the memory of its core module.
export async function component(name, bytes) {
  const { files, imports } = await transpile(bytes, { name, instantiation: "sync" });
  assert.deepEqual(imports, [], `${name} imports something`);
  for (const [file, bytes] of Object.entries(files)) if (file.endsWith(".js")) writeFileSync(join(work, `${name}.mjs`), bytes);
  const modules = new Map();
  for (const [file, bytes] of Object.entries(files)) if (file.endsWith(".wasm")) modules.set(file, new WebAssembly.Module(bytes));
  const { instantiate } = await import(pathToFileURL(join(work, `${name}.mjs`)));
  return () => {
    let memory;
    const exports = instantiate((file) => modules.get(file), {}, (module, imports) => {
      const instance = new WebAssembly.Instance(module, imports);
      memory ??= instance.exports.memory;
      return instance;
    });
    return { exports, memory: () => memory.buffer.byteLength };
  };
}

// program gives a function that runs a WASI command as ipvm does: what it reads
// is a value, and so is what it writes. Files are those that it made or changed.
export function program(bytes) {
  const module = new WebAssembly.Module(bytes);
  return ({ args = [], env = {}, stdin = "", files = {} }) => {
    const at = mkdtempSync(join(work, "run-"));
    const root = join(at, "root");
    mkdirSync(root);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    writeFileSync(join(at, "stdin"), stdin);
    const open = [openSync(join(at, "stdin"), "r"), openSync(join(at, "stdout"), "w"), openSync(join(at, "stderr"), "w")];
    try {
      const wasi = new WASI({
        version: "preview1",
        args: ["program", ...args],
        env,
        preopens: { "/": root },
        returnOnExit: true,
        stdin: open[0],
        stdout: open[1],
        stderr: open[2],
      });
      const exit = wasi.start(new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport }));
      const read = (name) => readFileSync(join(at, name), "utf8");
      return { stdout: read("stdout"), stderr: read("stderr"), exit, files: changed(root, files) };
    } finally {
      open.forEach(close);
      rmSync(at, { recursive: true });
    }
  };
}

// library gives the exports of a WASI reactor.
export function library(bytes) {
  const wasi = new WASI({ version: "preview1" });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { wasi_snapshot_preview1: wasi.wasiImport });
  wasi.initialize(instance);
  return instance.exports;
}

// close closes what the program may have closed itself.
function close(file) {
  try {
    closeSync(file);
  } catch (error) {
    if (error.code !== "EBADF") throw error;
  }
}

function changed(root, before, folder = root) {
  const all = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) {
      Object.assign(all, changed(root, before, path));
      continue;
    }
    const [inside, content] = [relative(root, path), readFileSync(path, "utf8")];
    if (before[inside] !== content) all[inside] = content;
  }
  return all;
}
