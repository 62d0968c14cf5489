//go:build cgo

/* A component's imports and exports as flat bytes. describe.go reads them. */
#include "internal.h"

enum { MAX_ITEMS = 4096, MAX_DEPTH = 100 };

typedef wasmtime_component_valtype_t valtype;

static bool put_type(ipvm_buf *b, const valtype *t, int depth);

/* put_owned writes t and frees it. */
static bool put_owned(ipvm_buf *b, valtype *t, int depth) {
  bool ok = put_type(b, t, depth);
  wasmtime_component_valtype_delete(t);
  return ok;
}

static bool put_record(ipvm_buf *b, const wasmtime_component_record_type_t *t, int depth) {
  size_t n = wasmtime_component_record_type_field_count(t), len;
  if (n > MAX_ITEMS || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    valtype field;
    if (!wasmtime_component_record_type_field_nth(t, i, &name, &len, &field)) return false;
    bool ok = ipvm_put_text(b, name, len);
    if (!put_owned(b, &field, depth) || !ok) return false;
  }
  return true;
}

static bool put_tuple(ipvm_buf *b, const wasmtime_component_tuple_type_t *t, int depth) {
  size_t n = wasmtime_component_tuple_type_types_count(t);
  if (n > MAX_ITEMS || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    valtype item;
    if (!wasmtime_component_tuple_type_types_nth(t, i, &item)) return false;
    if (!put_owned(b, &item, depth)) return false;
  }
  return true;
}

static bool put_variant(ipvm_buf *b, const wasmtime_component_variant_type_t *t, int depth) {
  size_t n = wasmtime_component_variant_type_case_count(t), len;
  if (n > MAX_ITEMS || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    bool has = false;
    valtype payload;
    if (!wasmtime_component_variant_type_case_nth(t, i, &name, &len, &has, &payload)) return false;
    bool ok = ipvm_put_text(b, name, len) && ipvm_put_u8(b, has);
    if (has && !put_owned(b, &payload, depth)) return false;
    if (!ok) return false;
  }
  return true;
}

static bool put_enum(ipvm_buf *b, const wasmtime_component_enum_type_t *t) {
  size_t n = wasmtime_component_enum_type_names_count(t), len;
  if (n > MAX_ITEMS || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    if (!wasmtime_component_enum_type_names_nth(t, i, &name, &len) || !ipvm_put_text(b, name, len)) return false;
  }
  return true;
}

static bool put_flags(ipvm_buf *b, const wasmtime_component_flags_type_t *t) {
  size_t n = wasmtime_component_flags_type_names_count(t), len;
  if (n > MAX_ITEMS || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    if (!wasmtime_component_flags_type_names_nth(t, i, &name, &len) || !ipvm_put_text(b, name, len)) return false;
  }
  return true;
}

static bool put_result(ipvm_buf *b, const wasmtime_component_result_type_t *t, int depth) {
  valtype payload;
  bool has = wasmtime_component_result_type_ok(t, &payload);
  if (!ipvm_put_u8(b, has) || (has && !put_owned(b, &payload, depth))) return false;
  has = wasmtime_component_result_type_err(t, &payload);
  return ipvm_put_u8(b, has) && (!has || put_owned(b, &payload, depth));
}

static bool put_type(ipvm_buf *b, const valtype *t, int depth) {
  valtype elem;
  if (depth++ > MAX_DEPTH || !ipvm_put_u8(b, t->kind)) return false;
  switch (t->kind) {
    case WASMTIME_COMPONENT_VALTYPE_LIST: wasmtime_component_list_type_element(t->of.list, &elem); return put_owned(b, &elem, depth);
    case WASMTIME_COMPONENT_VALTYPE_OPTION: wasmtime_component_option_type_ty(t->of.option, &elem); return put_owned(b, &elem, depth);
    case WASMTIME_COMPONENT_VALTYPE_RECORD: return put_record(b, t->of.record, depth);
    case WASMTIME_COMPONENT_VALTYPE_TUPLE: return put_tuple(b, t->of.tuple, depth);
    case WASMTIME_COMPONENT_VALTYPE_VARIANT: return put_variant(b, t->of.variant, depth);
    case WASMTIME_COMPONENT_VALTYPE_ENUM: return put_enum(b, t->of.enum_);
    case WASMTIME_COMPONENT_VALTYPE_FLAGS: return put_flags(b, t->of.flags);
    case WASMTIME_COMPONENT_VALTYPE_RESULT: return put_result(b, t->of.result, depth);
  }
  return true;
}

