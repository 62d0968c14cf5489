package wasi

import "strings"

// absent tells, by package of interfaces, what a function that imports them
// wants to do and cannot.
var absent = map[string]string{
	"wasi:sockets":        "open network connections or look up names",
	"wasi:tls":            "open network connections",
	"wasi:http":           "make or answer HTTP requests",
	"wasi:keyvalue":       "read or change a key-value store",
	"wasi:blobstore":      "read or change a blob store",
	"wasi:messaging":      "send or receive messages",
	"wasi:sql":            "query a database",
	"wasi:config":         "read the configuration of the node",
	"wasi:runtime-config": "read the configuration of the node",
	"wasi:nn":             "use a model that the node holds",
	"wasi:webgpu":         "use the graphics processor",
	"wasi:gfx":            "use the graphics processor",
	"wasi:i2c":            "use devices",
	"wasi:gpio":           "use devices",
	"wasi:spi":            "use devices",
	"wasi:usb":            "use devices",
}

// Absent tells, in one sentence, why the function name of the interface iface,
// named without its version, is not offered and what to do instead. It is known
// for the interfaces of WASI that are contact with the world, and for the
// functions on sockets that some have added to preview 1.
func Absent(iface, name string) (reason string, ok bool) {
	pkg, _, _ := strings.Cut(iface, "/")
	what, ok := absent[pkg]
	if strings.HasPrefix(name, "sock_") && (iface == snapshot1 || iface == snapshot0) {
		pkg, what, ok = iface+"#"+name, absent["wasi:sockets"], true
	}
	if !ok {
		return "", false
	}
	return "a function can not " + what + " (" + pkg + "): that is an effect, which the workflow declares as a job of its own, and the function takes that job's result as an argument", true
}
