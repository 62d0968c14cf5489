//go:build cgo

#include "guest.h"

#include <stdlib.h> /* says whether the library is glibc */
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "internal.h"

/* Bytes of each memory that stay resident between calls: they are cleared by hand rather than given back and taken anew page by page.
   With 256 KiB a call with 1 MiB in and out takes half as long again, one of a guest with 17 pages 10 us rather than 30. */
enum { KEEP_RESIDENT = 4 << 20 };

/* Whose memories are larger, in bytes, has its result before they are cleared: see ipvm_clear. */
enum { CLEARED_LATER = 256 << 10 };

static void configure_pool(wasm_config_t *c, const ipvm_engine_config *e) {
  wasmtime_pooling_allocation_config_t *p = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_component_instances_set(p, e->calls);
  wasmtime_pooling_allocation_config_total_core_instances_set(p, 16 * e->calls);
  wasmtime_pooling_allocation_config_max_core_instances_per_component_set(p, 16);
  wasmtime_pooling_allocation_config_total_stacks_set(p, e->calls); /* none is used; 1,000 otherwise, which take 2 ms to make */
  wasmtime_pooling_allocation_config_total_memories_set(p, 2 * e->calls);
  wasmtime_pooling_allocation_config_max_memories_per_component_set(p, 2);
  wasmtime_pooling_allocation_config_total_tables_set(p, 4 * e->calls);
  wasmtime_pooling_allocation_config_max_tables_per_component_set(p, 4);
  wasmtime_pooling_allocation_config_max_tables_per_module_set(p, 4);
  wasmtime_pooling_allocation_config_table_elements_set(p, e->table_elements);
  wasmtime_pooling_allocation_config_max_memory_size_set(p, e->pool_memory);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(p, KEEP_RESIDENT);
  wasmtime_pooling_allocation_config_table_keep_resident_set(p, 64 << 10);
  wasmtime_pooling_allocation_strategy_set(c, p);
  wasmtime_pooling_allocation_config_delete(p);
}

/* Every setting that is off by default is set all the same: what a guest may use is part of the gas schedule. Concurrency
   support is deliberately left alone: to set it aborts later calls. */
wasm_engine_t *ipvm_engine_new(const ipvm_engine_config *e) {
  ipvm_watch_deaths();
  wasm_config_t *c = wasm_config_new();
  wasmtime_config_strategy_set(c, WASMTIME_STRATEGY_CRANELIFT);
  wasmtime_config_cranelift_opt_level_set(c, WASMTIME_OPT_LEVEL_SPEED);
  wasmtime_config_cranelift_nan_canonicalization_set(c, true);
  wasmtime_config_parallel_compilation_set(c, true);
  wasmtime_config_consume_fuel_set(c, true);
  wasmtime_config_epoch_interruption_set(c, true);
  wasmtime_config_max_wasm_stack_set(c, e->max_stack);
  wasmtime_config_native_unwind_info_set(c, false);

  wasmtime_config_wasm_component_model_set(c, true);
  wasmtime_config_wasm_bulk_memory_set(c, true);
  wasmtime_config_wasm_multi_value_set(c, true);
  wasmtime_config_wasm_reference_types_set(c, true);
  wasmtime_config_wasm_tail_call_set(c, true);
  wasmtime_config_wasm_simd_set(c, true);
  wasmtime_config_wasm_relaxed_simd_set(c, e->relaxed_simd);
  wasmtime_config_wasm_relaxed_simd_deterministic_set(c, true);
  wasmtime_config_wasm_threads_set(c, false);
  wasmtime_config_shared_memory_set(c, false);
  wasmtime_config_wasm_memory64_set(c, false);
  wasmtime_config_wasm_multi_memory_set(c, false);
  wasmtime_config_wasm_function_references_set(c, false);
  wasmtime_config_wasm_gc_set(c, false);
  wasmtime_config_gc_support_set(c, false);
  wasmtime_config_wasm_exceptions_set(c, false);
  wasmtime_config_wasm_stack_switching_set(c, false);
  wasmtime_config_wasm_wide_arithmetic_set(c, false);
  wasmtime_config_wasm_custom_page_sizes_set(c, false);

  wasmtime_config_memory_init_cow_set(c, true);
  wasmtime_config_memory_reservation_set(c, e->memory_reservation);
  wasmtime_config_memory_reservation_for_growth_set(c, e->memory_growth);
  wasmtime_config_memory_guard_size_set(c, e->memory_guard);
  if (e->calls > 0) configure_pool(c, e);
  return wasm_engine_new_with_config(c);
}

#ifdef __GLIBC__
/* Before any thread has an arena of its own: a bound that comes later does not hold. */
__attribute__((constructor)) static void bound_arenas(void) {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 128 << 10); /* which else grows with what is freed */
}
#endif

bool ipvm_address_space(uint64_t bytes) {
  void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return false;
  munmap(p, bytes);
  return true;
}

static int failed(ipvm_buf *err, wasmtime_error_t *e) {
  if (e == NULL) return 0;
  ipvm_put_error(err, e);
  return -1;
}

