//go:build cgo

/*
 * What the Go side of package wasm calls: a few coarse functions, so that one task is one call across the language border.
 * Values cross as the flat bytes that wire.go describes.
 */
#ifndef IPVM_GUEST_H
#define IPVM_GUEST_H

#include "wasmtime_abi.h"

/* How an ipvm_call ended early by our own doing. Go has the same list. */
enum { IPVM_WHY_NONE = 0, IPVM_WHY_TIMEOUT = 1, IPVM_WHY_STOPPED = 2, IPVM_WHY_HOST = 3, IPVM_WHY_TOO_LARGE = 4, IPVM_WHY_INTERNAL = 5 };

/* How far an ipvm_call came. Go has the same list. */
enum { IPVM_STAGE_DONE = 0, IPVM_STAGE_SETUP = 1, IPVM_STAGE_INSTANTIATE = 2, IPVM_STAGE_CALL = 3 };

/* Host functions that a linker can offer. Go has the same list. */
enum { IPVM_HOST_LOG = 0, IPVM_HOST_PRINT = 1, IPVM_HOST_TIME = 2 };

/* Up to so many arguments come one after the other, more as one tuple. */
#define IPVM_FEW 8

/* One growing byte buffer owned by C. */
typedef struct {
  uint8_t *data;
  size_t len, cap, max;
  bool full; /* more than max was written: data is not whole */
} ipvm_buf;

/* One call of one function in a fresh instance. It lives in Go memory and holds no Go pointer. */
typedef struct {
  /* in */
  uint64_t gas;
  int64_t memory, table_elements, instances, tables, memories;
  uint64_t time;   /* nanoseconds of wall clock */
  uint64_t handle; /* cgo.Handle of the Go side for host functions, 0 for none */
  uint64_t max_result;
  uint32_t nargs, nresults;
  /* out */
  int32_t why;
  int32_t stage;
  int32_t has_error;
  uint64_t gas_left;
  uint64_t nanos;
  ipvm_buf out;
  uint8_t small[232];
} ipvm_call;

/* A component made ready on one engine. */
typedef struct {
  wasm_engine_t *engine;
  wasmtime_component_t *component;
  wasmtime_component_linker_t *linker;
} ipvm_loaded;

typedef struct {
  uint32_t calls;       /* concurrent calls the pool is sized for; 0: no pool, allocate on demand */
  uint64_t pool_memory; /* bytes of the largest pooled memory */
  uint64_t table_elements;
  uint64_t memory_reservation; /* bytes of address space kept per memory */
  uint64_t memory_guard;
  uint64_t max_stack;
} ipvm_engine_config;

wasm_engine_t *ipvm_engine_new(const ipvm_engine_config *);

/* Each returns 0, or -1 and an error text. The caller frees every ipvm_buf with ipvm_buf_free. */
int ipvm_compile(const wasm_engine_t *, const uint8_t *code, size_t len, wasm_byte_vec_t *artifact, ipvm_buf *err);
int ipvm_serialize(const ipvm_loaded *, wasm_byte_vec_t *artifact, ipvm_buf *err);
int ipvm_load(ipvm_loaded *, const uint8_t *artifact, size_t len, ipvm_buf *err);
int ipvm_load_file(ipvm_loaded *, const char *path, ipvm_buf *err);
int ipvm_describe(const ipvm_loaded *, ipvm_buf *out);
int ipvm_link(ipvm_loaded *, const char *iface, size_t iface_len, const char *names /* one after the other */,
              const uint32_t *name_lens, const uint32_t *hosts, size_t n, ipvm_buf *err);
wasmtime_component_export_index_t *ipvm_export(const ipvm_loaded *, const char *iface, size_t iface_len, const char *name,
                                               size_t name_len);
void ipvm_unload(ipvm_loaded *);
void ipvm_buf_free(ipvm_buf *);

/* Runs one call. Another thread ends it at its next tick by setting *stop. in, stop and call may be Go memory; nothing of them is
   kept. */
void ipvm_run(const ipvm_loaded *, const wasmtime_component_export_index_t *, ipvm_call *, const int32_t *stop,
              const uint8_t *in, size_t in_len);

/* The layouts that TestABI compares: sizes and offsets in a fixed order. */
size_t ipvm_abi(uint64_t *out, size_t n);

#endif
