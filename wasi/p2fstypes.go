package wasi

import (
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// The types of wasi:filesystem/types.
var (
	descriptorTypeType = enumOf("unknown", "block-device", "character-device", "directory", "fifo", "symbolic-link",
		"regular-file", "socket")

	descriptorFlagsType = flagsOf("read", "write", "file-integrity-sync", "data-integrity-sync",
		"requested-write-sync", "mutate-directory")

	pathFlagsType = flagsOf("symlink-follow")

	openFlagsType = flagsOf("create", "directory", "exclusive", "truncate")

	descriptorStatType = recordOf(
		field("type", descriptorTypeType),
		field("link-count", u64Type),
		field("size", u64Type),
		field("data-access-timestamp", optionOf(datetimeType)),
		field("data-modification-timestamp", optionOf(datetimeType)),
		field("status-change-timestamp", optionOf(datetimeType)),
	)

	newTimestampType = variantOf(field("no-change", nil), field("now", nil), field("timestamp", datetimeType))

	directoryEntryType = recordOf(field("type", descriptorTypeType), field("name", stringType))

	errorCodeType = enumOf("access", "would-block", "already", "bad-descriptor", "busy", "deadlock", "quota", "exist",
		"file-too-large", "illegal-byte-sequence", "in-progress", "interrupted", "invalid", "io", "is-directory", "loop",
		"too-many-links", "message-size", "name-too-long", "no-device", "no-entry", "no-lock", "insufficient-memory",
		"insufficient-space", "not-directory", "not-empty", "not-recoverable", "unsupported", "no-tty", "no-such-device",
		"overflow", "not-permitted", "pipe", "read-only", "invalid-seek", "text-file-busy", "cross-device")

	adviceType = enumOf("normal", "sequential", "random", "will-need", "dont-need", "no-reuse")

	metadataHashType = recordOf(field("lower", u64Type), field("upper", u64Type))
)

// Parameters that several functions have.
var (
	offsetParam    = field("offset", u64Type)
	pathParam      = field("path", stringType)
	pathFlagsParam = field("path-flags", pathFlagsType)
	timesParams    = []wit.Field{
		field("data-access-timestamp", newTimestampType),
		field("data-modification-timestamp", newTimestampType),
	}
)

func orErrorCode(ok *wit.Type) *wit.Type { return resultOf(ok, errorCodeType) }

// typeName is the descriptor-type of a kind of node.
func (k nodeKind) typeName() ipld.Value {
	switch k {
	case directory:
		return ipld.String("directory")
	case symlink:
		return ipld.String("symbolic-link")
	}
	return ipld.String("regular-file")
}

// stat2 is the descriptor-stat of n.
func (n *node) stat2() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "type", Value: n.kind.typeName()},
		ipld.Entry{Key: "link-count", Value: ipld.Uint(uint64(n.links))},
		ipld.Entry{Key: "size", Value: ipld.Uint(n.size())},
		ipld.Entry{Key: "data-access-timestamp", Value: datetime(n.atim)},
		ipld.Entry{Key: "data-modification-timestamp", Value: datetime(n.mtim)},
		ipld.Entry{Key: "status-change-timestamp", Value: datetime(n.ctim)},
	)
}

// metadataHash is the same for as long as n is there, and differs from that of
// every other node. Programs that need the number of an inode take the lower
// half for it, as preview 1 gives it.
func (n *node) metadataHash() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "lower", Value: ipld.Uint(n.ino)},
		ipld.Entry{Key: "upper", Value: ipld.Uint(0)},
	)
}
