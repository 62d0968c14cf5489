//go:build cgo

/* Programs of core modules: made ready, instantiated and called without the engine's component model. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int failed(ipvm_buf *err, wasmtime_error_t *e) {
  if (e == NULL) return 0;
  ipvm_put_error(err, e);
  return -1;
}

int ipvm_validate_core(wasm_engine_t *engine, const uint8_t *code, size_t len, ipvm_buf *err) {
  return failed(err, wasmtime_module_validate(engine, code, len));
}

int ipvm_compile_core(wasm_engine_t *engine, const uint8_t *code, size_t len, wasm_byte_vec_t *artifact, ipvm_buf *err) {
  wasmtime_module_t *m = NULL;
  if (failed(err, wasmtime_module_new(engine, code, len, &m))) return -1;
  int rc = ipvm_serialize_core(m, artifact, err);
  wasmtime_module_delete(m);
  return rc;
}

int ipvm_serialize_core(wasmtime_module_t *m, wasm_byte_vec_t *artifact, ipvm_buf *err) {
  return failed(err, wasmtime_module_serialize(m, artifact));
}

int ipvm_load_core(wasm_engine_t *engine, const uint8_t *artifact, size_t len, wasmtime_module_t **m, ipvm_buf *err) {
  return failed(err, wasmtime_module_deserialize(engine, artifact, len, m));
}

int ipvm_load_core_file(wasm_engine_t *engine, const char *path, wasmtime_module_t **m, ipvm_buf *err) {
  return failed(err, wasmtime_module_deserialize_file(engine, path, m));
}

static void put_letters(ipvm_buf *b, const wasm_valtype_vec_t *types) {
  static const char letters[] = {'i', 'I', 'f', 'F'};
  for (size_t i = 0; i < types->size; i++) {
    wasm_valkind_t k = wasm_valtype_kind(types->data[i]);
    ipvm_put_u8(b, k < sizeof letters ? letters[k] : '?');
  }
}

void ipvm_core_types(const wasmtime_module_t *m, ipvm_buf *out) {
  wasm_exporttype_vec_t exports;
  wasmtime_module_exports(m, &exports);
  for (size_t i = 0; i < exports.size; i++) {
    const wasm_functype_t *f = wasm_externtype_as_functype_const(wasm_exporttype_type(exports.data[i]));
    if (f == NULL) continue;
    const wasm_name_t *name = wasm_exporttype_name(exports.data[i]);
    const wasm_valtype_vec_t *params = wasm_functype_params(f), *results = wasm_functype_results(f);
    ipvm_put_text(out, name->data, name->size);
    ipvm_put_u32(out, params->size + 1 + results->size);
    put_letters(out, params);
    ipvm_put_u8(out, ':');
    put_letters(out, results);
  }
  wasm_exporttype_vec_delete(&exports);
}

static void valtypes(wasm_valtype_vec_t *out, const char *letters, size_t n) {
  wasm_valtype_vec_new_uninitialized(out, n);
  for (size_t i = 0; i < n; i++)
    out->data[i] = wasm_valtype_new(letters[i] == 'i' ? WASM_I32 : letters[i] == 'I' ? WASM_I64 : letters[i] == 'f' ? WASM_F32 : WASM_F64);
}

wasm_functype_t *ipvm_functype(const char *params, size_t nparams, const char *results, size_t nresults) {
  wasm_valtype_vec_t p, r;
  valtypes(&p, params, nparams);
  valtypes(&r, results, nresults);
  return wasm_functype_new(&p, &r);
}

ipvm_program *ipvm_program_new(wasm_engine_t *engine, size_t modules, size_t steps, size_t items, size_t hosts, size_t targets, size_t peaks,
                               size_t names) {
  ipvm_program *p = calloc(1, sizeof *p);
  p->engine = engine;
  p->modules = calloc(modules + 1, sizeof *p->modules);
  p->steps = calloc(steps + 1, sizeof *p->steps);
  p->items = calloc(items + 1, sizeof *p->items);
  p->hosts = calloc(hosts + 1, sizeof *p->hosts);
  p->targets = calloc(targets + 1, sizeof *p->targets);
  p->peaks = calloc(peaks + 1, sizeof *p->peaks);
  p->names = calloc(names + 1, 1);
  p->nmodules = modules;
  p->nsteps = steps;
  p->nitems = items;
  p->nhosts = hosts;
  p->ntargets = targets;
  p->npeaks = peaks;
  p->initialize = -1;
  return p;
}

void ipvm_program_delete(ipvm_program *p) {
  for (size_t i = 0; i < p->nmodules; i++)
    if (p->modules[i] != NULL) wasmtime_module_delete(p->modules[i]);
  for (size_t i = 0; i < p->nhosts; i++)
    if (p->hosts[i].type != NULL) wasm_functype_delete(p->hosts[i].type);
  free(p->modules);
  free(p->steps);
  free(p->items);
  free(p->hosts);
  free(p->targets);
  free(p->peaks);
  free(p->names);
  free(p);
}

/* Defined in Go. Returns 0, or -1 when the call must end. */
extern int ipvmHostCall(uint64_t handle, uint32_t host, wasmtime_val_raw_t *values, size_t n);

