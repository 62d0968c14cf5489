// Whole numbers that trap rather than wrap around: see arithmetic.wit.

/** The largest magnitude whose square fits in 64 bits: floor(sqrt(2^63 - 1)). */
const ROOT: i64 = 3037000499;

export function square(x: i64): i64 {
  if (x > ROOT || x < -ROOT) unreachable();
  return x * x;
}

export function add(a: i64, b: i64): i64 {
  const result = a + b;
  // The sum of two numbers of one sign has that sign, unless it wrapped.
  if (((a ^ result) & (b ^ result)) < 0) unreachable();
  return result;
}

/** Sums the `length` numbers at `xs`, in order; the list belongs to this call. */
export function sum(xs: usize, length: usize): i64 {
  let total: i64 = 0;
  for (let i: usize = 0; i < length; i++) total = add(total, load<i64>(xs + (i << 3)));
  heap.reset();
  return total;
}

/** Where the host puts the list that `sum` is called with. */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, newSize: usize): usize {
  // The heap aligns to 16 bytes, more than any type of a component needs.
  if (oldSize == 0) return heap.alloc(newSize);
  return heap.realloc(old, newSize);
}
