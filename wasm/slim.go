package wasm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// addressMap is the section of machine code that tells which instruction of the
// module each address is of. Only the engine's traces use it, which are not
// taken, and it is a third of all.
const addressMap = ".wasmtime.addrmap"

// filePage is what the sections of machine code are aligned to that are mapped by
// themselves.
const filePage = 4096

// slim empties the address map of an artifact of the engine, and takes whole
// pages of it out of the file. What is not as the engine writes it is left as it
// is.
func slim(artifact []byte) []byte {
	file, err := elf.NewFile(bytes.NewReader(artifact))
	if err != nil || file.Class != elf.ELFCLASS64 || len(file.Progs) > 0 || file.Section(addressMap) == nil {
		return artifact
	}
	order := file.ByteOrder
	var header elf.Header64
	if err := binary.Read(bytes.NewReader(artifact), order, &header); err != nil {
		return artifact
	}
	gone := file.Section(addressMap)
	first := (gone.Offset + filePage - 1) &^ (filePage - 1)
	end := gone.Offset + gone.Size
	if gone.Size < filePage || end < first || end > uint64(len(artifact)) || header.Shoff < end {
		return artifact
	}
	cut := (end - first) &^ (filePage - 1)
	sections := make([]elf.Section64, header.Shnum)
	table := artifact[header.Shoff:]
	if err := binary.Read(bytes.NewReader(table), order, sections); err != nil {
		return artifact
	}
	for i := range sections {
		s := &sections[i]
		switch {
		case s.Off == gone.Offset && s.Size == gone.Size:
			s.Size = 0
		case s.Off >= end:
			s.Off -= cut
		}
	}
	header.Shoff -= cut
	out := make([]byte, 0, len(artifact)-int(cut))
	out = append(out, artifact[:first]...)
	out = append(out, artifact[first+cut:]...)
	_, err1 := binary.Encode(out, order, header)
	_, err2 := binary.Encode(out[header.Shoff:], order, sections)
	if err1 != nil || err2 != nil {
		return artifact
	}
	clear(out[gone.Offset : end-cut])
	return out
}
