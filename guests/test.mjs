// Calls every function of the committed guests in node's own engine, apart
// from everything that ipvm does: node --test test.mjs

import { componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import { component, program } from "./load.mjs";

const examples = new URL("../examples/", import.meta.url);
const load = (path) => component(path.replace(/.*\/|\.wasm$/g, ""), readFileSync(new URL(path, examples)));

const newImage = await load("thumbnail/image.wasm");

// call gives a function's bytes, or the sentence it fails with; and fails
// itself if the call took more memory than the guest promises.
function call(name, ...args) {
  const image = newImage();
  try {
    return image.exports[name](...args);
  } catch (error) {
    const sentence = error.payload ?? error;
    if (typeof sentence !== "string") throw error;
    return sentence;
  } finally {
    assert(image.memory() <= 64 << 20, `${name} took ${image.memory() / 2 ** 20} MiB`);
  }
}

// PNG, as far as these tests need it: 8 bits, not interlaced.

const colourTypes = { 1: 0, 2: 4, 3: 2, 4: 6 };

function chunk(type, data) {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, data, Buffer.alloc(4)]); // the decoder reads no checksums
}

function header(width, height, channels, depth = 8) {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width);
  data.writeUInt32BE(height, 4);
  data[8] = depth;
  data[9] = colourTypes[channels];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", data)]);
}

function png(width, height, channels, sampleAt, { depth = 8, level = 6 } = {}) {
  const stride = (width * channels * depth) / 8;
  const rows = Buffer.alloc((stride + 1) * height);
  for (let y = 0; y < height; y++) for (let i = 0; i < stride; i++) rows[y * (stride + 1) + 1 + i] = sampleAt(Math.floor(i / channels), y, i % channels);
  return Buffer.concat([header(width, height, channels, depth), chunk("IDAT", deflateSync(rows, { level })), chunk("IEND", Buffer.alloc(0))]);
}

function decode(file) {
  assert(file instanceof Uint8Array, `no picture: ${file}`);
  file = Buffer.from(file);
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  const channels = Number(Object.keys(colourTypes).find((n) => colourTypes[n] === file[25]));
  const data = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") data.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(data));
  const stride = width * channels;
  const samples = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? samples[y * stride + i - channels] : 0;
      const up = y > 0 ? samples[(y - 1) * stride + i] : 0;
      const corner = i >= channels && y > 0 ? samples[(y - 1) * stride + i - channels] : 0;
      const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      samples[y * stride + i] = raw[y * (stride + 1) + 1 + i] + [0, left, up, (left + up) >> 1, paeth][filter];
    }
  }
  return { width, height, channels, at: (x, y) => [...samples.subarray(y * stride + x * channels, y * stride + (x + 1) * channels)] };
}

const sizeOf = (file) => { const { width, height, channels } = decode(file); return [width, height, channels]; };

// A picture whose samples tell where they come from.
const place = (x, y, c) => [10 * x, 10 * y, x + y, 255][c];
const small = png(7, 5, 3, place);

test("crop", () => {
  const cropped = decode(call("crop", small, 2, 1, 4, 3));
  assert.deepEqual([cropped.width, cropped.height, cropped.channels], [4, 3, 3]);
  assert.deepEqual(cropped.at(0, 0), [20, 10, 3]);
  assert.deepEqual(cropped.at(3, 2), [50, 30, 8]);
  assert.deepEqual(sizeOf(call("crop", small, 0, 0, 7, 5)), [7, 5, 3]);
  for (const [x, y, width, height] of [[4, 0, 4, 1], [0, 3, 1, 3], [8, 0, 1, 1], [2 ** 32 - 1, 0, 2, 1], [1, 1, 2 ** 32 - 1, 1], [7, 5, 1, 1]]) {
    assert.equal(call("crop", small, x, y, width, height), `cannot crop ${width}x${height} pixels at ${x},${y}: the picture has 7x5`);
  }
  assert.equal(call("crop", small, 0, 0, 0, 3), "cannot crop to 0x3 pixels: neither side may be 0");
});

