;; Gas: the same to the unit everywhere. It is counted at the entry of a function and at each turn of a loop, for the
;; instructions up to there; bulk operations count as one instruction, whatever their length. A call that ends with none left
;; is out of gas, even if it returned.
;;
;; What a trap has used is known up to the last call, return or unreachable before it: less than what was counted against the
;; limit.
(component
  (core module $m
    (memory 16)
    (func $empty)
    (func (export "spin") (param i32) (result i32)
      (local $n i32)
      (block $end (loop $l
        (br_if $end (i32.ge_u (local.get $n) (local.get 0)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $l)))
      (local.get $n))
    ;;= spin(0) = 0
    ;;= spin(1) = 1
    ;;= spin(1000000) = 1000000
    ;;= spin(1000) gas 1 = out-of-gas
    ;;= spin(1000) gas 0 = out-of-gas
    (func (export "nothing") (result i32) (i32.const 0))
    ;;= nothing() = 0
    ;;= nothing() gas 1 = out-of-gas
    ;;= nothing() gas 2 = out-of-gas
    ;;= nothing() gas 3 = 0
    (func (export "calls") (param i32) (result i32)
      (loop $l
        (call $empty)
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (local.get 0))
    ;;= calls(1) = 0
    ;;= calls(1000) = 0
    (func (export "fill") (param i32) (result i32)
      (memory.fill (i32.const 0) (i32.const 1) (local.get 0))
      (i32.const 0))
    ;;= fill(1) = 0
    ;;= fill(1000000) = 0 -- as much as for one byte
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    ;;= grow(0) = 16
    ;;= grow(100) = 16
    ;;= grow(100000) = -1 -- and as much when it is refused
    (func (export "branches") (param i32) (result i32)
      (if (i32.and (local.get 0) (i32.const 1))
        (then (drop (i32.add (i32.const 1) (i32.mul (i32.const 2) (i32.const 3)))))
        (else nop nop nop))
      (i32.const 0))
    ;;= branches(0) = 0
    ;;= branches(1) = 0
    (func (export "trap-late") (param i32) (result i32)
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      unreachable)
    ;;= trap-late(1) = trap unreachable
    ;;= trap-late(1000) = trap unreachable -- a trap has used gas too
    (func (export "trap-inside") (param i32) (result i32)
      (loop $l
        (drop (i32.div_u (i32.const 1) (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (br $l))
      unreachable)
    ;;= trap-inside(1) = trap integer-divide-by-zero
    ;;= trap-inside(1000) = trap integer-divide-by-zero -- the turns since the last call are not in its gas
    ;;= trap-inside(1000) gas 1000 = out-of-gas -- though they count against the limit
    (func (export "load-inside") (param i32) (result i32)
      (loop $l
        (drop (i32.load (local.get 0)))
        (local.set 0 (i32.add (local.get 0) (i32.const 65536)))
        (br $l))
      unreachable)
    ;;= load-inside(0) = trap memory-out-of-bounds
  )
  (core instance $i (instantiate $m))
  (func (export "spin") (param "a" u32) (result u32) (canon lift (core func $i "spin")))
  (func (export "nothing") (result u32) (canon lift (core func $i "nothing")))
  (func (export "calls") (param "a" u32) (result u32) (canon lift (core func $i "calls")))
  (func (export "fill") (param "a" u32) (result u32) (canon lift (core func $i "fill")))
  (func (export "grow") (param "a" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "branches") (param "a" u32) (result u32) (canon lift (core func $i "branches")))
  (func (export "trap-late") (param "a" u32) (result u32) (canon lift (core func $i "trap-late")))
  (func (export "trap-inside") (param "a" u32) (result u32) (canon lift (core func $i "trap-inside")))
  (func (export "load-inside") (param "a" u32) (result u32) (canon lift (core func $i "load-inside"))))
