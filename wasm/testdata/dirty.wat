;; Leaves its memories and tables full: what another call gets must be empty all the same.
(component
  (core module $m
    (memory 32)
    (table $a 16384 funcref)
    (table $b 16384 funcref)
    (elem declare func $dirty)
    (func $dirty (export "dirty")
      (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 0x200000))
      (memory.fill (i32.mul (memory.grow (i32.const 8)) (i32.const 0x10000)) (i32.const 0xfe) (i32.const 0x80000))
      (table.fill $a (i32.const 0) (ref.func $dirty) (i32.const 16384))
      (drop (table.grow $a (ref.func $dirty) (i32.const 1000)))
      (table.fill $b (i32.const 0) (ref.func $dirty) (i32.const 16384))))
  (core instance $first (instantiate $m))
  (core instance $second (instantiate $m))
  (core module $both
    (import "first" "dirty" (func $first))
    (import "second" "dirty" (func $second))
    (func (export "dirty") (call $first) (call $second)))
  (core instance $i (instantiate $both (with "first" (instance $first)) (with "second" (instance $second))))
  (func (export "dirty") (canon lift (core func $i "dirty"))))