/* ended keeps why a call ended, and tells whether it did. */
static bool ended(ipvm_call *c, wasmtime_error_t *err, wasm_trap_t *trap) {
  if (err == NULL && trap == NULL) return false;
  wasmtime_trap_code_t code;
  if (trap != NULL) {
    if (wasmtime_trap_code(trap, &code)) {
      c->trap = code + 1;
    } else {
      wasm_byte_vec_t text = {0, NULL};
      wasm_trap_message(trap, &text);
      c->has_error = 1;
      c->out.len = 0;
      c->out.max = 8192;
      ipvm_put(&c->out, text.data, text.size < 4096 ? text.size : 4096);
      wasm_byte_vec_delete(&text);
    }
    wasm_trap_delete(trap);
  }
  if (err != NULL) ipvm_fail(c, err);
  return true;
}

static bool over(const ipvm_call *c) { return c->has_error || c->trap || c->why != IPVM_WHY_NONE; }

static void look_at_memory(ipvm_call *c) {
  if (!c->has_memory) return;
  c->mem = wasmtime_memory_data(c->ctx, &c->memory_of);
  c->mem_size = wasmtime_memory_data_size(c->ctx, &c->memory_of);
}

static bool export_of(ipvm_call *c, const ipvm_item *x, wasmtime_extern_t *out) {
  return x->host < 0 && x->step < c->made &&
         wasmtime_instance_export_get(c->ctx, &c->instance[x->step], c->program->names + x->name, x->name_len, out);
}

/* host_memory finds the memory and the allocator for one host function: where its own instance is still being made, among the
   exports of the caller. */
static void host_memory(ipvm_call *c, const ipvm_host *h, wasmtime_caller_t *caller) {
  wasmtime_extern_t x;
  c->has_memory = c->has_realloc = false;
  c->mem = NULL;
  c->mem_size = 0;
  if (h->memory >= 0) {
    const ipvm_item *item = &c->program->items[h->memory];
    bool found = item->step < c->made ? export_of(c, item, &x)
                                      : wasmtime_caller_export_get(caller, c->program->names + item->name, item->name_len, &x);
    if (found && x.kind == WASMTIME_EXTERN_MEMORY) {
      c->memory_of = x.of.memory;
      c->has_memory = true;
    }
  }
  if (h->realloc >= 0 && export_of(c, &c->program->items[h->realloc], &x) && x.kind == WASMTIME_EXTERN_FUNC) {
    c->realloc = x.of.func;
    c->has_realloc = true;
  }
  look_at_memory(c);
}

static wasm_trap_t *end_call(ipvm_call *c, int why) {
  static const char text[] = "ended by the host";
  if (c->why == IPVM_WHY_NONE) c->why = why;
  return wasmtime_trap_new(text, sizeof text - 1);
}

/* A guest calls host function number data. */
static wasm_trap_t *on_host(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  wasmtime_context_t *ctx = wasmtime_caller_context(caller);
  ipvm_call *c = wasmtime_context_get_data(ctx);
  uint32_t number = (uint32_t)(uintptr_t)data;
  if (c->inside) return end_call(c, IPVM_WHY_LEAVE);
  wasmtime_context_t *before = c->ctx;
  wasmtime_memory_t memory = c->memory_of;
  wasmtime_func_t realloc = c->realloc;
  bool has_memory = c->has_memory, has_realloc = c->has_realloc;
  c->ctx = ctx;
  host_memory(c, &c->program->hosts[number], caller);
  int rc = ipvmHostCall(c->handle, number, values, n);
  c->ctx = before;
  c->memory_of = memory;
  c->realloc = realloc;
  c->has_memory = has_memory;
  c->has_realloc = has_realloc;
  look_at_memory(c);
  if (rc == 0) return NULL;
  return end_call(c, IPVM_WHY_HOST);
}

static bool import(ipvm_call *c, const ipvm_item *x, wasmtime_extern_t *out) {
  if (x->host < 0) return export_of(c, x, out);
  out->kind = WASMTIME_EXTERN_FUNC;
  wasmtime_func_new_unchecked(c->ctx, c->program->hosts[x->host].type, on_host, (void *)(uintptr_t)x->host, NULL, &out->of.func);
  return true;
}

/* make makes the next instance. */
static void make(ipvm_call *c, const ipvm_step *s) {
  wasmtime_extern_t few[16], *imports = few;
  if (s->nimports > 16) imports = malloc(s->nimports * sizeof *imports);
  bool ok = imports != NULL;
  for (uint32_t i = 0; ok && i < s->nimports; i++) ok = import(c, &c->program->items[s->imports + i], &imports[i]);
  if (ok) {
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *err =
        wasmtime_instance_new(c->ctx, c->program->modules[s->module], imports, s->nimports, &c->instance[c->made], &trap);
    if (!ended(c, err, trap)) c->made++;
  } else {
    c->why = IPVM_WHY_INTERNAL;
  }
  if (imports != few) free(imports);
}

