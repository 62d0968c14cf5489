// A title as part of an address: see slug.wit.

const HYPHEN: u8 = 0x2d;

/** Where the result is: an address and a length, as the host reads a string. */
const result = memory.data(8);

/** Takes the `length` bytes of UTF-8 at `title`, which belong to this call. */
export function slug(title: usize, length: usize): usize {
  const text = heap.alloc(length);
  let at: usize = 0;
  let between = false;
  for (let i: usize = 0; i < length; i++) {
    let c = load<u8>(title + i);
    if (c >= 0x41 && c <= 0x5a) c += 0x20; // A to Z
    if (!((c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39))) {
      between = at > 0;
      continue;
    }
    // A hyphen takes the place of the byte that was passed over.
    if (between) store<u8>(text + at++, HYPHEN);
    between = false;
    store<u8>(text + at++, c);
  }
  store<usize>(result, text);
  store<usize>(result, at, 4);
  return result;
}

/** Called when the host has read the result. */
export function cabi_post_slug(returned: usize): void {
  heap.reset();
}

/** Where the host puts the string that `slug` is called with. */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, newSize: usize): usize {
  // The heap aligns to 16 bytes, more than any type of a component needs.
  if (oldSize == 0) return heap.alloc(newSize);
  return heap.realloc(old, newSize);
}
