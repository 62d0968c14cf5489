// Package homestar is responsible for the JSON-RPC that clients of Homestar speak,
// over WebSocket and POST: what the npm package @fission-codes/homestar sends is
// understood, and answered as it expects.
//
// A [Handler] reads documents in the dialect of UCAN Invocation 0.2, has them
// accepted and notifies who asked of what each task came to, once. Everything
// that crosses this door is public and pure: the dialect has no effects and no
// secrets.
package homestar
