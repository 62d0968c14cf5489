//go:build cgo

/* Host functions offered to guests. The linker's data pointer is the number of the function. */
#include <string.h>

#include "internal.h"

/* Defined in Go. Returns 0, or -1 when the call must end. */
extern int ipvmHostText(uint64_t handle, int host, char *level, size_t level_len, char *context, size_t context_len, char *msg,
                        size_t msg_len);

static wasmtime_error_t *refuse(ipvm_call *c, const char *why) {
  c->why = IPVM_WHY_HOST;
  return wasmtime_error_new(why);
}

static wasmtime_error_t *text(ipvm_call *c, int host, const wasmtime_component_val_t *args, size_t n) {
  static const wasm_name_t none = {0, NULL};
  wasm_name_t level = none, context = none, msg = none;
  if (host == IPVM_HOST_LOG && n == 3) {
    level = args[0].of.enumeration;
    context = args[1].of.string;
    msg = args[2].of.string;
  } else if (host == IPVM_HOST_PRINT && n == 1) {
    msg = args[0].of.string;
  } else {
    return refuse(c, "host function called with other arguments than its type");
  }
  if (c->handle == 0) return NULL;
  if (ipvmHostText(c->handle, host, level.data, level.size, context.data, context.size, msg.data, msg.size) != 0)
    return refuse(c, "host function failed");
  return NULL;
}

static uint8_t val_kind(wasmtime_component_valtype_kind_t k) {
  switch (k) {
    case WASMTIME_COMPONENT_VALTYPE_U8: return WASMTIME_COMPONENT_U8;
    case WASMTIME_COMPONENT_VALTYPE_U16: return WASMTIME_COMPONENT_U16;
    case WASMTIME_COMPONENT_VALTYPE_U32: return WASMTIME_COMPONENT_U32;
    case WASMTIME_COMPONENT_VALTYPE_U64: return WASMTIME_COMPONENT_U64;
  }
  return 0xff;
}

/* The clock stands still: every field of the record is zero. Go has checked that all of them are unsigned integers. */
static wasmtime_error_t *zero_time(ipvm_call *c, const wasmtime_component_func_type_t *type, wasmtime_component_val_t *out) {
  wasmtime_component_valtype_t t, field;
  if (!wasmtime_component_func_type_result(type, &t)) return refuse(c, "clock without a result");
  if (t.kind != WASMTIME_COMPONENT_VALTYPE_RECORD) {
    wasmtime_component_valtype_delete(&t);
    return refuse(c, "clock without a record");
  }
  size_t n = wasmtime_component_record_type_field_count(t.of.record);
  memset(out, 0, sizeof *out);
  out->kind = WASMTIME_COMPONENT_RECORD;
  wasmtime_component_valrecord_new_uninit(&out->of.record, n);
  for (size_t i = 0; i < n; i++) {
    wasmtime_component_valrecord_entry_t *e = &out->of.record.data[i];
    const char *name = "";
    size_t len = 0;
    memset(e, 0, sizeof *e);
    if (wasmtime_component_record_type_field_nth(t.of.record, i, &name, &len, &field)) {
      e->val.kind = val_kind(field.kind);
      wasmtime_component_valtype_delete(&field);
    }
    wasm_byte_vec_new(&e->name, len, name);
  }
  wasmtime_component_valtype_delete(&t);
  return NULL;
}

wasmtime_error_t *ipvm_host_call(void *data, wasmtime_context_t *ctx, const wasmtime_component_func_type_t *type,
                                 wasmtime_component_val_t *args, size_t nargs, wasmtime_component_val_t *results, size_t nresults) {
  ipvm_call *c = wasmtime_context_get_data(ctx);
  int host = (int)(uintptr_t)data;
  if (host == IPVM_HOST_TIME && nresults == 1) return zero_time(c, type, &results[0]);
  if (nresults != 0) return refuse(c, "host function called with other results than its type");
  return text(c, host, args, nargs);
}
