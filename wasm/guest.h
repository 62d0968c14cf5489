//go:build cgo

/*
 * What the Go side of package wasm calls: a few coarse functions, so that one task is one call across the language border.
 * Values cross as the flat bytes that wire.go describes.
 */
#ifndef IPVM_GUEST_H
#define IPVM_GUEST_H

#include "wasmtime_abi.h"

/* How an ipvm_call ended early by our own doing. Go has the same list. */
enum {
  IPVM_WHY_NONE = 0,
  IPVM_WHY_TIMEOUT = 1,
  IPVM_WHY_STOPPED = 2,
  IPVM_WHY_HOST = 3, /* a host function ended it; Go knows why */
  IPVM_WHY_TOO_LARGE = 4,
  IPVM_WHY_INTERNAL = 5,
  IPVM_WHY_LEAVE = 6, /* the guest called out from where it may not */
  IPVM_WHY_ABSENT = 7, /* what a component exports is no function */
};

/* How far an ipvm_call came. Go has the same list. */
enum { IPVM_STAGE_DONE = 0, IPVM_STAGE_SETUP = 1, IPVM_STAGE_INSTANTIATE = 2, IPVM_STAGE_CALL = 3 };

/* Host functions that a linker can offer to components. Go has the same list. */
enum { IPVM_HOST_LOG = 0, IPVM_HOST_PRINT = 1, IPVM_HOST_TIME = 2 };

/* Up to so many arguments of a component's function come one after the other, more as one tuple. */
#define IPVM_FEW 8

/* So many core values one call of a program's function takes or gives at the most, and so many instances a program makes. */
#define IPVM_FLAT 24
#define IPVM_STEPS 128

/* One growing byte buffer owned by C. */
typedef struct {
  uint8_t *data;
  size_t len, cap, max;
  bool full; /* more than max was written: data is not whole */
} ipvm_buf;

typedef struct ipvm_program ipvm_program;

/* One call of one function in a fresh instance. It lives in C memory, one for each place in which a call can run, and is zero
   between calls but for what came out of the last. */
typedef struct {
  /* in */
  uint64_t gas;
  int64_t memory, table_elements, instances, tables, memories;
  uint64_t time;   /* nanoseconds of wall clock */
  uint64_t handle; /* cgo.Handle of the Go side for host functions, 0 for none */
  uint64_t max_result;
  uint32_t nargs, nresults;
  int32_t stop; /* another thread sets it: the call ends at its next tick */
  uint32_t *died; /* takes the number of the signal that kills the process in this call; may be NULL */
#ifdef IPVM_FAULTS
  bool broken; /* the engine panics in this call */
#endif
  /* out */
  int32_t why;
  int32_t stage;
  int32_t has_error; /* out has a text */
  int32_t trap;      /* code of a trap plus one; 0 for none */
  uint64_t gas_left;
  uint64_t nanos;
  uint64_t peak; /* bytes of linear memory at the end, of a program */
  ipvm_buf out;
  uint8_t small[232];
  /* while it runs */
  uint64_t start, deadline;
  wasmtime_store_t *store;
  wasmtime_context_t *ctx;
  wasmtime_store_t *rest; /* of a call that has ended: ipvm_clear is still to come, from any thread, before the next call */
  /* of a program */
  const ipvm_program *program;
  const struct ipvm_target *target;
  uint64_t flat[IPVM_FLAT]; /* arguments, then results */
  uint8_t *mem;             /* linear memory of the call, or of the host function that is called */
  size_t mem_size;
  wasmtime_func_t func, realloc, post;
  wasmtime_memory_t memory_of;
  bool has_memory, has_realloc, inside; /* inside: the guest may not call out */
  uint32_t made;                        /* instances so far */
  wasmtime_instance_t instance[IPVM_STEPS];
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
  uint64_t memory_growth;      /* and behind a memory that had to move */
  uint64_t memory_guard;
  uint64_t max_stack;
  bool relaxed_simd; /* off where the processor would make its NaNs other than canonical */
} ipvm_engine_config;