static bool func_of(ipvm_call *c, int32_t item, wasmtime_func_t *out) {
  wasmtime_extern_t x;
  if (!export_of(c, &c->program->items[item], &x) || x.kind != WASMTIME_EXTERN_FUNC) {
    c->why = IPVM_WHY_INTERNAL;
    return false;
  }
  *out = x.of.func;
  return true;
}

/* find looks up what the call of the target needs. */
static void find(ipvm_call *c, const ipvm_target *t) {
  wasmtime_extern_t x;
  func_of(c, t->func, &c->func);
  if (t->realloc >= 0) c->has_realloc = func_of(c, t->realloc, &c->realloc);
  if (t->post >= 0) func_of(c, t->post, &c->post);
  if (t->memory < 0) return;
  if (!export_of(c, &c->program->items[t->memory], &x) || x.kind != WASMTIME_EXTERN_MEMORY) {
    c->why = IPVM_WHY_INTERNAL;
    return;
  }
  c->memory_of = x.of.memory;
  c->has_memory = true;
  look_at_memory(c);
}

static void call(ipvm_call *c, const wasmtime_func_t *f, wasmtime_val_raw_t *values, size_t n) {
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *err = wasmtime_func_call_unchecked(c->ctx, f, values, n, &trap);
  ended(c, err, trap);
}

void ipvm_enter(const ipvm_program *p, uint32_t target, ipvm_call *c) {
  uint32_t *outer = ipvm_begin(c);
  c->program = p;
  c->target = &p->targets[target];
  c->made = 0;
  c->mem = NULL;
  c->mem_size = 0;
  c->has_memory = c->has_realloc = c->inside = false;
  ipvm_open(c, p->engine);
  c->stage = IPVM_STAGE_INSTANTIATE;
  for (size_t i = 0; i < p->nsteps && !over(c); i++) make(c, &p->steps[i]);
  wasmtime_val_raw_t none[1];
  wasmtime_func_t init;
  if (!over(c) && p->initialize >= 0 && func_of(c, p->initialize, &init)) call(c, &init, none, 0);
  if (!over(c)) find(c, c->target);
  if (c->target->once) {
    if (!over(c)) ipvm_invoke(c);
    ipvm_leave(c, true);
  }
  ipvm_end(outer);
}

bool ipvm_realloc(ipvm_call *c, uint32_t old, uint32_t old_size, uint32_t align, uint32_t size, uint32_t *at) {
  wasmtime_val_raw_t v[4] = {{.i64 = old}, {.i64 = old_size}, {.i64 = align}, {.i64 = size}};
  if (!c->has_realloc || c->inside) {
    c->why = IPVM_WHY_INTERNAL;
    return false;
  }
  uint32_t *outer = ipvm_begin(c);
  c->stage = IPVM_STAGE_CALL;
  c->inside = true;
  call(c, &c->realloc, v, 4);
  c->inside = false;
  ipvm_end(outer);
  look_at_memory(c);
  *at = (uint32_t)v[0].i64;
  return !over(c);
}

void ipvm_invoke(ipvm_call *c) {
  const ipvm_target *t = c->target;
  wasmtime_val_raw_t v[IPVM_FLAT];
  memset(v, 0, sizeof v);
  for (uint32_t i = 0; i < t->nparams; i++) v[i].i64 = c->flat[i];
  uint32_t *outer = ipvm_begin(c);
  c->stage = IPVM_STAGE_CALL;
  ipvm_break(c);
  call(c, &c->func, v, t->nparams > t->nresults ? t->nparams : t->nresults);
  ipvm_end(outer);
  for (uint32_t i = 0; i < t->nresults; i++) c->flat[i] = v[i].i64;
  look_at_memory(c);
}

/* peak adds up the memories that were made: none ever shrinks. */
static void peak(ipvm_call *c) {
  wasmtime_extern_t x;
  for (size_t i = 0; i < c->program->npeaks; i++)
    if (export_of(c, &c->program->items[c->program->peaks[i]], &x) && x.kind == WASMTIME_EXTERN_MEMORY)
      c->peak += wasmtime_memory_data_size(c->ctx, &x.of.memory);
}

void ipvm_leave(ipvm_call *c, bool finish) {
  uint32_t *outer = ipvm_begin(c);
  const ipvm_target *t = c->target;
  if (finish && !over(c) && t->post >= 0) {
    wasmtime_val_raw_t v[1] = {{.i64 = c->flat[0]}};
    c->inside = true;
    call(c, &c->post, v, t->nresults);
    c->inside = false;
  }
  if (!over(c)) c->stage = IPVM_STAGE_DONE;
  peak(c);
  c->mem = NULL;
  c->mem_size = 0;
  c->program = NULL;
  c->target = NULL;
  ipvm_close(c);
  ipvm_end(outer);
}

void ipvm_repeat(const ipvm_loaded *l, const wasmtime_component_export_index_t *index, ipvm_call *c, const uint8_t *in, size_t in_len,
                 uint64_t n) {
  for (; n > 0; n--) {
    ipvm_run(l, index, c, in, in_len);
    ipvm_buf_free(&c->out);
  }
}
