// Writes PNG files: one IDAT chunk, the filter of each row chosen by its sum of
// differences, deflate with a window of 32 KiB and the fixed code. Memory comes
// from take_in_budget, regive and give; where there is none, there is no file.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  uint8_t *bytes;
  size_t length, room;
  uint32_t bits; // not yet written, the next one lowest
  unsigned bit_count;
  int failed;
} Output;

static void put(Output *out, uint8_t byte) {
  if (out->length == out->room && !out->failed) {
    size_t room = out->room + out->room / 2 + 4096;
    uint8_t *bytes = regive(out->bytes, room);
    if (bytes == NULL) {
      out->failed = 1;
    } else {
      out->bytes = bytes;
      out->room = room;
    }
  }
  if (!out->failed) out->bytes[out->length++] = byte;
}

static void put32(Output *out, uint32_t n) {
  for (int shift = 24; shift >= 0; shift -= 8) put(out, (uint8_t)(n >> shift));
}

// put_bits writes the lowest count bits of n, at most 16, the lowest first.
static void put_bits(Output *out, uint32_t n, unsigned count) {
  out->bits |= n << out->bit_count;
  for (out->bit_count += count; out->bit_count >= 8; out->bit_count -= 8, out->bits >>= 8) put(out, (uint8_t)out->bits);
}

// put_code writes a Huffman code, whose highest bit comes first.
static void put_code(Output *out, uint32_t code, unsigned count) {
  uint32_t reversed = 0;
  for (unsigned i = 0; i < count; i++) reversed |= (code >> i & 1) << (count - 1 - i);
  put_bits(out, reversed, count);
}

// The fixed code of RFC 1951, section 3.2.6.
static void put_symbol(Output *out, uint32_t symbol) {
  if (symbol < 144) put_code(out, 0x30 + symbol, 8);
  else if (symbol < 256) put_code(out, 0x190 + symbol - 144, 9);
  else if (symbol < 280) put_code(out, symbol - 256, 7);
  else put_code(out, 0xc0 + symbol - 280, 8);
}

// put_match says: copy length bytes, 3 to 258, from distance bytes before.
static void put_match(Output *out, uint32_t length, uint32_t distance) {
  // Codes stand for ranges, which double every fourth code (lengths) or every
  // second one (distances): the extra bits say where in the range.
  uint32_t n = length - 3;
  if (length == 258) {
    put_symbol(out, 285);
  } else if (n < 8) {
    put_symbol(out, 257 + n);
  } else {
    unsigned extra = 29 - (unsigned)__builtin_clz(n);
    put_symbol(out, 257 + 4 * extra + (n >> extra));
    put_bits(out, n & ((1u << extra) - 1), extra);
  }
  n = distance - 1;
  if (n < 4) {
    put_code(out, n, 5);
  } else {
    unsigned extra = 30 - (unsigned)__builtin_clz(n);
    put_code(out, 2 * extra + (n >> extra), 5);
    put_bits(out, n & ((1u << extra) - 1), extra);
  }
}

enum { WINDOW = 32768, TRIES = 12, LONGEST = 258 };

// Where the three bytes of a hash were last seen, and for each place of the
// window where before that; 0 is nowhere, places count from 1.
typedef struct {
  uint32_t last[WINDOW], before[WINDOW];
} Places;

static uint32_t hash3(const uint8_t *p) {
  return ((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) * 0x9e3779b1u >> 17;
}

static void note(Places *places, const uint8_t *data, size_t length, size_t at) {
  if (length - at < 3) return;
  uint32_t h = hash3(data + at);
  places->before[at % WINDOW] = places->last[h];
  places->last[h] = (uint32_t)at + 1;
}

// longest_match finds the same bytes as at a place before it: their number, or
// 0 where there are less than 3.
static uint32_t longest_match(const Places *places, const uint8_t *data, size_t length, size_t at, uint32_t *distance) {
  size_t most = length - at < LONGEST ? length - at : LONGEST;
  if (most < 3) return 0;
  uint32_t best = 2;
  uint32_t place = places->last[hash3(data + at)];
  for (int tries = TRIES; tries > 0 && place != 0 && at - (place - 1) <= WINDOW; tries--) {
    const uint8_t *then = data + place - 1;
    if (best >= most) break;
    if (then[best] == data[at + best]) {
      uint32_t same = 0;
      while (same < most && then[same] == data[at + same]) same++;
      if (same > best) {
        best = same;
        *distance = (uint32_t)(at - (place - 1));
      }
    }
    uint32_t earlier = places->before[(place - 1) % WINDOW];
    if (earlier >= place) break; // the window has moved over it
    place = earlier;
  }
  return best < 3 ? 0 : best;
}

// put_zlib writes data compressed, as RFC 1950 and 1951 have it.
static void put_zlib(Output *out, const uint8_t *data, size_t length) {
  Places *places = take_in_budget(sizeof *places);
  if (places == NULL) {
    out->failed = 1;
    return;
  }
  memset(places, 0, sizeof *places);
  put(out, 0x78);
  put(out, 0x5e);
  put_bits(out, 3, 3); // the last block, the fixed code
  uint32_t distance = 0;
  uint32_t match = longest_match(places, data, length, 0, &distance);
  for (size_t at = 0; at < length && !out->failed;) {
    note(places, data, length, at);
    uint32_t next_distance = 0;
    uint32_t next = longest_match(places, data, length, at + 1, &next_distance);
    if (match == 0 || next > match) {
      put_symbol(out, data[at]);
      at++;
      match = next;
      distance = next_distance;
      continue;
    }
    put_match(out, match, distance);
    for (uint32_t i = 1; i < match; i++) note(places, data, length, at + i);
    at += match;
    match = longest_match(places, data, length, at, &distance);
  }
  put_symbol(out, 256);
  put_bits(out, 0, 7); // up to a whole byte
  give(places);

  uint32_t a = 1, b = 0;
  for (size_t i = 0; i < length; i++) {
    a = (a + data[i]) % 65521;
    b = (b + a) % 65521;
  }
  put32(out, b << 16 | a);
}

static uint32_t crc(const uint8_t *bytes, size_t length) {
  uint32_t table[256];
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    table[i] = c;
  }
  uint32_t c = 0xffffffffu;
  for (size_t i = 0; i < length; i++) c = c >> 8 ^ table[(c ^ bytes[i]) & 0xff];
  return ~c;
}