int ipvm_compile(const wasm_engine_t *engine, const uint8_t *code, size_t len, wasm_byte_vec_t *artifact, ipvm_buf *err) {
  wasmtime_component_t *c = NULL;
  if (failed(err, wasmtime_component_new(engine, code, len, &c))) return -1;
  int rc = failed(err, wasmtime_component_serialize(c, artifact));
  wasmtime_component_delete(c);
  return rc;
}

int ipvm_serialize(const ipvm_loaded *l, wasm_byte_vec_t *artifact, ipvm_buf *err) {
  return failed(err, wasmtime_component_serialize(l->component, artifact));
}

static int loaded(ipvm_loaded *l) {
  l->linker = wasmtime_component_linker_new(l->engine);
  return 0;
}

int ipvm_load(ipvm_loaded *l, const uint8_t *artifact, size_t len, ipvm_buf *err) {
  if (failed(err, wasmtime_component_deserialize(l->engine, artifact, len, &l->component))) return -1;
  return loaded(l);
}

int ipvm_load_file(ipvm_loaded *l, const char *path, ipvm_buf *err) {
  if (failed(err, wasmtime_component_deserialize_file(l->engine, path, &l->component))) return -1;
  return loaded(l);
}

void ipvm_unload(ipvm_loaded *l) {
  if (l->linker != NULL) wasmtime_component_linker_delete(l->linker);
  if (l->component != NULL) wasmtime_component_delete(l->component);
  l->linker = NULL;
  l->component = NULL;
}

int ipvm_link(ipvm_loaded *l, const char *iface, size_t iface_len, const char *names, const uint32_t *name_lens,
              const uint32_t *hosts, size_t n, ipvm_buf *err) {
  wasmtime_component_linker_instance_t *root = wasmtime_component_linker_root(l->linker), *inst = NULL;
  int rc = failed(err, wasmtime_component_linker_instance_add_instance(root, iface, iface_len, &inst));
  for (size_t i = 0; rc == 0 && i < n; i++) {
    void *data = (void *)(uintptr_t)hosts[i];
    rc = failed(err, wasmtime_component_linker_instance_add_func(inst, names, name_lens[i], ipvm_host_call, data, NULL));
    names += name_lens[i];
  }
  if (inst != NULL) wasmtime_component_linker_instance_delete(inst);
  wasmtime_component_linker_instance_delete(root);
  return rc;
}

