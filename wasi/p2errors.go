package wasi

// errorCodes are the names, in the error-code of wasi:filesystem/types, of the
// errors that this package gives.
var errorCodes = map[errno]string{
	errAgain:      "would-block",
	errBadF:       "bad-descriptor",
	errBusy:       "busy",
	errExist:      "exist",
	errFBig:       "file-too-large",
	errIlSeq:      "illegal-byte-sequence",
	errInval:      "invalid",
	errIO:         "io",
	errIsDir:      "is-directory",
	errLoop:       "loop",
	errMFile:      "insufficient-memory", // there is no code for too many open files
	errNameLong:   "name-too-long",
	errNoEnt:      "no-entry",
	errNoSpace:    "insufficient-space",
	errNoSys:      "unsupported",
	errNotDir:     "not-directory",
	errNotEmpty:   "not-empty",
	errNotSup:     "unsupported",
	errOverflow:   "overflow",
	errPerm:       "not-permitted",
	errSeekPipe:   "invalid-seek",
	errNotCapable: "not-permitted",
}

// errorCode is the error-code of e. What has none is "io".
func errorCode(e errno) string {
	if code, ok := errorCodes[e]; ok {
		return code
	}
	return "io"
}

// Error is the error-code of e, which makes an errno an error on its way to the
// guest.
func (e errno) Error() string { return errorCode(e) }

// asError is e as an error, nil for success.
func (e errno) asError() error {
	if e == success {
		return nil
	}
	return e
}