test("resize", () => {
  assert.deepEqual(sizeOf(call("resize", small, 14, 0)), [14, 10, 3]);
  assert.deepEqual(sizeOf(call("resize", small, 0, 10)), [14, 10, 3]);
  assert.deepEqual(sizeOf(call("resize", small, 1, 0)), [1, 1, 3]);
  assert.deepEqual(decode(call("resize", small, 7, 5)).at(6, 4), [60, 40, 10]);
  assert.equal(call("resize", small, 0, 0), "cannot resize to 0x0 pixels: only one side may be 0");
  assert.match(call("resize", small, 4000, 4000), /^cannot resize to 4000x4000 pixels; at most 4000000 pixels and 16384 on a side/);
  assert.match(call("resize", small, 2 ** 32 - 1, 0), /^cannot resize to 4294967295x3067833782 pixels/);
  const plain = png(40, 900, 4, (x, y, c) => [200, 100, 50, 128][c]);
  assert.deepEqual(decode(call("resize", plain, 10, 1)).at(9, 0), [200, 100, 50, 128]);
});

test("rotate", () => {
  const corner = { 0: [0, 0], 1: [4, 0], 2: [6, 4], 3: [0, 6], 4: [0, 0], 4294967295: [0, 6] };
  for (const [turns, [x, y]] of Object.entries(corner)) {
    const turned = decode(call("rotate", small, Number(turns)));
    assert.deepEqual([turned.width, turned.height], turns % 2 ? [5, 7] : [7, 5]);
    assert.deepEqual(turned.at(x, y), [0, 0, 0], `${turns} turns`);
  }
});

test("grayscale", () => {
  assert.deepEqual(decode(call("grayscale", png(1, 1, 3, (x, y, c) => [255, 0, 0][c]))).at(0, 0), [54]);
  assert.deepEqual(decode(call("grayscale", png(1, 1, 3, () => 255))).at(0, 0), [255]);
  assert.deepEqual(decode(call("grayscale", png(2, 1, 4, (x, y, c) => [0, 255, 0, 9][c]))).at(1, 0), [182, 9]);
  assert.deepEqual(sizeOf(call("grayscale", png(2, 3, 2, () => 1))), [2, 3, 2]);
});

test("blur", () => {
  const step = png(21, 9, 1, (x) => (x < 10 ? 0 : 250));
  const soft = decode(call("blur", step, 2));
  const row = Array.from({ length: 21 }, (_, x) => soft.at(x, 4)[0]);
  assert.deepEqual(row, row.toSorted((a, b) => a - b));
  assert(row[9] > 80 && row[9] < 125 && row[10] > 125 && row[10] < 170, String(row));
  assert.deepEqual([row[0], row[20]], [0, 250]);
  assert.deepEqual(decode(call("blur", small, 0)).at(6, 4), [60, 40, 10]);
  assert.deepEqual(sizeOf(call("blur", small, 1000)), [7, 5, 3]);
  assert.equal(call("blur", small, 1001), "cannot blur by a radius of 1001 pixels; at most 1000 are accepted");
  // What cannot be seen leaves no tint.
  const half = decode(call("blur", png(9, 9, 4, (x, y, c) => (x < 4 ? [255, 0, 0, 0] : [0, 0, 255, 255])[c]), 1));
  assert.deepEqual(half.at(3, 4).slice(0, 3), [0, 0, 255]);
});

test("not a picture", () => {
  const unreadable = /^not a readable PNG, JPEG or BMP picture/;
  assert.equal(call("grayscale", new Uint8Array(0)), "the picture is empty: 0 bytes");
  assert.match(call("grayscale", Buffer.from("hello")), unreadable);
  assert.match(call("grayscale", header(0, 7, 3)), unreadable);
  const drawing = readFileSync(new URL("thumbnail/picture.png", examples));
  for (const length of [8, 20, 33, 40, 1000, drawing.length >> 1]) assert.match(call("grayscale", drawing.subarray(0, length)), unreadable, `${length} bytes`);
  // A decoder that quotes the file must not make text that is not text.
  assert.match(call("grayscale", Buffer.concat([header(1, 1, 3), chunk("\xff\xc0\x80\xfe", Buffer.alloc(0))])), unreadable);
});