wasmtime_component_export_index_t *ipvm_export(const ipvm_loaded *l, const char *iface, size_t iface_len, const char *name,
                                               size_t name_len) {
  if (iface_len == 0) return wasmtime_component_get_export_index(l->component, NULL, name, name_len);
  wasmtime_component_export_index_t *inst = wasmtime_component_get_export_index(l->component, NULL, iface, iface_len);
  if (inst == NULL) return NULL;
  wasmtime_component_export_index_t *f = wasmtime_component_get_export_index(l->component, inst, name, name_len);
  wasmtime_component_export_index_delete(inst);
  return f;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Runs inside the guest at each tick of the engine's epoch. */
static wasmtime_error_t *on_tick(wasmtime_context_t *ctx, void *data, uint64_t *delta, wasmtime_update_deadline_kind_t *kind) {
  (void)ctx;
  ipvm_call *c = data;
  *delta = 1;
  *kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
  if (__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
    c->why = IPVM_WHY_STOPPED;
    return wasmtime_error_new("stopped by the host");
  }
  if (now() >= c->deadline) {
    c->why = IPVM_WHY_TIMEOUT;
    return wasmtime_error_new("time limit reached");
  }
  return NULL;
}

static wasmtime_error_t *invoke(const ipvm_loaded *l, const wasmtime_component_export_index_t *index, ipvm_call *c,
                                wasmtime_context_t *ctx, const uint8_t *in, size_t in_len) {
  wasmtime_component_instance_t instance;
  wasmtime_component_func_t func;
  c->stage = IPVM_STAGE_INSTANTIATE;
  wasmtime_error_t *err = wasmtime_component_linker_instantiate(l->linker, ctx, l->component, &instance);
  if (err != NULL) return err;

  ipvm_arena arena;
  ipvm_arena_init(&arena);
  ipvm_reader r = {in, in + in_len, &arena};
  wasmtime_component_val_t few[IPVM_FEW], *args = few;
  wasmtime_component_val_t results[1];
  memset(results, 0, sizeof results); /* the engine drops what is there before it writes */
  if (c->nargs > IPVM_FEW) args = NULL;
  c->stage = IPVM_STAGE_SETUP;
  if (!wasmtime_component_instance_get_func(&instance, ctx, index, &func)) {
    c->why = IPVM_WHY_ABSENT;
    ipvm_arena_free(&arena);
    return NULL;
  }
  bool ok = true;
  wasmtime_component_val_t many = {0};
  if (ok && args == NULL) { /* many arguments are framed as one tuple */
    ok = ipvm_read_val(&r, &many) && many.of.tuple.size == c->nargs;
    args = many.of.tuple.data;
  } else {
    for (uint32_t i = 0; ok && i < c->nargs; i++) ok = ipvm_read_val(&r, &few[i]);
  }
  if (!ok || r.at != r.end) {
    c->why = IPVM_WHY_INTERNAL;
    ipvm_arena_free(&arena);
    return NULL;
  }

  c->stage = IPVM_STAGE_CALL;
  err = wasmtime_component_func_call(&func, ctx, args, c->nargs, results, c->nresults);
  ipvm_arena_free(&arena);
  if (err != NULL) return err;
  if (c->nresults > 0 && !ipvm_write_val(&c->out, &results[0])) c->why = IPVM_WHY_TOO_LARGE;
  wasmtime_component_val_delete(&results[0]);
  c->stage = IPVM_STAGE_DONE;
  return NULL;
}

void ipvm_open(ipvm_call *c, wasm_engine_t *engine) {
  c->start = now();
  c->deadline = c->time > UINT64_MAX - c->start ? UINT64_MAX : c->start + c->time;
  c->stage = IPVM_STAGE_SETUP;
  c->why = IPVM_WHY_NONE;
  c->has_error = c->trap = 0;
  c->gas_left = c->nanos = c->peak = 0;
  c->out.len = 0; /* an error text of the last call may have been moved to small */
  c->out.full = false;
  ipvm_buf_free(&c->out);
  c->out.max = c->max_result;
  c->store = wasmtime_store_new(engine, c, NULL);
  c->ctx = wasmtime_store_context(c->store);
  wasmtime_store_limiter(c->store, c->memory, c->table_elements, c->instances, c->tables, c->memories);
  wasmtime_store_epoch_deadline_callback(c->store, on_tick, c, NULL);
  wasmtime_context_set_epoch_deadline(c->ctx, 1);
  wasmtime_error_t *err = wasmtime_context_set_fuel(c->ctx, c->gas);
  if (err != NULL) ipvm_fail(c, err);
}

void ipvm_fail(ipvm_call *c, wasmtime_error_t *err) {
  c->has_error = 1;
  c->out.len = 0;
  c->out.full = false;
  ipvm_put_error(&c->out, err);
}

void ipvm_close(ipvm_call *c) {
  wasmtime_error_t *fuel = wasmtime_context_get_fuel(c->ctx, &c->gas_left);
  if (fuel != NULL) {
    wasmtime_error_delete(fuel);
    c->why = IPVM_WHY_INTERNAL;
  }
  c->nanos = now() - c->start; /* giving back the memory is not the guest's time */
  if (c->peak > CLEARED_LATER)
    c->rest = c->store;
  else
    wasmtime_store_delete(c->store);
  c->store = NULL;
  c->ctx = NULL;
  if (c->out.len <= sizeof c->small && c->out.data != NULL) { /* so that Go need not come back to free it */
    size_t n = c->out.len;
    memcpy(c->small, c->out.data, n);
    ipvm_buf_free(&c->out);
    c->out.len = n;
  }
}

void ipvm_clear(ipvm_call *c) {
  wasmtime_store_delete(c->rest);
  c->rest = NULL;
}

void ipvm_run(const ipvm_loaded *l, const wasmtime_component_export_index_t *index, ipvm_call *c, const uint8_t *in, size_t in_len) {
  uint32_t *outer = ipvm_begin(c);
  ipvm_open(c, l->engine);
  ipvm_break(c);
  wasmtime_error_t *err = c->has_error ? NULL : invoke(l, index, c, c->ctx, in, in_len);
  if (err != NULL) ipvm_fail(c, err);
  ipvm_close(c);
  ipvm_end(outer);
}

size_t ipvm_abi(uint64_t *out, size_t n) {
#define T(t) sizeof(t), _Alignof(t)
  const uint64_t v[] = {
      T(wasm_byte_vec_t), T(wasmtime_component_instance_t), T(wasmtime_component_func_t), T(wasmtime_component_valtype_t),
      T(wasmtime_component_item_t), T(wasmtime_component_val_t), T(wasmtime_component_valrecord_entry_t),
      T(wasmtime_component_valunion_t), T(wasmtime_component_valvariant_t), T(wasmtime_component_valresult_t),
      T(wasmtime_extern_t), T(wasmtime_func_t), T(wasmtime_memory_t), T(wasmtime_instance_t), T(wasmtime_val_raw_t),
      T(wasm_valtype_vec_t), T(wasm_exporttype_vec_t),
      offsetof(wasm_byte_vec_t, data), offsetof(wasmtime_component_valtype_t, of), offsetof(wasmtime_component_item_t, of),
      offsetof(wasmtime_component_val_t, of), offsetof(wasmtime_component_valrecord_entry_t, val),
      offsetof(wasmtime_component_valvariant_t, val), offsetof(wasmtime_component_valresult_t, val), offsetof(wasmtime_extern_t, of),
      offsetof(wasm_exporttype_vec_t, data),
  };
#undef T
  size_t have = sizeof v / sizeof v[0];
  for (size_t i = 0; i < have && i < n; i++) out[i] = v[i];
  return have;
}
