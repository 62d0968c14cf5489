// An allocator for small guests: memory is handed out upwards from the end of
// the program's data and taken back all at once, when a call is over.
// Include it in one file only: it exports cabi_realloc.

#pragma once

#include <stddef.h>
#include <stdint.h>

extern unsigned char __heap_base[]; // provided by the linker

static uintptr_t bump_top;

static void bump_reset(void) { bump_top = 0; }

// bump gives size bytes at a multiple of align, a power of two, or traps when
// the host gives no more memory.
static void *bump(size_t size, size_t align) {
  const uintptr_t page = 65536;
  if (bump_top == 0) bump_top = (uintptr_t)__heap_base;
  uintptr_t start = (bump_top + align - 1) & ~(uintptr_t)(align - 1);
  uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * page;
  if (start < bump_top || size > UINTPTR_MAX - start) __builtin_trap();
  if (start + size > have) {
    uintptr_t missing = (start + size - have - 1) / page + 1;
    if (__builtin_wasm_memory_grow(0, missing) == (size_t)-1) __builtin_trap();
  }
  bump_top = start + size;
  return (void *)start;
}

__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size) {
  if (new_size <= old_size && old_size > 0) return old;
  unsigned char *memory = bump(new_size, align);
  for (size_t i = 0; i < old_size; i++) memory[i] = ((unsigned char *)old)[i];
  return memory;
}
