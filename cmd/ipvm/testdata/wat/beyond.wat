;; A component whose function returns text that lies beyond the end of its memory.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 16) "\ff\ff\00\00\02\00\00\00")
    (func (export "f") (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "f") (result string) (canon lift (core func $i "f") (memory $i "memory"))))
