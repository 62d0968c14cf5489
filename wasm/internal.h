//go:build cgo

/* What the C files of this package share. */
#ifndef IPVM_INTERNAL_H
#define IPVM_INTERNAL_H

#include "guest.h"

/* Kind of a list of u8 on the wire, as bytes. No component_val kind has this number. */
#define IPVM_WIRE_BYTES 0x40

bool ipvm_put(ipvm_buf *, const void *, size_t);
bool ipvm_put_u8(ipvm_buf *, uint8_t);
bool ipvm_put_u32(ipvm_buf *, size_t);
bool ipvm_put_text(ipvm_buf *, const char *, size_t);
void ipvm_put_error(ipvm_buf *, wasmtime_error_t *);

/* The beginning and the end of a call: a store with its limits, whose data is the call; and what is left of them. */
void ipvm_open(ipvm_call *, wasm_engine_t *);
void ipvm_close(ipvm_call *);
/* ipvm_fail keeps the text of err, and frees it. */
void ipvm_fail(ipvm_call *, wasmtime_error_t *err);

/* Has the deaths of the process noted. To be called before the first engine is made: its handlers of signals pass on to those that
   were there. */
void ipvm_watch_deaths(void);

/* Where the call that this thread is in wants its death noted; NULL outside calls. What begins to work for a call sets it, and
   puts back what was there when it is done. */
extern _Thread_local uint32_t *ipvm_died;

static inline uint32_t *ipvm_begin(const ipvm_call *c) {
  uint32_t *outer = ipvm_died;
  ipvm_died = c->died;
  return outer;
}

static inline void ipvm_end(uint32_t *outer) { ipvm_died = outer; }

#ifdef IPVM_FAULTS
void ipvm_break(ipvm_call *);
#else
static inline void ipvm_break(ipvm_call *c) { (void)c; }
#endif

/* Memory for the arguments of one call: freed at once. */
typedef struct ipvm_chunk {
  struct ipvm_chunk *next;
} ipvm_chunk;
typedef struct {
  ipvm_chunk *chunks;
  uint8_t *at, *end;
  _Alignas(16) uint8_t first[2048];
} ipvm_arena;

typedef struct {
  const uint8_t *at, *end;
  ipvm_arena *arena;
} ipvm_reader;

void ipvm_arena_init(ipvm_arena *);
void ipvm_arena_free(ipvm_arena *);
bool ipvm_read_val(ipvm_reader *, wasmtime_component_val_t *);
bool ipvm_write_val(ipvm_buf *, const wasmtime_component_val_t *);

wasmtime_error_t *ipvm_host_call(void *, wasmtime_context_t *, const wasmtime_component_func_type_t *, wasmtime_component_val_t *,
                                 size_t, wasmtime_component_val_t *, size_t);

#endif
