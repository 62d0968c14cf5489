;; Tables of functions: growth up to the limit of 65,536 elements, which is a constant of the schedule; that new elements are
;; null whatever ran before; bulk operations; and the traps of calls through a table.
(component
  (core module $m
    (type $number (func (result i32)))
    (table $t 10 funcref)
    (table $other 4 funcref)
    (elem $three funcref (ref.func $one) (ref.func $two) (ref.null func))
    (elem (table $other) (i32.const 0) func $one $two $one $wide)
    (elem declare func $one)
    (func $one (result i32) (i32.const 1))
    (func $two (result i32) (i32.const 2))
    (func $wide (result i64) (i64.const 3))
    (func $nulls (param $from i32) (param $to i32) (result i32) (local $n i32)
      ;; how many of the elements from $from to $to are not null
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $n (i32.add (local.get $n) (i32.eqz (ref.is_null (table.get $t (local.get $from))))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next)))
      (local.get $n))
    (func $digit (param $i i32) (result i32)
      ;; what the function there returns, 0 for null
      (if (result i32) (ref.is_null (table.get $t (local.get $i)))
        (then (i32.const 0))
        (else (call_indirect $t (type $number) (local.get $i)))))
    (func $digits (result i32)
      ;; of the first five, as decimal digits
      (i32.mul (call $digit (i32.const 0)) (i32.const 10000))
      (i32.mul (call $digit (i32.const 1)) (i32.const 1000)) i32.add
      (i32.mul (call $digit (i32.const 2)) (i32.const 100)) i32.add
      (i32.mul (call $digit (i32.const 3)) (i32.const 10)) i32.add
      (call $digit (i32.const 4)) i32.add)

    ;; growth
    (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
    ;;= grow(0) = 10
    ;;= grow(65526) = 10
    ;;= grow(65527) = -1
    ;;= grow(4294967295) = -1
    ;;= grow(65526) memory 2048 MiB = 10 -- a limit of memory does not count
    ;;= grow(65527) memory 2048 MiB = -1
    (func (export "grow-both") (param i32 i32) (result i32)
      (drop (table.grow $t (ref.null func) (local.get 0)))
      (table.grow $other (ref.null func) (local.get 1)))
    ;;= grow-both(65526, 65532) = 4 -- the limit is for each table
    ;;= grow-both(65526, 65533) = -1
    (func (export "grown") (param i32) (result i32)
      (drop (table.grow $t (ref.func $one) (local.get 0)))
      (call $nulls (i32.const 0) (table.size $t)))
    ;;= grown(0) = 0
    ;;= grown(1000) = 1000
    ;;= grown(70000) = 0

    ;; what another call left behind
    (func (export "dirty") (result i32)
      (drop (table.grow $t (ref.func $one) (i32.const 20000)))
      (table.fill $t (i32.const 0) (ref.func $one) (i32.const 10))
      (call $nulls (i32.const 0) (table.size $t)))
    ;;= dirty() = 20010
    (func (export "clean") (result i32)
      (drop (table.grow $t (ref.null func) (i32.const 20000)))
      (call $nulls (i32.const 0) (table.size $t)))
    ;;= clean() = 0

    ;; bulk operations
    (func (export "init") (param i32 i32 i32) (result i32)
      (table.init $t $three (local.get 0) (local.get 1) (local.get 2))
      (call $digits))
    ;;= init(0, 0, 3) = 12000
    ;;= init(1, 1, 1) = 2000
    ;;= init(0, 2, 2) = trap table-out-of-bounds
    ;;= init(9, 0, 2) = trap table-out-of-bounds
    ;;= init(10, 3, 0) = 0
    (func (export "init-dropped") (param i32) (result i32)
      (elem.drop $three)
      (table.init $t $three (i32.const 0) (i32.const 0) (local.get 0))
      (call $digits))
    ;;= init-dropped(0) = 0
    ;;= init-dropped(1) = trap table-out-of-bounds
    (func (export "copy") (param i32 i32 i32) (result i32)
      (table.init $t $three (i32.const 0) (i32.const 0) (i32.const 3))
      (table.copy $t $t (local.get 0) (local.get 1) (local.get 2))
      (call $digits))
    ;;= copy(1, 0, 3) = 11200 -- they overlap
    ;;= copy(0, 1, 3) = 20000
    ;;= copy(3, 0, 2) = 12012
    ;;= copy(8, 0, 3) = trap table-out-of-bounds
    ;;= copy(10, 10, 0) = 12000
    (func (export "copy-other") (param i32 i32 i32) (result i32)
      (table.copy $t $other (local.get 0) (local.get 1) (local.get 2))
      (call $digits))
    ;;= copy-other(1, 0, 3) = 1210
    ;;= copy-other(0, 2, 3) = trap table-out-of-bounds
    (func (export "fill") (param i32 i32) (result i32)
      (table.fill $t (local.get 0) (ref.func $two) (local.get 1))
      (call $digits))
    ;;= fill(1, 3) = 2220
    ;;= fill(9, 2) = trap table-out-of-bounds
    (func (export "set") (param i32) (result i32)
      (table.set $t (local.get 0) (table.get $other (i32.const 1)))
      (call $digits))
    ;;= set(4) = 2
    ;;= set(10) = trap table-out-of-bounds

    ;; calls
    (func (export "call") (param i32) (result i32) (call_indirect $other (type $number) (local.get 0)))
    ;;= call(1) = 2
    ;;= call(3) = trap indirect-call-type
    ;;= call(4) = trap table-out-of-bounds
    ;;= call(4294967295) = trap table-out-of-bounds
    (func (export "call-null") (param i32) (result i32) (call_indirect $t (type $number) (local.get 0)))
    ;;= call-null(0) = trap indirect-call-null
    ;;= call-null(10) = trap table-out-of-bounds
  )
  (core instance $i (instantiate $m))
  (func (export "grow") (param "a" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "grow-both") (param "a" u32) (param "b" u32) (result s32) (canon lift (core func $i "grow-both")))
  (func (export "grown") (param "a" u32) (result u32) (canon lift (core func $i "grown")))
  (func (export "dirty") (result u32) (canon lift (core func $i "dirty")))
  (func (export "clean") (result u32) (canon lift (core func $i "clean")))
  (func (export "init") (param "a" u32) (param "b" u32) (param "c" u32) (result u32) (canon lift (core func $i "init")))
  (func (export "init-dropped") (param "a" u32) (result u32) (canon lift (core func $i "init-dropped")))
  (func (export "copy") (param "a" u32) (param "b" u32) (param "c" u32) (result u32) (canon lift (core func $i "copy")))
  (func (export "copy-other") (param "a" u32) (param "b" u32) (param "c" u32) (result u32) (canon lift (core func $i "copy-other")))
  (func (export "fill") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "fill")))
  (func (export "set") (param "a" u32) (result u32) (canon lift (core func $i "set")))
  (func (export "call") (param "a" u32) (result u32) (canon lift (core func $i "call")))
  (func (export "call-null") (param "a" u32) (result u32) (canon lift (core func $i "call-null"))))