static bool put_func(ipvm_buf *b, const wasmtime_component_func_type_t *f) {
  size_t n = wasmtime_component_func_type_param_count(f), len;
  if (n > MAX_ITEMS || !ipvm_put_u8(b, wasmtime_component_func_type_async(f)) || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    valtype t;
    if (!wasmtime_component_func_type_param_nth(f, i, &name, &len, &t)) return false;
    bool ok = ipvm_put_text(b, name, len);
    if (!put_owned(b, &t, 0) || !ok) return false;
  }
  valtype t;
  bool has = wasmtime_component_func_type_result(f, &t);
  return ipvm_put_u8(b, has) && (!has || put_owned(b, &t, 0));
}

static bool put_item(ipvm_buf *b, const wasm_engine_t *e, const wasmtime_component_item_t *item, int depth);

static bool put_instance(ipvm_buf *b, const wasm_engine_t *e, const wasmtime_component_instance_type_t *t, int depth) {
  size_t n = wasmtime_component_instance_type_export_count(t, e), len;
  if (n > MAX_ITEMS || !ipvm_put_u32(b, n)) return false;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    wasmtime_component_item_t item;
    if (!wasmtime_component_instance_type_export_nth(t, e, i, &name, &len, &item)) return false;
    bool ok = ipvm_put_text(b, name, len) && put_item(b, e, &item, depth);
    wasmtime_component_item_delete(&item);
    if (!ok) return false;
  }
  return true;
}

static bool put_item(ipvm_buf *b, const wasm_engine_t *e, const wasmtime_component_item_t *item, int depth) {
  if (depth > 3 || !ipvm_put_u8(b, item->kind)) return false;
  switch (item->kind) {
    case WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC: return put_func(b, item->of.component_func);
    case WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE: return put_instance(b, e, item->of.component_instance, depth + 1);
  }
  return true;
}

static bool put_component(ipvm_buf *b, const wasm_engine_t *e, const wasmtime_component_type_t *t) {
  size_t imports = wasmtime_component_type_import_count(t, e), exports = wasmtime_component_type_export_count(t, e), len;
  const char *name;
  wasmtime_component_item_t item;
  if (imports > MAX_ITEMS || exports > MAX_ITEMS || !ipvm_put_u32(b, imports)) return false;
  for (size_t i = 0; i < imports; i++) {
    if (!wasmtime_component_type_import_nth(t, e, i, &name, &len, &item)) return false;
    bool ok = ipvm_put_text(b, name, len) && put_item(b, e, &item, 0);
    wasmtime_component_item_delete(&item);
    if (!ok) return false;
  }
  if (!ipvm_put_u32(b, exports)) return false;
  for (size_t i = 0; i < exports; i++) {
    if (!wasmtime_component_type_export_nth(t, e, i, &name, &len, &item)) return false;
    bool ok = ipvm_put_text(b, name, len) && put_item(b, e, &item, 0);
    wasmtime_component_item_delete(&item);
    if (!ok) return false;
  }
  return true;
}

int ipvm_describe(const ipvm_loaded *l, ipvm_buf *out) {
  wasmtime_component_type_t *t = wasmtime_component_type(l->component);
  out->max = 16 << 20;
  bool ok = put_component(out, l->engine, t);
  wasmtime_component_type_delete(t);
  return ok ? 0 : -1;
}
