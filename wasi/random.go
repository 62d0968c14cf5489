package wasi

// fillRandom fills p with the next bytes of the random stream: ChaCha8 as
// math/rand/v2 defines it, seeded with [Config].Seed. Whoever knows the seed knows
// the bytes, so no key may be made from them.
func (h *Host) fillRandom(p []byte) {
	h.random.Read(p) // never fails
}
