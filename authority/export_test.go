package authority

// RememberAsked bounds how many requests g remembers.
func (g *Guard) RememberAsked(most int) { g.asks.most = most }
