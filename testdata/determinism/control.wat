;; The flow of control: br_table, several values from blocks and functions, tail calls, globals, references, typed select.
(component
  (core module $m
    (memory (export "memory") 1)
    (global $counter (mut i64) (i64.const 0))
    (type $count (func (param i32) (result i32)))
    (table funcref (elem $even-indirect $odd-indirect))
    (elem declare func $pair $odd)
    (func $pair (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))
    (func $even (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
      (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
    (func $odd (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
      (return_call $even (i32.sub (local.get 0) (i32.const 1))))
    (func $even-indirect (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
      (return_call_indirect (type $count) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
    (func $odd-indirect (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
      (return_call_indirect (type $count) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
    (func $many (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
      (if (i64.eqz (local.get 0)) (then (return (i64.add (local.get 1) (local.get 9)))))
      (return_call $many (i64.sub (local.get 0) (i64.const 1)) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
        (local.get 6) (local.get 7) (local.get 8) (local.get 9) (i64.add (local.get 1) (local.get 0))))
    (func $step (param i64 i64) (result i64 i64) (local.get 1) (i64.add (local.get 0) (local.get 1)))
    (func (export "branch") (param i32) (result i32)
      (block $d (block $c (block $b (block $a
        (br_table $a $b $c $d (local.get 0)))
        (return (i32.const 10)))
        (return (i32.const 20)))
        (return (i32.const 30)))
      (i32.const 40))
    ;;= branch(0) = 10
    ;;= branch(1) = 20
    ;;= branch(2) = 30
    ;;= branch(3) = 40
    ;;= branch(4) = 40
    ;;= branch(4294967295) = 40 -- the default
    (func (export "branch-with-value") (param i32) (result i32)
      (block $b (result i32)
        (i32.add (i32.const 1)
          (block $a (result i32) (br_table $a $b (i32.const 7) (local.get 0))))))
    ;;= branch-with-value(0) = 8
    ;;= branch-with-value(1) = 7
    ;;= branch-with-value(9) = 7
    (func (export "loop-values") (param i32) (result i64)
      ;; Fibonacci numbers, two values through each turn
      (local $n i32)
      (local.set $n (local.get 0))
      (i64.const 0) (i64.const 1)
      (loop $l (param i64 i64) (result i64 i64)
        (call $step)
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      drop)
    ;;= loop-values(1) = 1
    ;;= loop-values(90) = 2880067194370816120
    ;;= loop-values(93) = 12200160415121876738
    ;;= loop-values(94) = 1293530146158671551 -- modulo 2^64
    (func (export "swap") (param i32 i32) (result i32) (i32.sub (call $pair (local.get 0) (local.get 1))))
    ;;= swap(1, 10) = 9

    ;; tail calls use no stack
    (func (export "is-even") (param i32) (result i32) (return_call $even (local.get 0)))
    ;;= is-even(10) = 1
    ;;= is-even(1000001) = 0
    (func (export "is-even-indirect") (param i32) (result i32)
      (return_call_indirect (type $count) (local.get 0) (i32.const 0)))
    ;;= is-even-indirect(1000000) = 1
    ;;= is-even-indirect(1000000) gas 100000 = out-of-gas
    (func (export "many-arguments") (param i64) (result i64)
      (return_call $many (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9)))
    ;;= many-arguments(0) = 10
    ;;= many-arguments(1) = 4
    ;;= many-arguments(1000) = 112003

    ;; globals, references, select
    (func (export "count") (param i32) (result i64)
      (loop $l
        (global.set $counter (i64.add (global.get $counter) (i64.const 3)))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (global.get $counter))
    ;;= count(1) = 3 -- in a fresh instance each time
    ;;= count(1000) = 3000
    (func (export "null") (param i32) (result i32)
      (ref.is_null (select (result funcref) (ref.null func) (ref.func $odd) (local.get 0))))
    ;;= null(0) = 0
    ;;= null(1) = 1
    (func (export "unreachable") (param i32) (result i32)
      (if (local.get 0) (then unreachable))
      (i32.const 5))
    ;;= unreachable(0) = 5
    ;;= unreachable(1) = trap unreachable
    (func (export "nop") nop)
    ;;= nop() = null
  )
  (core instance $i (instantiate $m))
  (func (export "branch") (param "a" u32) (result u32) (canon lift (core func $i "branch")))
  (func (export "branch-with-value") (param "a" u32) (result u32) (canon lift (core func $i "branch-with-value")))
  (func (export "loop-values") (param "a" u32) (result u64) (canon lift (core func $i "loop-values")))
  (func (export "swap") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "swap")))
  (func (export "is-even") (param "a" u32) (result u32) (canon lift (core func $i "is-even")))
  (func (export "is-even-indirect") (param "a" u32) (result u32) (canon lift (core func $i "is-even-indirect")))
  (func (export "many-arguments") (param "a" u64) (result u64) (canon lift (core func $i "many-arguments")))
  (func (export "count") (param "a" u32) (result u64) (canon lift (core func $i "count")))
  (func (export "null") (param "a" u32) (result u32) (canon lift (core func $i "null")))
  (func (export "unreachable") (param "a" u32) (result u32) (canon lift (core func $i "unreachable")))
  (func (export "nop") (canon lift (core func $i "nop"))))
