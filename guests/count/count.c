// Counts the characters of a name: see count.wit.

#include <stdint.h>

#include "bump.h"

__attribute__((export_name("count")))
uint32_t count(const char *name, size_t length) {
  uint32_t characters = 0;
  // Every scalar value has one byte that does not continue another (10xxxxxx).
  for (size_t i = 0; i < length; i++) characters += (name[i] & 0xc0) != 0x80;
  bump_reset();
  return characters;
}
