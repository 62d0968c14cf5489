// Joins a first and a last name: see full-name.wit.

#include "bump.h"

static struct {
  char *text;
  size_t length;
} result;

__attribute__((export_name("full-name")))
void *full_name(const char *first, size_t first_length, const char *last, size_t last_length) {
  size_t space = first_length > 0 && last_length > 0 ? 1 : 0;
  result.text = bump(first_length + space + last_length, 1);
  char *to = result.text;
  for (size_t i = 0; i < first_length; i++) *to++ = first[i];
  if (space) *to++ = ' ';
  for (size_t i = 0; i < last_length; i++) *to++ = last[i];
  result.length = (size_t)(to - result.text);
  return &result;
}

__attribute__((export_name("cabi_post_full-name")))
void post_full_name(void *returned) {
  (void)returned;
  bump_reset();
}