// A chunk is begun, filled and ended; begin_chunk gives what end_chunk needs.
static size_t begin_chunk(Output *out, const char *type) {
  size_t start = out->length;
  put32(out, 0);
  for (int i = 0; i < 4; i++) put(out, (uint8_t)type[i]);
  return start;
}

static void end_chunk(Output *out, size_t start) {
  if (out->failed) return;
  uint32_t length = (uint32_t)(out->length - start - 8);
  for (int i = 0; i < 4; i++) out->bytes[start + (size_t)i] = (uint8_t)(length >> (24 - 8 * i));
  put32(out, crc(out->bytes + start + 4, length + 4));
}

enum { FILTERS = 5 };

// predict gives what each filter expects of a byte, from those to its left,
// above it, and above to its left.
static void predict(int left, int up, int corner, uint8_t expected[FILTERS]) {
  int by_left = up > corner ? up - corner : corner - up;
  int by_up = left > corner ? left - corner : corner - left;
  int by_corner = left + up - 2 * corner;
  if (by_corner < 0) by_corner = -by_corner;
  expected[0] = 0;
  expected[1] = (uint8_t)left;
  expected[2] = (uint8_t)up;
  expected[3] = (uint8_t)((left + up) / 2);
  expected[4] = (uint8_t)(by_left <= by_up && by_left <= by_corner ? left : by_up <= by_corner ? up : corner);
}

// filter writes the number of the best filter for a row and what it leaves of
// the row. The row above the first one is NULL.
static void filter(uint8_t *to, const uint8_t *row, const uint8_t *above, size_t stride, size_t channels) {
  uint32_t cost[FILTERS] = {0};
  uint8_t best = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < stride; i++) {
      uint8_t expected[FILTERS];
      int inside = i >= channels;
      predict(inside ? row[i - channels] : 0, above ? above[i] : 0, inside && above ? above[i - channels] : 0, expected);
      if (pass == 1) {
        to[1 + i] = (uint8_t)(row[i] - expected[best]);
        continue;
      }
      for (int f = 0; f < FILTERS; f++) {
        uint8_t left_over = (uint8_t)(row[i] - expected[f]);
        cost[f] += left_over < 128 ? left_over : 256u - left_over;
      }
    }
    if (pass == 1) break;
    for (uint8_t f = 1; f < FILTERS; f++) {
      if (cost[f] < cost[best]) best = f;
    }
    to[0] = best;
  }
}

// write_png gives the file of a picture with 1 to 4 channels of 8 bits, or
// NULL; either way it gives the samples back.
static uint8_t *write_png(uint8_t *samples, uint32_t width, uint32_t height, uint32_t channels, size_t *length) {
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  static const uint8_t colour_type[5] = {0, 0, 4, 2, 6};
  size_t stride = (size_t)width * channels;
  size_t filtered = (stride + 1) * height;
  uint8_t *rows = take_in_budget(filtered);
  if (rows == NULL) {
    give(samples);
    return NULL;
  }
  for (size_t y = 0; y < height; y++) {
    const uint8_t *row = samples + y * stride;
    filter(rows + y * (stride + 1), row, y > 0 ? row - stride : NULL, stride, channels);
  }
  give(samples);

  Output out = {0};
  for (size_t i = 0; i < sizeof signature; i++) put(&out, signature[i]);
  size_t chunk = begin_chunk(&out, "IHDR");
  put32(&out, width);
  put32(&out, height);
  put(&out, 8);
  put(&out, colour_type[channels]);
  for (int i = 0; i < 3; i++) put(&out, 0);
  end_chunk(&out, chunk);
  chunk = begin_chunk(&out, "IDAT");
  put_zlib(&out, rows, filtered);
  give(rows);
  end_chunk(&out, chunk);
  end_chunk(&out, begin_chunk(&out, "IEND"));
  if (out.failed) {
    give(out.bytes);
    return NULL;
  }
  *length = out.length;
  return out.bytes;
}
