// Pictures in, pictures out: see image.wit for the contract.
//
// The exports follow the canonical ABI: a list or string is an address and a
// length, arguments belong to the callee, and a result stays valid until the
// matching cabi_post_… is called.

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE 16000000
#define MAX_PIXELS 4000000
#define MAX_SIDE 16384
#define MAX_RADIUS 1000

// Memory. What this module may hold at once is a constant of its own, below
// the 64 MiB that a task has by default: a picture that needs more is an error
// of the caller's picture, the same one on every machine. Should the host have
// less than that to give, the call traps, because an answer must never depend
// on how much memory a host could spare.

#define BUDGET ((size_t)47 << 20)
#define HEADER 16

static size_t held;

static void *take(size_t size) {
  if (size > (size_t)1 << 30) __builtin_trap();
  char *block = malloc(size + HEADER);
  if (block == NULL) __builtin_trap();
  memcpy(block, &size, sizeof size);
  held += size;
  return block + HEADER;
}

static size_t size_of(const void *memory) {
  size_t size;
  memcpy(&size, (const char *)memory - HEADER, sizeof size);
  return size;
}

static void give(void *memory) {
  if (memory == NULL) return;
  held -= size_of(memory);
  free((char *)memory - HEADER);
}

static void *take_in_budget(size_t size) {
  if (size > BUDGET || held > BUDGET - size) return NULL;
  return take(size);
}

// regive counts the old block and the new one, though the heap often needs no
// second one: what the budget refuses must not hang on how the heap lies.
static void *regive(void *memory, size_t size) {
  if (memory == NULL) return take_in_budget(size);
  if (size > BUDGET || held > BUDGET - size) return NULL;
  size_t old = size_of(memory);
  char *block = realloc((char *)memory - HEADER, size + HEADER);
  if (block == NULL) __builtin_trap();
  memcpy(block, &size, sizeof size);
  held = held - old + size;
  return block + HEADER;
}

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_SIMD
#define STBI_NO_THREAD_LOCALS
#define STBI_MAX_DIMENSIONS MAX_SIDE
#define STBI_MALLOC(size) take_in_budget(size)
#define STBI_REALLOC(memory, size) regive(memory, size)
#define STBI_FREE(memory) give(memory)
#include <stb_image.h>

#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#define STBIR_MALLOC(size, context) ((void)(context), take_in_budget(size))
#define STBIR_FREE(memory, context) ((void)(context), give(memory))
#include <stb_image_resize.h>

#include "png.h"

// The result of every function: result<list<u8>, string>.

typedef struct {
  uint8_t failed;
  uint8_t *bytes;
  size_t length;
} Result;

static Result result;

// fail reports a sentence. What is not printable ASCII (a decoder may quote
// bytes of the file) becomes a question mark, so that it is always valid text.
static Result *fail(const char *sentence) {
  size_t length = strlen(sentence);
  uint8_t *text = take(length);
  for (size_t i = 0; i < length; i++) {
    text[i] = sentence[i] < 0x20 || sentence[i] > 0x7e ? '?' : (uint8_t)sentence[i];
  }
  result = (Result){.failed = 1, .bytes = text, .length = length};
  return &result;
}

static const char too_much[] = "the picture needs more memory than this function may use";

// Sentences with numbers in them, without the weight of printf.

static char sentence[256];
static size_t written;

static void begin(void) { written = 0; sentence[0] = 0; }

static void text(const char *s) {
  while (*s != 0 && written + 1 < sizeof sentence) sentence[written++] = *s++;
  sentence[written] = 0;
}

static void number(uint32_t n) {
  char digits[11];
  char *first = digits + sizeof digits - 1;
  *first = 0;
  do {
    *--first = (char)('0' + n % 10);
    n /= 10;
  } while (n != 0);
  text(first);
}

static void size(uint32_t width, uint32_t height) {
  number(width);
  text("x");
  number(height);
}

// Pictures in memory: rows from the top, pixels from the left, one byte per
// channel: grey, grey and alpha, RGB, or RGBA.

typedef struct {
  uint32_t width, height, channels;
  uint8_t *samples;
} Picture;

static int has_alpha(const Picture *p) { return p->channels == 2 || p->channels == 4; }

static size_t stride(const Picture *p) { return (size_t)p->width * p->channels; }

