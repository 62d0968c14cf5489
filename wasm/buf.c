//go:build cgo

#include <stdlib.h>
#include <string.h>

#include "internal.h"

bool ipvm_put(ipvm_buf *b, const void *p, size_t n) {
  if (b->full || n > b->max - b->len) {
    b->full = true;
    return false;
  }
  if (n > b->cap - b->len) {
    size_t cap = b->cap < 1024 ? 4096 : b->cap * 2;
    while (cap - b->len < n) cap *= 2;
    uint8_t *data = realloc(b->data, cap);
    if (data == NULL) {
      b->full = true;
      return false;
    }
    b->data = data;
    b->cap = cap;
  }
  if (n > 0) memcpy(b->data + b->len, p, n);
  b->len += n;
  return true;
}

bool ipvm_put_u8(ipvm_buf *b, uint8_t x) { return ipvm_put(b, &x, 1); }

bool ipvm_put_u32(ipvm_buf *b, size_t x) {
  uint32_t y = (uint32_t)x;
  if (x > UINT32_MAX) {
    b->full = true;
    return false;
  }
  return ipvm_put(b, &y, 4);
}

bool ipvm_put_text(ipvm_buf *b, const char *p, size_t n) { return ipvm_put_u32(b, n) && ipvm_put(b, p, n); }

void ipvm_buf_free(ipvm_buf *b) {
  free(b->data);
  memset(b, 0, sizeof *b);
}

/* ipvm_put_error writes the head and the tail of err's text, 4 KiB of each at most, and frees err. The cause that classifies an
   error is its last line, and a guest can make the lines before it long. */
void ipvm_put_error(ipvm_buf *b, wasmtime_error_t *err) {
  enum { PART = 4096 };
  wasm_name_t text = {0, NULL};
  wasmtime_error_message(err, &text);
  wasmtime_error_delete(err);
  b->max = b->len + 3 * PART;
  if (text.size <= 2 * PART) {
    ipvm_put(b, text.data, text.size);
  } else {
    ipvm_put(b, text.data, PART);
    ipvm_put(b, "\n...\n", 5);
    ipvm_put(b, text.data + text.size - PART, PART);
  }
  wasm_byte_vec_delete(&text);
}