/* Tells whether so many bytes of address space can be had at once: a pool that gets none aborts the process. */
bool ipvm_address_space(uint64_t bytes);

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

/* Gives back what a call has left in rest. */
void ipvm_clear(ipvm_call *);

/* Runs one call of a component's function. in may be Go memory; nothing of it is kept. */
void ipvm_run(const ipvm_loaded *, const wasmtime_component_export_index_t *, ipvm_call *, const uint8_t *in, size_t in_len);

/* The same call n times over, for benchmarks: what the engine's component model takes by itself. */
void ipvm_repeat(const ipvm_loaded *, const wasmtime_component_export_index_t *, ipvm_call *, const uint8_t *in, size_t in_len, uint64_t n);

/* Where something of a program comes from: a host function, or an export of an instance. */
typedef struct {
  int32_t host; /* -1 for an export */
  uint32_t step;
  uint32_t name, name_len; /* in the program's names */
} ipvm_item;

/* One instance to make: imports are items of the program. */
typedef struct {
  uint32_t module, imports, nimports;
} ipvm_step;

/* A function that comes from outside. memory and realloc are items, or -1. */
typedef struct {
  wasm_functype_t *type;
  int32_t memory, realloc;
} ipvm_host;

/* A function to call. All but func are items or -1. */
typedef struct ipvm_target {
  uint32_t func;
  int32_t memory, realloc, post;
  uint32_t nparams, nresults;
  bool once; /* it takes and gives numbers only: entering calls it and leaves */
} ipvm_target;

/* Core modules made ready on one engine, and how to make an instance of them all. The arrays are C memory that the program owns. */
struct ipvm_program {
  wasm_engine_t *engine;
  wasmtime_module_t **modules;
  size_t nmodules;
  ipvm_step *steps;
  size_t nsteps;
  ipvm_item *items;
  size_t nitems;
  ipvm_host *hosts;
  size_t nhosts;
  ipvm_target *targets;
  size_t ntargets;
  char *names;
  int32_t initialize; /* an item or -1 */
  uint32_t *peaks;    /* items that are the memories to measure */
  size_t npeaks;
};

int ipvm_validate_core(wasm_engine_t *, const uint8_t *code, size_t len, ipvm_buf *err);
int ipvm_compile_core(wasm_engine_t *, const uint8_t *code, size_t len, wasm_byte_vec_t *artifact, ipvm_buf *err);
int ipvm_serialize_core(wasmtime_module_t *, wasm_byte_vec_t *artifact, ipvm_buf *err);
int ipvm_load_core(wasm_engine_t *, const uint8_t *artifact, size_t len, wasmtime_module_t **, ipvm_buf *err);
int ipvm_load_core_file(wasm_engine_t *, const char *path, wasmtime_module_t **, ipvm_buf *err);
/* The exported functions: the name of each, and its type as letters, as in "ii:i". */
void ipvm_core_types(const wasmtime_module_t *, ipvm_buf *out);
wasm_functype_t *ipvm_functype(const char *params, size_t nparams, const char *results, size_t nresults);
ipvm_program *ipvm_program_new(wasm_engine_t *, size_t modules, size_t steps, size_t items, size_t hosts, size_t targets, size_t peaks,
                               size_t names);
void ipvm_program_delete(ipvm_program *);

/* A call of a program's function: enter makes the instances; then ipvm_realloc and ipvm_invoke, each good while there is a store;
   leave ends it in any case and must be called, unless the target is called once. What went wrong is in the call. */
void ipvm_enter(const ipvm_program *, uint32_t target, ipvm_call *);
bool ipvm_realloc(ipvm_call *, uint32_t old, uint32_t old_size, uint32_t align, uint32_t size, uint32_t *at);
void ipvm_invoke(ipvm_call *);
void ipvm_leave(ipvm_call *, bool finish);

/* The layouts that TestABI compares: sizes and offsets in a fixed order. */
size_t ipvm_abi(uint64_t *out, size_t n);

#endif