test("too much", () => {
  assert.match(call("rotate", header(100000, 100000, 4), 1), /^not a readable/);
  assert.match(call("rotate", header(16000, 16000, 4), 1), /^the picture has 16000x16000 pixels; at most/);
  assert.match(call("rotate", header(2 ** 31 - 1, 2 ** 31 - 1, 4), 1), /^not a readable/);
  assert.match(call("rotate", new Uint8Array(16000001), 1), /^the picture's file has 16000001 bytes; at most/);
  // A bomb: one pixel, it says, but half a gigabyte when unpacked.
  const bomb = Buffer.concat([header(1, 1, 3), chunk("IDAT", deflateSync(Buffer.alloc(1 << 29))), chunk("IEND", Buffer.alloc(0))]);
  assert.equal(call("rotate", bomb, 1), "the picture needs more memory than this function may use");
});

test("the largest pictures fit into 64 MiB, or are refused", () => {
  let seed = 1;
  const noise = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
  for (const file of Object.values({
    "plain RGBA": png(2000, 2000, 4, () => 77),
    "noisy RGBA": png(1990, 2000, 4, noise, { level: 0 }),
    "plain 16 bit RGBA": png(2000, 2000, 4, () => 77, { depth: 16 }),
    "wide": png(16384, 244, 4, (x) => x),
    "tall": png(244, 16384, 4, (x, y) => y),
  })) {
    for (const args of [["rotate", 1], ["blur", 3], ["resize", 1999, 0], ["resize", 16384, 200], ["resize", 16384, 1], ["resize", 1, 16384]]) {
      const answer = call(args[0], file, ...args.slice(1));
      if (typeof answer !== "string") sizeOf(answer);
      else assert.match(answer, /^the picture needs more memory than this function may use$|^cannot resize to \d+x\d+ pixels; at most/);
    }
  }
});

test("one instance, many calls", () => {
  const image = newImage();
  const drawing = readFileSync(new URL("thumbnail/picture.png", examples));
  const once = image.exports.blur(drawing, 5);
  const memory = image.memory();
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(image.exports.blur(drawing, 5), once);
    assert.throws(() => image.exports.crop(drawing, 0, 0, 0, 0), (error) => !(error instanceof WebAssembly.RuntimeError));
  }
  assert.equal(image.memory(), memory, "memory leaks");
});

test("names", async () => {
  const names = (await load("names/full-name.wasm"))();
  assert.equal(names.exports.fullName("Boris", "Mann"), "Boris Mann");
  assert.equal(names.exports.fullName("", "Mann"), "Mann");
  assert.equal(names.exports.fullName("Boris", ""), "Boris");
  assert.equal(names.exports.fullName("", ""), "");
  assert.equal(names.exports.fullName("Żółć", "😀"), "Żółć 😀");
  const long = "å".repeat(300000);
  for (let i = 0; i < 20; i++) assert.equal(names.exports.fullName(long, long), `${long} ${long}`);
  assert(names.memory() < 6 << 20, "memory leaks");

  const { exports } = (await load("names/count.wasm"))();
  for (const [name, count] of [["Boris Mann", 10], ["", 0], ["Żółć", 4], ["😀é\0", 3], [long, 300000]]) assert.equal(exports.count(name), count);
});

test("numbers", async () => {
  const { square, add, sum } = (await load("fan/arithmetic.wasm"))().exports;
  const [max, min] = [2n ** 63n - 1n, -(2n ** 63n)];
  assert.equal(square(-12n), 144n);
  assert.equal(square(3037000499n), 3037000499n ** 2n);
  assert.equal(add(max, min), -1n);
  assert.equal(add(max - 1n, 1n), max);
  assert.equal(sum(BigInt64Array.of()), 0n);
  assert.equal(sum(BigInt64Array.from({ length: 128 }, (_, i) => BigInt(i + 1) ** 2n)), 707264n);
  assert.equal(sum(BigInt64Array.from({ length: 100000 }, (_, i) => -BigInt(i))), -4999950000n);
  for (const overflow of [() => square(3037000500n), () => square(min), () => add(max, 1n), () => add(min, -1n), () => sum(BigInt64Array.of(max, 1n))]) {
    assert.throws(overflow, WebAssembly.RuntimeError);
  }
});

test("add-one", async () => {
  const { addOne } = (await load("add-one/add-one.wasm"))().exports;
  assert.equal(addOne(41), 42);
  assert.equal(addOne(-1), 0);
  assert.equal(addOne(2 ** 31 - 1), -(2 ** 31));
});