static size_t bytes_of(const Picture *p) { return stride(p) * p->height; }

static int too_large(uint64_t width, uint64_t height) {
  return width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS;
}

static Result *fail_size(const char *what, uint32_t width, uint32_t height) {
  begin();
  text(what);
  size(width, height);
  text(" pixels; at most ");
  number(MAX_PIXELS);
  text(" pixels and ");
  number(MAX_SIDE);
  text(" on a side are accepted");
  return fail(sentence);
}

static Result *fail_decode(void) {
  const char *reason = stbi_failure_reason();
  if (reason != NULL && strcmp(reason, "outofmem") == 0) return fail(too_much);
  begin();
  text("not a readable PNG, JPEG or BMP picture");
  if (reason != NULL) {
    text(": ");
    text(reason);
  }
  return fail(sentence);
}

// decode reads a file, which it gives back, and tells whether it could: if
// not, result holds the reason.
static int decode(uint8_t *file, size_t length, Picture *p) {
  int width = 0, height = 0, channels = 0;
  int ok = 0;
  if (length == 0) {
    fail("the picture is empty: 0 bytes");
  } else if (length > MAX_FILE) {
    begin();
    text("the picture's file has ");
    number((uint32_t)length);
    text(" bytes; at most ");
    number(MAX_FILE);
    text(" are accepted");
    fail(sentence);
  } else if (!stbi_info_from_memory(file, (int)length, &width, &height, &channels)) {
    fail_decode();
  } else if (width <= 0 || height <= 0) {
    fail("not a readable PNG, JPEG or BMP picture: it has no pixels");
  } else if (too_large((uint64_t)width, (uint64_t)height)) {
    fail_size("the picture has ", (uint32_t)width, (uint32_t)height);
  } else {
    p->samples = stbi_load_from_memory(file, (int)length, &width, &height, &channels, 0);
    p->width = (uint32_t)width;
    p->height = (uint32_t)height;
    p->channels = (uint32_t)channels;
    ok = p->samples != NULL;
    if (!ok) fail_decode();
  }
  if (length > 0) give(file);
  return ok;
}

// blank makes room for a picture.
static int blank(Picture *p, uint32_t width, uint32_t height, uint32_t channels) {
  *p = (Picture){.width = width, .height = height, .channels = channels};
  p->samples = take_in_budget(bytes_of(p));
  if (p->samples == NULL) fail(too_much);
  return p->samples != NULL;
}

// encode makes the result of a picture, which it gives back.
static Result *encode(Picture *p) {
  size_t length = 0;
  uint8_t *file = write_png(p->samples, p->width, p->height, p->channels, &length);
  if (file == NULL) return fail(too_much);
  result = (Result){.failed = 0, .bytes = file, .length = length};
  return &result;
}

static Result *cut(Picture *from, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
  Picture to;
  if (!blank(&to, width, height, from->channels)) {
    give(from->samples);
    return &result;
  }
  for (uint32_t row = 0; row < height; row++) {
    memcpy(to.samples + row * stride(&to), from->samples + (y + row) * stride(from) + (size_t)x * from->channels, stride(&to));
  }
  give(from->samples);
  return encode(&to);
}

static Result *crop(uint8_t *file, size_t length, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
  Picture p;
  if (!decode(file, length, &p)) return &result;
  if (width == 0 || height == 0) {
    give(p.samples);
    begin();
    text("cannot crop to ");
    size(width, height);
    text(" pixels: neither side may be 0");
    return fail(sentence);
  }
  if (x > p.width || width > p.width - x || y > p.height || height > p.height - y) {
    give(p.samples);
    begin();
    text("cannot crop ");
    size(width, height);
    text(" pixels at ");
    number(x);
    text(",");
    number(y);
    text(": the picture has ");
    size(p.width, p.height);
    return fail(sentence);
  }
  return cut(&p, x, y, width, height);
}

// halve_height joins each two rows into their mean, in place.
static void halve_height(Picture *p) {
  size_t row = stride(p);
  for (uint32_t y = 0; y < p->height / 2; y++) {
    const uint8_t *upper = p->samples + 2 * y * row;
    const uint8_t *lower = upper + row;
    uint8_t *mean = p->samples + y * row;
    for (size_t x = 0; x < row; x++) mean[x] = (uint8_t)((upper[x] + lower[x] + 1) / 2);
  }
  p->height /= 2;
}

