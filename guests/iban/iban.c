// Checks the number of a bank account (ISO 13616): see iban.wit.

#include <stdbool.h>
#include <stdint.h>

#include "bump.h"

enum { shortest = 15, longest = 34 };

// result<string, string> as the canonical ABI lays it out in memory.
static struct {
  uint8_t is_error;
  const char *text;
  size_t length;
} result;

static void *answer(bool is_error, const char *text, size_t length) {
  result.is_error = is_error;
  result.text = text;
  result.length = length;
  return &result;
}

#define failure(message) answer(true, message, sizeof message - 1)

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return c >= 'A' && c <= 'Z'; }

// The remainder by 97 of the number that the text stands for: its first four
// characters moved to the end, A as 10, B as 11 and so on.
static uint32_t remainder_by_97(const char *text, size_t length) {
  uint32_t remainder = 0;
  for (size_t i = 0; i < length; i++) {
    char c = text[(i + 4) % length];
    remainder = is_digit(c) ? remainder * 10 + (uint32_t)(c - '0') : remainder * 100 + (uint32_t)(c - 'A' + 10);
    remainder %= 97;
  }
  return remainder;
}

__attribute__((export_name("iban")))
void *iban(const char *given, size_t given_length) {
  char text[longest];
  size_t length = 0;
  for (size_t i = 0; i < given_length; i++) {
    char c = given[i];
    if (c == ' ') continue;
    if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
    if (!is_digit(c) && !is_letter(c)) return failure("only letters, digits and spaces may be in an IBAN");
    if (length == longest) return failure("too long for an IBAN, which has at most 34 characters");
    text[length++] = c;
  }
  if (length < shortest) return failure("too short for an IBAN, which has at least 15 characters");
  if (!is_letter(text[0]) || !is_letter(text[1])) return failure("an IBAN starts with the two letters of a country");
  if (!is_digit(text[2]) || !is_digit(text[3])) return failure("an IBAN has two digits after its country");
  if (remainder_by_97(text, length) != 1) return failure("the check digits do not fit: a character is wrong, or two are swapped");

  char *printed = bump(length + length / 4, 1);
  size_t at = 0;
  for (size_t i = 0; i < length; i++) {
    if (i > 0 && i % 4 == 0) printed[at++] = ' ';
    printed[at++] = text[i];
  }
  return answer(false, printed, at);
}

__attribute__((export_name("cabi_post_iban")))
void post_iban(void *returned) {
  (void)returned;
  bump_reset();
}
