;; Wants what no node here offers: files, and a clock.
(component
  (import "wasi:cli/environment@0.2.0" (instance
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (export "resolution" (func (result u64)))))
  (alias export $clock "resolution" (func $f))
  (export "run" (func $f)))
