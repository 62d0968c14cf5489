;; Wants what no node here offers: the environment, and a clock.
(component
  (import "wasi:cli/environment@0.2.0" (instance
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (export "resolution" (func (result u64)))))
  (alias export $clock "resolution" (func $f))
  (core func $lowered (canon lower (func $f)))
  (core module $program
    (import "host" "f" (func $f (result i64)))
    (func (export "run") (result i64) (call $f)))
  (core instance $i (instantiate $program (with "host" (instance (export "f" (func $lowered))))))
  (func (export "run") (result u64) (canon lift (core func $i "run"))))
