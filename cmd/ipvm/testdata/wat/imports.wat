;; Wants what no node here offers: the network, and a clock of its own.
(component
  (import "wasi:sockets/instance-network@0.2.0" (instance
    (export "network" (type (sub resource)))))
  (import "example:clocks/sundial" (instance $clock
    (export "hour" (func (result u64)))))
  (alias export $clock "hour" (func $f))
  (core func $lowered (canon lower (func $f)))
  (core module $program
    (import "host" "f" (func $f (result i64)))
    (func (export "run") (result i64) (call $f)))
  (core instance $i (instantiate $program (with "host" (instance (export "f" (func $lowered))))))
  (func (export "run") (result u64) (canon lift (core func $i "run"))))
