//go:build cgo

/* Arguments from their flat form to component_val, results back. wire.go has the same format. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void ipvm_arena_init(ipvm_arena *a) {
  a->chunks = NULL;
  a->at = a->first;
  a->end = a->first + sizeof a->first;
}

void ipvm_arena_free(ipvm_arena *a) {
  while (a->chunks != NULL) {
    ipvm_chunk *next = a->chunks->next;
    free(a->chunks);
    a->chunks = next;
  }
}

static void *alloc(ipvm_arena *a, size_t n) {
  n = (n + 15) & ~(size_t)15;
  if (n > (size_t)(a->end - a->at)) {
    size_t size = n > 65536 ? n : 65536;
    ipvm_chunk *c = malloc(size + 16);
    if (c == NULL) return NULL;
    c->next = a->chunks;
    a->chunks = c;
    a->at = (uint8_t *)c + 16;
    a->end = a->at + size;
  }
  void *p = a->at;
  a->at += n;
  return p;
}

static bool take(ipvm_reader *r, void *out, size_t n) {
  if ((size_t)(r->end - r->at) < n) return false;
  memcpy(out, r->at, n);
  r->at += n;
  return true;
}

static bool take_u32(ipvm_reader *r, size_t *out) {
  uint32_t x;
  if (!take(r, &x, 4)) return false;
  *out = x;
  return true;
}

/* The text stays where it is: the engine copies it and frees nothing of an argument. */
static bool take_text(ipvm_reader *r, wasm_name_t *out) {
  if (!take_u32(r, &out->size) || (size_t)(r->end - r->at) < out->size) return false;
  out->data = (char *)r->at;
  r->at += out->size;
  return true;
}

/* Every element takes at least one byte, so a count never makes us allocate more than a fixed multiple of the input. */
static bool take_count(ipvm_reader *r, size_t *n, size_t elem, void **out) {
  if (!take_u32(r, n) || (size_t)(r->end - r->at) < *n) return false;
  *out = NULL;
  return *n == 0 || (*out = alloc(r->arena, *n * elem)) != NULL;
}

static bool take_vals(ipvm_reader *r, size_t *n, wasmtime_component_val_t **out) {
  if (!take_count(r, n, sizeof **out, (void **)out)) return false;
  for (size_t i = 0; i < *n; i++)
    if (!ipvm_read_val(r, &(*out)[i])) return false;
  return true;
}

static bool take_bytes(ipvm_reader *r, wasmtime_component_vallist_t *out) {
  if (!take_count(r, &out->size, sizeof *out->data, (void **)&out->data)) return false;
  for (size_t i = 0; i < out->size; i++) {
    out->data[i].kind = WASMTIME_COMPONENT_U8;
    out->data[i].of.u8 = r->at[i];
  }
  r->at += out->size;
  return true;
}

static bool take_record(ipvm_reader *r, wasmtime_component_valrecord_t *out) {
  if (!take_count(r, &out->size, sizeof *out->data, (void **)&out->data)) return false;
  for (size_t i = 0; i < out->size; i++)
    if (!take_text(r, &out->data[i].name) || !ipvm_read_val(r, &out->data[i].val)) return false;
  return true;
}

static bool take_flags(ipvm_reader *r, wasmtime_component_valflags_t *out) {
  if (!take_count(r, &out->size, sizeof *out->data, (void **)&out->data)) return false;
  for (size_t i = 0; i < out->size; i++)
    if (!take_text(r, &out->data[i])) return false;
  return true;
}

static bool take_payload(ipvm_reader *r, wasmtime_component_val_t **out) {
  uint8_t has;
  *out = NULL;
  if (!take(r, &has, 1)) return false;
  if (!has) return true;
  return (*out = alloc(r->arena, sizeof **out)) != NULL && ipvm_read_val(r, *out);
}

bool ipvm_read_val(ipvm_reader *r, wasmtime_component_val_t *v) {
  uint8_t kind, flag;
  if (!take(r, &kind, 1)) return false;
  memset(v, 0, sizeof *v);
  v->kind = kind;
  switch (kind) {
    case WASMTIME_COMPONENT_BOOL:
      if (!take(r, &flag, 1) || flag > 1) return false;
      v->of.boolean = flag;
      return true;
    case WASMTIME_COMPONENT_S8:
    case WASMTIME_COMPONENT_U8: return take(r, &v->of, 1);
    case WASMTIME_COMPONENT_S16:
    case WASMTIME_COMPONENT_U16: return take(r, &v->of, 2);
    case WASMTIME_COMPONENT_S32:
    case WASMTIME_COMPONENT_U32:
    case WASMTIME_COMPONENT_F32:
    case WASMTIME_COMPONENT_CHAR: return take(r, &v->of, 4);
    case WASMTIME_COMPONENT_S64:
    case WASMTIME_COMPONENT_U64:
    case WASMTIME_COMPONENT_F64: return take(r, &v->of, 8);
    case WASMTIME_COMPONENT_STRING:
    case WASMTIME_COMPONENT_ENUM: return take_text(r, &v->of.string);
    case IPVM_WIRE_BYTES: v->kind = WASMTIME_COMPONENT_LIST; return take_bytes(r, &v->of.list);
    case WASMTIME_COMPONENT_LIST: return take_vals(r, &v->of.list.size, &v->of.list.data);
    case WASMTIME_COMPONENT_TUPLE: return take_vals(r, &v->of.tuple.size, &v->of.tuple.data);
    case WASMTIME_COMPONENT_RECORD: return take_record(r, &v->of.record);
    case WASMTIME_COMPONENT_FLAGS: return take_flags(r, &v->of.flags);
    case WASMTIME_COMPONENT_OPTION: return take_payload(r, &v->of.option);
    case WASMTIME_COMPONENT_VARIANT: return take_text(r, &v->of.variant.discriminant) && take_payload(r, &v->of.variant.val);
    case WASMTIME_COMPONENT_RESULT:
      if (!take(r, &flag, 1) || flag > 1) return false;
      v->of.result.is_ok = flag;
      return take_payload(r, &v->of.result.val);
  }
  return false;
}

