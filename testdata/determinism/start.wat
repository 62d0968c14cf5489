;; A start function that does its work: it runs before every call, in a fresh instance.
(component
  (core module $m
    (global $n (mut i32) (i32.const 40))
    (func $start (global.set $n (i32.add (global.get $n) (i32.const 1))))
    (start $start)
    (func (export "next") (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (global.get $n))
    ;;= next() = 42
    ;;= next() gas 1000 = 42 -- a call leaves nothing behind in globals
  )
  (core instance $i (instantiate $m))
  (func (export "next") (result u32) (canon lift (core func $i "next"))))
