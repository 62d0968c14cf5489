;; Functions that end in every way there is. Each takes one number.
(component
  (core module $program
    (memory (export "memory") 32)
    ;; one more
    (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    ;; x turns of a loop, then x
    (func (export "spin") (param $x i32) (result i32) (local $n i32)
      (local.set $n (local.get $x))
      (block $end (loop $l
        (br_if $end (i32.eqz (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l)))
      (local.get $x))
    (func (export "loop") (param i32) (result i32) (loop $l (br $l)) unreachable)
    (func (export "trap") (param i32) (result i32) unreachable)
    (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
    ;; the error x
    (func (export "fail") (param i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0))
    ;; -1, or how much memory there was before x more pages
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    ;; takes all the memory that it gets, then traps
    (func (export "bomb") (param i32) (result i32)
      (loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
      unreachable)
    ;; x bytes, or x numbers, that are all 7
    (func (export "fill") (param i32) (result i32)
      (memory.fill (i32.const 1024) (i32.const 7) (i32.const 2000000))
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "length") (param i32 i32) (result i32) (local.get 1)))
  (core instance $i (instantiate $program))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "next") (param "x" u32) (result u32) (canon lift (core func $i "next")))
  (func (export "spin") (param "x" u32) (result u32) (canon lift (core func $i "spin")))
  (func (export "loop") (param "x" u32) (result u32) (canon lift (core func $i "loop")))
  (func (export "trap") (param "x" u32) (result u32) (canon lift (core func $i "trap")))
  (func (export "deep") (param "x" u32) (result u32) (canon lift (core func $i "deep")))
  (func (export "fail") (param "x" u32) (result (result u32 (error u32))) (canon lift (core func $i "fail") (memory $mem)))
  (func (export "grow") (param "x" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "bomb") (param "x" u32) (result u32) (canon lift (core func $i "bomb")))
  (func (export "bytes") (param "x" u32) (result (list u8)) (canon lift (core func $i "fill") (memory $mem)))
  (func (export "numbers") (param "x" u32) (result (list u32)) (canon lift (core func $i "fill") (memory $mem)))
  (func (export "length") (param "x" (list u8)) (result u32) (canon lift (core func $i "length") (memory $mem) (realloc $realloc)))
  (func (export "count") (param "x" (list u32)) (result u32) (canon lift (core func $i "length") (memory $mem) (realloc $realloc))))