static bool put_vals(ipvm_buf *b, uint8_t kind, const wasmtime_component_val_t *v, size_t n) {
  if (!ipvm_put_u8(b, kind) || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++)
    if (!ipvm_write_val(b, &v[i])) return false;
  return true;
}

static bool put_list(ipvm_buf *b, const wasmtime_component_vallist_t *l) {
  if (l->size == 0 || l->data[0].kind != WASMTIME_COMPONENT_U8) return put_vals(b, WASMTIME_COMPONENT_LIST, l->data, l->size);
  uint8_t block[1024];
  if (!ipvm_put_u8(b, IPVM_WIRE_BYTES) || !ipvm_put_u32(b, l->size)) return false;
  for (size_t i = 0; i < l->size;) {
    size_t n = 0;
    while (n < sizeof block && i < l->size) block[n++] = l->data[i++].of.u8;
    if (!ipvm_put(b, block, n)) return false;
  }
  return true;
}

static bool put_payload(ipvm_buf *b, const wasmtime_component_val_t *v) {
  return ipvm_put_u8(b, v != NULL) && (v == NULL || ipvm_write_val(b, v));
}

static bool put_record(ipvm_buf *b, const wasmtime_component_valrecord_t *r) {
  if (!ipvm_put_u8(b, WASMTIME_COMPONENT_RECORD) || !ipvm_put_u32(b, r->size)) return false;
  for (size_t i = 0; i < r->size; i++)
    if (!ipvm_write_val(b, &r->data[i].val)) return false;
  return true;
}

static bool put_flags(ipvm_buf *b, const wasmtime_component_valflags_t *f) {
  if (!ipvm_put_u8(b, WASMTIME_COMPONENT_FLAGS) || !ipvm_put_u32(b, f->size)) return false;
  for (size_t i = 0; i < f->size; i++)
    if (!ipvm_put_text(b, f->data[i].data, f->data[i].size)) return false;
  return true;
}

bool ipvm_write_val(ipvm_buf *b, const wasmtime_component_val_t *v) {
  const wasmtime_component_valunion_t *u = &v->of;
  switch (v->kind) {
    case WASMTIME_COMPONENT_BOOL: return ipvm_put_u8(b, v->kind) && ipvm_put_u8(b, u->boolean ? 1 : 0);
    case WASMTIME_COMPONENT_S8:
    case WASMTIME_COMPONENT_U8: return ipvm_put_u8(b, v->kind) && ipvm_put(b, u, 1);
    case WASMTIME_COMPONENT_S16:
    case WASMTIME_COMPONENT_U16: return ipvm_put_u8(b, v->kind) && ipvm_put(b, u, 2);
    case WASMTIME_COMPONENT_S32:
    case WASMTIME_COMPONENT_U32:
    case WASMTIME_COMPONENT_F32:
    case WASMTIME_COMPONENT_CHAR: return ipvm_put_u8(b, v->kind) && ipvm_put(b, u, 4);
    case WASMTIME_COMPONENT_S64:
    case WASMTIME_COMPONENT_U64:
    case WASMTIME_COMPONENT_F64: return ipvm_put_u8(b, v->kind) && ipvm_put(b, u, 8);
    case WASMTIME_COMPONENT_STRING:
    case WASMTIME_COMPONENT_ENUM: return ipvm_put_u8(b, v->kind) && ipvm_put_text(b, u->string.data, u->string.size);
    case WASMTIME_COMPONENT_LIST: return put_list(b, &u->list);
    case WASMTIME_COMPONENT_TUPLE: return put_vals(b, v->kind, u->tuple.data, u->tuple.size);
    case WASMTIME_COMPONENT_RECORD: return put_record(b, &u->record);
    case WASMTIME_COMPONENT_FLAGS: return put_flags(b, &u->flags);
    case WASMTIME_COMPONENT_OPTION: return ipvm_put_u8(b, v->kind) && put_payload(b, u->option);
    case WASMTIME_COMPONENT_VARIANT:
      return ipvm_put_u8(b, v->kind) && ipvm_put_text(b, u->variant.discriminant.data, u->variant.discriminant.size) &&
             put_payload(b, u->variant.val);
    case WASMTIME_COMPONENT_RESULT:
      return ipvm_put_u8(b, v->kind) && ipvm_put_u8(b, u->result.is_ok ? 1 : 0) && put_payload(b, u->result.val);
  }
  return ipvm_put_u8(b, 0xff); /* a handle: Go refuses it by its type */
}
