// wordfreq prints the most frequent words of what it reads, most frequent first,
// equally frequent ones in the order of their bytes:
//
//   wordfreq [-w] [-n COUNT] [-m LENGTH] [-o FILE] [PATH…]
//
// It reads its standard input, or the files named, or every file below the
// folders named; -w leaves the counts out, -m the shorter words. It is an
// ordinary C program, and would do the same anywhere.

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { longest_word = 63, deepest_folder = 32 };

struct word {
  char *text; // NULL: nothing is here
  size_t count;
};

// A hash table with open addressing; its capacity is a power of two.
static struct {
  struct word *words;
  size_t capacity, used, total;
} table;

static const char *program;
static size_t shortest = 1;
static bool failed;

static void *must(void *memory) {
  if (memory == NULL) {
    fprintf(stderr, "%s: out of memory\n", program);
    exit(3);
  }
  return memory;
}

static void complain(const char *path) {
  fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
  failed = true;
}

static struct word *find(const char *text) {
  uint32_t hash = 2166136261u; // FNV-1a
  for (const char *c = text; *c != '\0'; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
  size_t at = hash & (table.capacity - 1);
  while (table.words[at].text != NULL && strcmp(table.words[at].text, text) != 0) at = (at + 1) & (table.capacity - 1);
  return &table.words[at];
}

static void grow(void) {
  struct word *old = table.words;
  size_t had = table.capacity;
  table.capacity = had == 0 ? 1024 : 2 * had;
  table.words = must(calloc(table.capacity, sizeof *table.words));
  for (size_t i = 0; i < had; i++) {
    if (old[i].text != NULL) *find(old[i].text) = old[i];
  }
  free(old);
}

static void add(const char *text, size_t length) {
  if (length < shortest) return;
  if (table.used >= table.capacity / 2) grow();
  struct word *word = find(text);
  if (word->text == NULL) {
    word->text = must(strdup(text));
    table.used++;
  }
  word->count++;
  table.total++;
}

// A word is of ASCII letters, digits and every byte of other scripts, with
// single apostrophes inside. Upper case letters of ASCII count as lower case;
// what is too long is cut.
static void read_words(FILE *in) {
  char text[longest_word + 1];
  size_t length = 0;
  bool apostrophe = false;
  for (int c; (c = getc(in)) != EOF;) {
    if (c < 0x80 && !isalnum(c)) {
      if (c == '\'' && length > 0 && !apostrophe) {
        apostrophe = true;
        continue;
      }
      text[length] = '\0';
      if (length > 0) add(text, length);
      length = 0;
      apostrophe = false;
      continue;
    }
    if (apostrophe && length < longest_word) text[length++] = '\'';
    apostrophe = false;
    if (length < longest_word) text[length++] = (char)(c < 0x80 ? tolower(c) : c);
  }
  text[length] = '\0';
  if (length > 0) add(text, length);
}

static void read_path(const char *path, int depth);

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void read_folder(const char *path, int depth) {
  DIR *folder = opendir(path);
  if (folder == NULL) {
    complain(path);
    return;
  }
  char **names = NULL;
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    names = must(realloc(names, (count + 1) * sizeof *names));
    names[count++] = must(strdup(entry->d_name));
  }
  closedir(folder);
  if (count > 0) qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(path) + strlen(names[i]) + 2;
    char *inside = must(malloc(size));
    snprintf(inside, size, "%s/%s", path, names[i]);
    read_path(inside, depth + 1);
    free(inside);
    free(names[i]);
  }
  free(names);
}

static void read_path(const char *path, int depth) {
  struct stat about;
  if (stat(path, &about) != 0) {
    complain(path);
    return;
  }
  if (S_ISDIR(about.st_mode)) {
    if (depth < deepest_folder) read_folder(path, depth);
    return;
  }
  FILE *in = fopen(path, "rb");
  if (in == NULL) {
    complain(path);
    return;
  }
  read_words(in);
  if (ferror(in)) complain(path);
  fclose(in);
}

static int by_count(const void *a, const void *b) {
  const struct word *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  if (x->text == NULL || y->text == NULL) return 0;
  return strcmp(x->text, y->text);
}

static size_t number(const char *text, size_t least) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least) {
    fprintf(stderr, "%s: not a number from %zu: %s\n", program, least, text);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  size_t limit = 10;
  const char *to = NULL;
  bool counts = true;
  program = "wordfreq";
  for (int option; (option = getopt(argc, argv, "wn:m:o:")) != -1;) {
    switch (option) {
    case 'w': counts = false; break;
    case 'n': limit = number(optarg, 0); break;
    case 'm': shortest = number(optarg, 1); break;
    case 'o': to = optarg; break;
    default:
      fprintf(stderr, "usage: %s [-w] [-n COUNT] [-m LENGTH] [-o FILE] [PATH...]\n", program);
      return 2;
    }
  }

  grow();
  if (optind == argc) read_words(stdin);
  for (int i = optind; i < argc; i++) read_path(argv[i], 0);

  FILE *out = stdout;
  if (to != NULL && (out = fopen(to, "wb")) == NULL) {
    complain(to);
    return 1;
  }
  qsort(table.words, table.capacity, sizeof *table.words, by_count);
  for (size_t i = 0; i < table.used && i < limit; i++) {
    if (counts) fprintf(out, "%7zu ", table.words[i].count);
    fprintf(out, "%s\n", table.words[i].text);
  }
  if (fflush(out) != 0 || fclose(out) != 0) complain(to != NULL ? to : "standard output");
  fprintf(stderr, "%zu words, %zu different\n", table.total, table.used);
  return failed ? 1 : 0;
}
