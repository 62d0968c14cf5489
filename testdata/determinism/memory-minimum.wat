;; A memory that starts with 64 MiB and one page: under the smallest limit there is, the call fails before it begins.
(component
  (core module $m
    (memory 1025)
    (func (export "last") (result i32) (i32.load8_u (i32.const 0x400ffff)))
    ;;= last() = out-of-memory
    ;;= last() memory 128 MiB = 0
    (func (export "next") (result i32) (i32.load8_u (i32.const 0x4010000)))
    ;;= next() memory 128 MiB = trap memory-out-of-bounds
  )
  (core instance $i (instantiate $m))
  (func (export "last") (result u32) (canon lift (core func $i "last")))
  (func (export "next") (result u32) (canon lift (core func $i "next"))))
