;; The stack. A guest has 256 KiB of it; how many calls fit depends on the frames that a compiler makes, and so on the
;; processor. A guest may count on 1,000 of these, and one that never stops always ends with this trap. Neither the gas nor
;; the outcome of a call that wants more stack than there is, is remembered: its gas is null here.
(component
  (core module $m
    (func $deep (export "deep") (param $n i32) (result i32)
      (if (result i32) (i32.eqz (local.get $n))
        (then (i32.const 0))
        (else (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))))
    ;;= deep(0) = 0
    ;;= deep(1000) = 1000
    ;;= deep(4294967295) = trap stack-overflow
    (func $wide (export "wide") (param $n i32) (param $a i64) (param $b i64) (param $c i64) (param $d i64) (result i64)
      ;; all of these live across the call
      (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
      (i64.add (i64.add (i64.add (local.get $a) (local.get $b)) (i64.add (local.get $c) (local.get $d)))
        (call $wide (i32.sub (local.get $n) (i32.const 1))
          (i64.add (local.get $a) (i64.const 1)) (local.get $a) (local.get $b) (local.get $c))))
    ;;= wide(1000, 1, 1, 1, 1) = 1996010
    ;;= wide(4294967295, 1, 1, 1, 1) = trap stack-overflow
    (func $endless (export "endless") (call $endless))
    ;;= endless() = trap stack-overflow
    ;;= endless() gas 100 = out-of-gas
    (table funcref (elem $through))
    (func $through (export "through") (result i32)
      (i32.add (i32.const 1) (call_indirect (result i32) (i32.const 0))))
    ;;= through() = trap stack-overflow
  )
  (core instance $i (instantiate $m))
  (func (export "deep") (param "n" u32) (result u32) (canon lift (core func $i "deep")))
  (func (export "wide") (param "n" u32) (param "a" u64) (param "b" u64) (param "c" u64) (param "d" u64) (result u64)
    (canon lift (core func $i "wide")))
  (func (export "endless") (canon lift (core func $i "endless")))
  (func (export "through") (result u32) (canon lift (core func $i "through"))))
