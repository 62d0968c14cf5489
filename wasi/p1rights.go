package wasi

// rights is a set of things that may be done with a descriptor.
type rights uint64

const (
	rightDatasync rights = 1 << iota
	rightRead
	rightSeek // and to tell
	rightSetFlags
	rightSync
	rightTell
	rightWrite
	rightAdvise
	rightAllocate
	rightCreateDirectory
	rightCreateFile
	rightLinkSource
	rightLinkTarget
	rightOpen
	rightReaddir
	rightReadlink
	rightRenameSource
	rightRenameTarget
	rightPathFilestatGet
	rightPathSetSize
	rightPathSetTimes
	rightFilestatGet
	rightSetSize
	rightSetTimes
	rightSymlink
	rightRemoveDirectory
	rightUnlinkFile
	rightPoll
	rightShutdown
	rightAccept

	allRights = rightAccept<<1 - 1
)

// The rights that apply to each kind of descriptor. Those of a stream include
// seeking, so that a program that tries hears that a pipe cannot.
const (
	fileRights = rightDatasync | rightRead | rightSeek | rightSetFlags | rightSync | rightTell | rightWrite | rightAdvise |
		rightAllocate | rightFilestatGet | rightSetSize | rightSetTimes | rightPoll
	directoryRights = rightDatasync | rightSetFlags | rightSync | rightCreateDirectory | rightCreateFile | rightLinkSource |
		rightLinkTarget | rightOpen | rightReaddir | rightReadlink | rightRenameSource | rightRenameTarget |
		rightPathFilestatGet | rightPathSetSize | rightPathSetTimes | rightFilestatGet | rightSetTimes | rightSymlink |
		rightRemoveDirectory | rightUnlinkFile
	streamRights = rightDatasync | rightSeek | rightSetFlags | rightSync | rightTell | rightAdvise | rightAllocate |
		rightFilestatGet | rightSetSize | rightSetTimes | rightPoll
)

// applicable is the rights that apply to a node.
func applicable(n *node) rights {
	if n.kind == directory {
		return directoryRights
	}
	return fileRights
}

// has says whether r includes all of need.
func (r rights) has(need rights) bool {
	if r&rightSeek != 0 {
		r |= rightTell
	}
	return r&need == need
}
