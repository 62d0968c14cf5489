package wasi

// errno is what a function of WASI preview 1 answers; its numbers are those of
// the type errno there. The zero errno is success.
type errno uint32

// The errors that this package gives.
const (
	success       errno = 0
	errAgain      errno = 6
	errBadF       errno = 8
	errBusy       errno = 10
	errExist      errno = 20
	errFault      errno = 21
	errFBig       errno = 22
	errIlSeq      errno = 25
	errInval      errno = 28
	errIO         errno = 29
	errIsDir      errno = 31
	errLoop       errno = 32
	errMFile      errno = 33
	errNameLong   errno = 37
	errNoEnt      errno = 44
	errNoSpace    errno = 51
	errNoSys      errno = 52
	errNotDir     errno = 54
	errNotEmpty   errno = 55
	errNotSock    errno = 57
	errNotSup     errno = 58
	errOverflow   errno = 61
	errPerm       errno = 63
	errSeekPipe   errno = 70
	errNotCapable errno = 76
)