static uint32_t in_proportion(uint32_t side, uint32_t to, uint32_t from) {
  uint64_t scaled = ((uint64_t)side * to + from / 2) / from;
  if (scaled == 0) return 1;
  return scaled > UINT32_MAX ? UINT32_MAX : (uint32_t)scaled;
}

static Result *resize(uint8_t *file, size_t length, uint32_t width, uint32_t height) {
  Picture p, to;
  if (!decode(file, length, &p)) return &result;
  if (width == 0 && height == 0) {
    give(p.samples);
    return fail("cannot resize to 0x0 pixels: only one side may be 0");
  }
  if (height == 0) height = in_proportion(p.height, width, p.width);
  if (width == 0) width = in_proportion(p.width, height, p.height);
  if (too_large(width, height)) {
    give(p.samples);
    return fail_size("cannot resize to ", width, height);
  }
  if (width == p.width && height == p.height) return encode(&p);
  if (!blank(&to, width, height, p.channels)) {
    give(p.samples);
    return &result;
  }
  // The resizer's memory grows with the factor that the height shrinks by.
  while (p.height / 8 >= height) halve_height(&p);
  int alpha = has_alpha(&p) ? (int)p.channels - 1 : STBIR_ALPHA_CHANNEL_NONE;
  int ok = stbir_resize_uint8_generic(
      p.samples, (int)p.width, (int)p.height, 0, to.samples, (int)width, (int)height, 0, (int)p.channels, alpha, 0,
      STBIR_EDGE_CLAMP, STBIR_FILTER_DEFAULT, STBIR_COLORSPACE_SRGB, NULL);
  give(p.samples);
  if (!ok) {
    give(to.samples);
    return fail(too_much);
  }
  return encode(&to);
}

static Result *rotate(uint8_t *file, size_t length, uint32_t turns) {
  Picture p, to;
  if (!decode(file, length, &p)) return &result;
  turns %= 4;
  if (turns == 0) return encode(&p);
  int upright = turns == 2;
  if (!blank(&to, upright ? p.width : p.height, upright ? p.height : p.width, p.channels)) {
    give(p.samples);
    return &result;
  }
  const uint8_t *from = p.samples;
  for (uint32_t y = 0; y < p.height; y++) {
    for (uint32_t x = 0; x < p.width; x++, from += p.channels) {
      uint32_t column = turns == 1 ? p.height - 1 - y : turns == 2 ? p.width - 1 - x : y;
      uint32_t row = turns == 1 ? x : turns == 2 ? p.height - 1 - y : p.width - 1 - x;
      memcpy(to.samples + row * stride(&to) + (size_t)column * p.channels, from, p.channels);
    }
  }
  give(p.samples);
  return encode(&to);
}

static Result *grayscale(uint8_t *file, size_t length) {
  Picture p;
  if (!decode(file, length, &p)) return &result;
  if (p.channels <= 2) return encode(&p);
  size_t pixels = (size_t)p.width * p.height;
  int alpha = has_alpha(&p);
  const uint8_t *from = p.samples;
  uint8_t *to = p.samples;
  for (size_t i = 0; i < pixels; i++, from += p.channels) {
    uint8_t luma = (uint8_t)((54 * from[0] + 183 * from[1] + 19 * from[2] + 128) >> 8);
    uint8_t opacity = from[p.channels - 1];
    *to++ = luma;
    if (alpha) *to++ = opacity;
  }
  p.channels = alpha ? 2 : 1;
  return encode(&p);
}

// Sums over a window of pixels. Colours are weighted by their alpha, so that
// what is invisible leaves no tint.
typedef struct {
  uint32_t colours[3], alpha;
} Sums;

static void weigh(Sums *s, const uint8_t *pixel, uint32_t colours, int alpha, int sign) {
  uint32_t weight = alpha ? pixel[colours] : 1;
  s->alpha += (uint32_t)sign * weight;
  for (uint32_t c = 0; c < colours; c++) s->colours[c] += (uint32_t)sign * weight * pixel[c];
}

