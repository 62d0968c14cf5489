package wasi

// preview1 is what a program of preview 1 has open.
type preview1 struct{}

func (p *preview1) start(fs *fileSystem) {}
