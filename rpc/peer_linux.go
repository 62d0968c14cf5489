package rpc

import "syscall"

// peerUID is the user of the process that connected, or listens, at the other
// end of the unix socket fd.
func peerUID(fd int) (int, error) {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