test("iban", async () => {
  // The guest lacks the last step, and it would have done no harm.
  const { exports, memory } = (await component("iban", await componentNew(readFileSync(new URL("languages/iban/iban.wasm", examples)))))();
  for (const [text, printed] of [
    ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00"],
    ["gb82 west 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32"],
    ["NO9386011117947", "NO93 8601 1117 947"],
    [" MT84 MALT 0110 0001 2345 MTLC AST0 01S ", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"],
  ]) {
    for (let i = 0; i < 20000; i++) assert.equal(exports.iban(text), printed);
  }
  assert.equal(memory(), 2 * 65536, "memory leaks");
  for (const [text, problem] of [
    ["", "too short for an IBAN, which has at least 15 characters"],
    ["DE8937040044053201300", "the check digits do not fit: a character is wrong, or two are swapped"],
    ["DE98370400440532013000", "the check digits do not fit: a character is wrong, or two are swapped"],
    ["DE89-3704-0044-0532-0130-00", "only letters, digits and spaces may be in an IBAN"],
    ["DE8937040044053201300\u0660", "only letters, digits and spaces may be in an IBAN"],
    ["D989370400440532013000", "an IBAN starts with the two letters of a country"],
    ["DEX9370400440532013000", "an IBAN has two digits after its country"],
    ["DE89" + "0".repeat(31), "too long for an IBAN, which has at most 34 characters"],
  ]) {
    assert.throws(() => exports.iban(text), (error) => (error.payload ?? error) === problem, text);
  }
});

test("slug", async () => {
  const { exports, memory } = (await load("languages/slug/slug.wasm"))();
  for (const [title, slug] of [
    ["Hello, World!", "hello-world"],
    ["  --  ", ""],
    ["", ""],
    ["A", "a"],
    ["WebAssembly 1.0: what's new?", "webassembly-1-0-what-s-new"],
    ["Żółć & 😀 café", "caf"],
    ["!@[`{az09AZ:/", "az09az"],
    ["-".repeat(50000) + "x" + " ".repeat(50000), "x"],
    ["aB".repeat(50000), "ab".repeat(50000)],
  ]) {
    for (let i = 0; i < 5; i++) assert.equal(exports.slug(title), slug);
  }
  assert(memory() < 1 << 19, "memory leaks");
});

test("wordfreq", async (t) => {
  const wordfreq = program(readFileSync(new URL("languages/wordfreq/wordfreq.wasm", examples)));
  const files = { "docs/a.txt": "The cat and the dog.\n", "docs/sub/b.txt": "The end. It's the END" };

  await t.test("standard input", () => {
    assert.deepEqual(wordfreq({ stdin: "b a b" }), { stdout: "      2 b\n      1 a\n", stderr: "3 words, 2 different\n", exit: 0, files: {} });
    assert.equal(wordfreq({}).stdout, "");
    assert.equal(wordfreq({ args: ["-w"], stdin: "b a b" }).stdout, "b\na\n");
    assert.equal(wordfreq({ args: ["-m", "2"], stdin: "a 'tis Żółć '' o''clock O'Clock don't" }).stdout, "      1 clock\n      1 don't\n      1 o'clock\n      1 tis\n      1 Żółć\n");
    assert.equal(wordfreq({ stdin: "x".repeat(100) + " y" }).stdout, `      1 ${"x".repeat(63)}\n      1 y\n`);
  });
  await t.test("files and folders", () => {
    const docs = "      4 the\n      2 end\n";
    assert.deepEqual(wordfreq({ args: ["-n", "2", "docs"], files }), { stdout: docs, stderr: "10 words, 6 different\n", exit: 0, files: {} });
    assert.deepEqual(wordfreq({ args: ["-n2", "-o", "/top.txt", "/docs/a.txt", "docs/sub"], files }), { stdout: "", stderr: "10 words, 6 different\n", exit: 0, files: { "top.txt": docs } });
  });
  await t.test("many words", () => {
    const stdin = Array.from({ length: 20000 }, (_, i) => `w${i % 7919}`).join(" ");
    assert.deepEqual(wordfreq({ args: ["-n", "1"], stdin }), { stdout: "      3 w0\n", stderr: "20000 words, 7919 different\n", exit: 0, files: {} });
  });
  await t.test("mistakes", () => {
    assert.deepEqual(wordfreq({ args: ["nowhere", "docs/a.txt"], files }), {
      stdout: "      2 the\n      1 and\n      1 cat\n      1 dog\n",
      stderr: "wordfreq: nowhere: No such file or directory\n5 words, 4 different\n",
      exit: 1,
      files: {},
    });
    assert.equal(wordfreq({ args: ["-o", "nowhere/out", "docs"], files }).exit, 1);
    for (const args of [["-z"], ["-n"], ["-n", "x"], ["-m", "0"], ["-n", "-1"]]) assert.equal(wordfreq({ args }).exit, 2, args.join(" "));
  });
});