// soften replaces each pixel of a line by the mean of those at most radius
// away; beyond its ends a line goes on with its last pixel. The pixels lie
// step bytes apart; line has room for all of them.
static void soften(const Picture *p, uint8_t *first, size_t step, uint32_t count, uint32_t radius, uint8_t *line) {
  uint32_t channels = p->channels;
  int alpha = has_alpha(p);
  uint32_t colours = alpha ? channels - 1 : channels;
  for (uint32_t i = 0; i < count; i++) memcpy(line + (size_t)i * channels, first + i * step, channels);

  uint32_t window = 2 * radius + 1;
  uint32_t last = count - 1;
  Sums sums = {{0, 0, 0}, 0};
  for (uint32_t i = 0; i < window; i++) {
    uint32_t at = i < radius ? 0 : i - radius;
    weigh(&sums, line + (size_t)(at > last ? last : at) * channels, colours, alpha, 1);
  }
  for (uint32_t i = 0; i < count; i++) {
    uint8_t *pixel = first + i * step;
    if (sums.alpha == 0) {
      memset(pixel, 0, channels);
    } else {
      for (uint32_t c = 0; c < colours; c++) pixel[c] = (uint8_t)((sums.colours[c] + sums.alpha / 2) / sums.alpha);
      if (alpha) pixel[colours] = (uint8_t)((sums.alpha + window / 2) / window);
    }
    uint32_t leaves = i < radius ? 0 : i - radius;
    uint32_t enters = i + radius + 1;
    weigh(&sums, line + (size_t)leaves * channels, colours, alpha, -1);
    weigh(&sums, line + (size_t)(enters > last ? last : enters) * channels, colours, alpha, 1);
  }
}

static Result *blur(uint8_t *file, size_t length, uint32_t radius) {
  Picture p;
  if (!decode(file, length, &p)) return &result;
  if (radius > MAX_RADIUS) {
    give(p.samples);
    begin();
    text("cannot blur by a radius of ");
    number(radius);
    text(" pixels; at most ");
    number(MAX_RADIUS);
    text(" are accepted");
    return fail(sentence);
  }
  if (radius == 0) return encode(&p);
  uint32_t longest = p.width > p.height ? p.width : p.height;
  uint8_t *line = take_in_budget((size_t)longest * p.channels);
  if (line == NULL) {
    give(p.samples);
    return fail(too_much);
  }
  // Three box blurs come close to a bell curve.
  for (int pass = 0; pass < 3; pass++) {
    for (uint32_t y = 0; y < p.height; y++) soften(&p, p.samples + y * stride(&p), p.channels, p.width, radius, line);
    for (uint32_t x = 0; x < p.width; x++) soften(&p, p.samples + (size_t)x * p.channels, stride(&p), p.height, radius, line);
  }
  give(line);
  return encode(&p);
}

// The exports.

#define EXPORT(name) __attribute__((export_name(name)))

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size) {
  if (new_size == 0) {
    if (old_size > 0) give(old);
    return (void *)align;
  }
  void *memory = take(new_size);
  if (old_size > 0) {
    memcpy(memory, old, old_size < new_size ? old_size : new_size);
    give(old);
  }
  return memory;
}

static void release(Result *r) {
  give(r->bytes);
  r->bytes = NULL;
}

EXPORT("crop")
Result *export_crop(uint8_t *image, size_t length, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
  return crop(image, length, x, y, width, height);
}
EXPORT("cabi_post_crop") void post_crop(Result *r) { release(r); }

EXPORT("resize")
Result *export_resize(uint8_t *image, size_t length, uint32_t width, uint32_t height) {
  return resize(image, length, width, height);
}
EXPORT("cabi_post_resize") void post_resize(Result *r) { release(r); }

EXPORT("rotate")
Result *export_rotate(uint8_t *image, size_t length, uint32_t turns) { return rotate(image, length, turns); }
EXPORT("cabi_post_rotate") void post_rotate(Result *r) { release(r); }

EXPORT("grayscale")
Result *export_grayscale(uint8_t *image, size_t length) { return grayscale(image, length); }
EXPORT("cabi_post_grayscale") void post_grayscale(Result *r) { release(r); }

EXPORT("blur")
Result *export_blur(uint8_t *image, size_t length, uint32_t radius) { return blur(image, length, radius); }
EXPORT("cabi_post_blur") void post_blur(Result *r) { release(r); }
