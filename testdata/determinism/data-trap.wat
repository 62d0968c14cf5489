;; Data that does not fit into the memory: a trap, before anything runs.
(component
  (core module $m
    (memory 1)
    (data (i32.const 65535) "ab")
    (func (export "f") (result i32) (i32.const 1))
    ;;= f() = trap memory-out-of-bounds
  )
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))
