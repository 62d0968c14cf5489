;; NaN bits of the scalar instructions. Processors disagree on which NaN an operation on NaNs gives: its sign, and whose
;; payload. Here arithmetic gives the canonical NaN, positive with only the first bit of the payload set, whatever goes in.
;; Instructions that only move or change the sign bit keep every bit, also those of a signalling NaN.
;;
;; Floats go in and out as their bits, for a NaN is no IPLD value.
(component
  (core module $m
    (memory 1)
    (global $f64 (mut f64) (f64.const 0))
    (global $f32 (mut f32) (f32.const 0))
    (table funcref (elem $same64))
    (func $same64 (param f64) (result f64) (local.get 0))

    ;; f64: arithmetic
    (func (export "f64-add") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-add(0x7ff0000000000001, 0x0) = 0x7ff8000000000000 -- a signalling NaN
    ;;= f64-add(0x7ff8000000000abc, 0x3ff0000000000000) = 0x7ff8000000000000 -- a payload on the left
    ;;= f64-add(0x3ff0000000000000, 0xfff8000000000def) = 0x7ff8000000000000 -- and on the right
    ;;= f64-add(0x7ff8000000000abc, 0xfff8000000000def) = 0x7ff8000000000000 -- two payloads
    ;;= f64-add(0xfff8000000000def, 0x7ff8000000000abc) = 0x7ff8000000000000
    ;;= f64-add(0xfff4000000000000, 0x7ff8000000000abc) = 0x7ff8000000000000 -- a signalling and a quiet one
    ;;= f64-add(0x7ff8000000000abc, 0xfff4000000000000) = 0x7ff8000000000000
    ;;= f64-add(0x7ff0000000000000, 0xfff0000000000000) = 0x7ff8000000000000 -- a NaN made here: negative on some processors
    ;;= f64-add(0x8000000000000000, 0x0) = 0x0
    ;;= f64-add(0x8000000000000000, 0x8000000000000000) = 0x8000000000000000
    (func (export "f64-sub") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.sub (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-sub(0x7ff0000000000000, 0x7ff0000000000000) = 0x7ff8000000000000
    ;;= f64-sub(0x7ff0000000000001, 0x7ff0000000000001) = 0x7ff8000000000000
    ;;= f64-sub(0xfff8000000000def, 0x3ff0000000000000) = 0x7ff8000000000000
    ;;= f64-sub(0x0, 0x0) = 0x0
    (func (export "f64-mul") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.mul (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-mul(0x7ff0000000000000, 0x0) = 0x7ff8000000000000
    ;;= f64-mul(0x8000000000000000, 0x7ff0000000000000) = 0x7ff8000000000000
    ;;= f64-mul(0xfff4000000000000, 0xfff8000000000def) = 0x7ff8000000000000
    ;;= f64-mul(0xbff0000000000000, 0x0) = 0x8000000000000000
    (func (export "f64-div") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.div (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-div(0x0, 0x0) = 0x7ff8000000000000
    ;;= f64-div(0x7ff0000000000000, 0xfff0000000000000) = 0x7ff8000000000000
    ;;= f64-div(0xfff8000000000def, 0x4000000000000000) = 0x7ff8000000000000
    ;;= f64-div(0xbff0000000000000, 0x0) = 0xfff0000000000000
    (func (export "f64-sqrt") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.sqrt (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-sqrt(0xbff0000000000000) = 0x7ff8000000000000
    ;;= f64-sqrt(0xfff0000000000000) = 0x7ff8000000000000
    ;;= f64-sqrt(0x7ff0000000000001) = 0x7ff8000000000000
    ;;= f64-sqrt(0xfff8000000000def) = 0x7ff8000000000000
    ;;= f64-sqrt(0x8000000000000000) = 0x8000000000000000
    (func (export "f64-min") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.min (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-min(0x7ff8000000000abc, 0x3ff0000000000000) = 0x7ff8000000000000
    ;;= f64-min(0x3ff0000000000000, 0xfff8000000000def) = 0x7ff8000000000000
    ;;= f64-min(0x7ff0000000000001, 0xfff0000000000000) = 0x7ff8000000000000
    ;;= f64-min(0x7ff0000000000000, 0xfff4000000000000) = 0x7ff8000000000000
    ;;= f64-min(0xfff8000000000def, 0x7ff8000000000abc) = 0x7ff8000000000000
    ;;= f64-min(0x0, 0x8000000000000000) = 0x8000000000000000
    ;;= f64-min(0x8000000000000000, 0x0) = 0x8000000000000000
    (func (export "f64-max") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.max (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-max(0x7ff8000000000abc, 0x3ff0000000000000) = 0x7ff8000000000000
    ;;= f64-max(0x3ff0000000000000, 0xfff8000000000def) = 0x7ff8000000000000
    ;;= f64-max(0x7ff0000000000001, 0xfff0000000000000) = 0x7ff8000000000000
    ;;= f64-max(0x7ff0000000000000, 0xfff4000000000000) = 0x7ff8000000000000
    ;;= f64-max(0xfff8000000000def, 0x7ff8000000000abc) = 0x7ff8000000000000
    ;;= f64-max(0x0, 0x8000000000000000) = 0x0
    ;;= f64-max(0x8000000000000000, 0x0) = 0x0
    (func (export "f64-ceil") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.ceil (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-ceil(0x7ff0000000000001) = 0x7ff8000000000000
    ;;= f64-ceil(0xfff8000000000def) = 0x7ff8000000000000
    ;;= f64-ceil(0xbfe0000000000000) = 0x8000000000000000
    (func (export "f64-floor") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.floor (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-floor(0xfff4000000000000) = 0x7ff8000000000000
    ;;= f64-floor(0x8000000000000000) = 0x8000000000000000
    (func (export "f64-trunc") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.trunc (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-trunc(0x7ff0000000000001) = 0x7ff8000000000000
    ;;= f64-trunc(0xfff8000000000def) = 0x7ff8000000000000
    ;;= f64-trunc(0xbfe0000000000000) = 0x8000000000000000
    (func (export "f64-nearest") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.nearest (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-nearest(0xfff4000000000000) = 0x7ff8000000000000
    ;;= f64-nearest(0x7ff8000000000abc) = 0x7ff8000000000000
    ;;= f64-nearest(0x4004000000000000) = 0x4000000000000000 -- ties go to even
    ;;= f64-nearest(0xbfe0000000000000) = 0x8000000000000000

    ;; f64: what keeps the bits
    (func (export "f64-neg") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.neg (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-neg(0x7ff0000000000001) = 0xfff0000000000001
    ;;= f64-neg(0xfff8000000000def) = 0x7ff8000000000def
    ;;= f64-neg(0x7ff8000000000000) = 0xfff8000000000000
    (func (export "f64-abs") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.abs (f64.reinterpret_i64 (local.get 0)))))
    ;;= f64-abs(0xfff4000000000000) = 0x7ff4000000000000
    ;;= f64-abs(0xfff8000000000def) = 0x7ff8000000000def
    (func (export "f64-copysign") (param i64 i64) (result i64)
      (i64.reinterpret_f64 (f64.copysign (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)))))
    ;;= f64-copysign(0x7ff0000000000001, 0xbff0000000000000) = 0xfff0000000000001
    ;;= f64-copysign(0xfff8000000000def, 0x3ff0000000000000) = 0x7ff8000000000def
    ;;= f64-copysign(0x3ff0000000000000, 0xfff8000000000def) = 0xbff0000000000000 -- the sign of a NaN is one
    (func (export "f64-moves") (param i64) (result i64)
      (local $x f64)
      (global.set $f64 (f64.reinterpret_i64 (local.get 0)))
      (f64.store (i32.const 1) (global.get $f64))
      (local.set $x (select (f64.load (i32.const 1)) (f64.const 1) (i32.const 1)))
      (i64.reinterpret_f64 (call_indirect (param f64) (result f64) (local.get $x) (i32.const 0))))
    ;;= f64-moves(0x7ff0000000000001) = 0x7ff0000000000001
    ;;= f64-moves(0xfff4000000000000) = 0xfff4000000000000
    ;;= f64-moves(0xfff8000000000def) = 0xfff8000000000def

    ;; f32: arithmetic
    (func (export "f32-add") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-add(0x7f800001, 0x0) = 0x7fc00000 -- a signalling NaN
    ;;= f32-add(0x7fc00abc, 0x3f800000) = 0x7fc00000 -- a payload on the left
    ;;= f32-add(0x3f800000, 0xffc00def) = 0x7fc00000 -- and on the right
    ;;= f32-add(0x7fc00abc, 0xffc00def) = 0x7fc00000 -- two payloads
    ;;= f32-add(0xffc00def, 0x7fc00abc) = 0x7fc00000
    ;;= f32-add(0xffa00000, 0x7fc00abc) = 0x7fc00000 -- a signalling and a quiet one
    ;;= f32-add(0x7fc00abc, 0xffa00000) = 0x7fc00000
    ;;= f32-add(0x7f800000, 0xff800000) = 0x7fc00000 -- a NaN made here: negative on some processors
    ;;= f32-add(0x80000000, 0x0) = 0x0
    ;;= f32-add(0x80000000, 0x80000000) = 0x80000000
    (func (export "f32-sub") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.sub (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-sub(0x7f800000, 0x7f800000) = 0x7fc00000
    ;;= f32-sub(0x7f800001, 0x7f800001) = 0x7fc00000
    ;;= f32-sub(0xffc00def, 0x3f800000) = 0x7fc00000
    ;;= f32-sub(0x0, 0x0) = 0x0
    (func (export "f32-mul") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.mul (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-mul(0x7f800000, 0x0) = 0x7fc00000
    ;;= f32-mul(0x80000000, 0x7f800000) = 0x7fc00000
    ;;= f32-mul(0xffa00000, 0xffc00def) = 0x7fc00000
    ;;= f32-mul(0xbf800000, 0x0) = 0x80000000
    (func (export "f32-div") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.div (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-div(0x0, 0x0) = 0x7fc00000
    ;;= f32-div(0x7f800000, 0xff800000) = 0x7fc00000
    ;;= f32-div(0xffc00def, 0x40000000) = 0x7fc00000
    ;;= f32-div(0xbf800000, 0x0) = 0xff800000
    (func (export "f32-sqrt") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.sqrt (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-sqrt(0xbf800000) = 0x7fc00000
    ;;= f32-sqrt(0xff800000) = 0x7fc00000
    ;;= f32-sqrt(0x7f800001) = 0x7fc00000
    ;;= f32-sqrt(0xffc00def) = 0x7fc00000
    ;;= f32-sqrt(0x80000000) = 0x80000000
    (func (export "f32-min") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.min (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-min(0x7fc00abc, 0x3f800000) = 0x7fc00000
    ;;= f32-min(0x3f800000, 0xffc00def) = 0x7fc00000
    ;;= f32-min(0x7f800001, 0xff800000) = 0x7fc00000
    ;;= f32-min(0x7f800000, 0xffa00000) = 0x7fc00000
    ;;= f32-min(0xffc00def, 0x7fc00abc) = 0x7fc00000
    ;;= f32-min(0x0, 0x80000000) = 0x80000000
    ;;= f32-min(0x80000000, 0x0) = 0x80000000
    (func (export "f32-max") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.max (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-max(0x7fc00abc, 0x3f800000) = 0x7fc00000
    ;;= f32-max(0x3f800000, 0xffc00def) = 0x7fc00000
    ;;= f32-max(0x7f800001, 0xff800000) = 0x7fc00000
    ;;= f32-max(0x7f800000, 0xffa00000) = 0x7fc00000
    ;;= f32-max(0xffc00def, 0x7fc00abc) = 0x7fc00000
    ;;= f32-max(0x0, 0x80000000) = 0x0
    ;;= f32-max(0x80000000, 0x0) = 0x0
    (func (export "f32-ceil") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.ceil (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-ceil(0x7f800001) = 0x7fc00000
    ;;= f32-ceil(0xffc00def) = 0x7fc00000
    ;;= f32-ceil(0xbf000000) = 0x80000000
    (func (export "f32-floor") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.floor (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-floor(0xffa00000) = 0x7fc00000
    ;;= f32-floor(0x80000000) = 0x80000000
    (func (export "f32-trunc") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.trunc (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-trunc(0x7f800001) = 0x7fc00000
    ;;= f32-trunc(0xffc00def) = 0x7fc00000
    ;;= f32-trunc(0xbf000000) = 0x80000000
    (func (export "f32-nearest") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.nearest (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-nearest(0xffa00000) = 0x7fc00000
    ;;= f32-nearest(0x7fc00abc) = 0x7fc00000
    ;;= f32-nearest(0x40200000) = 0x40000000 -- ties go to even
    ;;= f32-nearest(0xbf000000) = 0x80000000

    ;; f32: what keeps the bits
    (func (export "f32-neg") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.neg (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-neg(0x7f800001) = 0xff800001
    ;;= f32-neg(0xffc00def) = 0x7fc00def
    ;;= f32-neg(0x7fc00000) = 0xffc00000
    (func (export "f32-abs") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.abs (f32.reinterpret_i32 (local.get 0)))))
    ;;= f32-abs(0xffa00000) = 0x7fa00000
    ;;= f32-abs(0xffc00def) = 0x7fc00def
    (func (export "f32-copysign") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.copysign (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-copysign(0x7f800001, 0xbf800000) = 0xff800001
    ;;= f32-copysign(0xffc00def, 0x3f800000) = 0x7fc00def
    ;;= f32-copysign(0x3f800000, 0xffc00def) = 0xbf800000 -- the sign of a NaN is one
    (func (export "f32-moves") (param i32) (result i32)
      (local $x f32)
      (global.set $f32 (f32.reinterpret_i32 (local.get 0)))
      (f32.store (i32.const 1) (global.get $f32))
      (local.set $x (select (f32.load (i32.const 1)) (f32.const 1) (i32.const 1)))
      (i32.reinterpret_f32 (local.get $x)))
    ;;= f32-moves(0x7f800001) = 0x7f800001
    ;;= f32-moves(0xffa00000) = 0xffa00000
    ;;= f32-moves(0xffc00def) = 0xffc00def

    ;; between the two
    (func (export "demote") (param i64) (result i32)
      (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64 (local.get 0)))))
    ;;= demote(0x7ff8000000000abc) = 0x7fc00000
    ;;= demote(0x7ff0000000000001) = 0x7fc00000 -- its payload does not fit
    ;;= demote(0xfff4000000000000) = 0x7fc00000
    ;;= demote(0xfff8000000000def) = 0x7fc00000
    ;;= demote(0xffffffffffffffff) = 0x7fc00000
    ;;= demote(0x7e37e43c8800759c) = 0x7f800000 -- 1e300
    ;;= demote(0x36a0000000000000) = 0x1 -- the least subnormal
    ;;= demote(0x3690000000000000) = 0x0 -- half of it, a tie
    ;;= demote(0xb690000000000001) = 0x80000001 -- a little more
    (func (export "promote") (param i32) (result i64)
      (i64.reinterpret_f64 (f64.promote_f32 (f32.reinterpret_i32 (local.get 0)))))
    ;;= promote(0x7fc00abc) = 0x7ff8000000000000
    ;;= promote(0x7f800001) = 0x7ff8000000000000
    ;;= promote(0xffa00000) = 0x7ff8000000000000
    ;;= promote(0xffffffff) = 0x7ff8000000000000
    ;;= promote(0x1) = 0x36a0000000000000

    ;; known when it is compiled
    (func (export "constant-div") (result i64) (i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0))))
    ;;= constant-div() = 0x7ff8000000000000
    (func (export "constant-add") (result i32)
      (i32.reinterpret_f32 (f32.add (f32.const -nan:0x200001) (f32.const 1))))
    ;;= constant-add() = 0x7fc00000
    (func (export "constant-sqrt") (result i64) (i64.reinterpret_f64 (f64.sqrt (f64.const -4))))
    ;;= constant-sqrt() = 0x7ff8000000000000
    (func (export "constant-demote") (result i32)
      (i32.reinterpret_f32 (f32.demote_f64 (f64.const -nan:0x4000000000001))))
    ;;= constant-demote() = 0x7fc00000
    (func (export "constant-neg") (result i64) (i64.reinterpret_f64 (f64.neg (f64.const nan:0x1))))
    ;;= constant-neg() = 0xfff0000000000001

    ;; comparisons
    (func (export "compare") (param i64 i64) (result i32)
      (local $a f64) (local $b f64)
      (local.set $a (f64.reinterpret_i64 (local.get 0)))
      (local.set $b (f64.reinterpret_i64 (local.get 1)))
      ;; eq ne lt gt le ge, a bit each
      (f64.eq (local.get $a) (local.get $b))
      (i32.shl (f64.ne (local.get $a) (local.get $b)) (i32.const 1)) i32.or
      (i32.shl (f64.lt (local.get $a) (local.get $b)) (i32.const 2)) i32.or
      (i32.shl (f64.gt (local.get $a) (local.get $b)) (i32.const 3)) i32.or
      (i32.shl (f64.le (local.get $a) (local.get $b)) (i32.const 4)) i32.or
      (i32.shl (f64.ge (local.get $a) (local.get $b)) (i32.const 5)) i32.or)
    ;;= compare(0x7ff8000000000000, 0x7ff8000000000000) = 0x2
    ;;= compare(0x7ff0000000000001, 0x0) = 0x2
    ;;= compare(0x0, 0x8000000000000000) = 0x31
    ;;= compare(0xfff0000000000000, 0x1) = 0x16
  )
  (core instance $i (instantiate $m))
  (func (export "f64-add") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-add")))
  (func (export "f64-sub") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-sub")))
  (func (export "f64-mul") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-mul")))
  (func (export "f64-div") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-div")))
  (func (export "f64-sqrt") (param "a" u64) (result u64) (canon lift (core func $i "f64-sqrt")))
  (func (export "f64-min") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-min")))
  (func (export "f64-max") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-max")))
  (func (export "f64-ceil") (param "a" u64) (result u64) (canon lift (core func $i "f64-ceil")))
  (func (export "f64-floor") (param "a" u64) (result u64) (canon lift (core func $i "f64-floor")))
  (func (export "f64-trunc") (param "a" u64) (result u64) (canon lift (core func $i "f64-trunc")))
  (func (export "f64-nearest") (param "a" u64) (result u64) (canon lift (core func $i "f64-nearest")))
  (func (export "f64-neg") (param "a" u64) (result u64) (canon lift (core func $i "f64-neg")))
  (func (export "f64-abs") (param "a" u64) (result u64) (canon lift (core func $i "f64-abs")))
  (func (export "f64-copysign") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "f64-copysign")))
  (func (export "f64-moves") (param "a" u64) (result u64) (canon lift (core func $i "f64-moves")))
  (func (export "f32-add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-add")))
  (func (export "f32-sub") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-sub")))
  (func (export "f32-mul") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-mul")))
  (func (export "f32-div") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-div")))
  (func (export "f32-sqrt") (param "a" u32) (result u32) (canon lift (core func $i "f32-sqrt")))
  (func (export "f32-min") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-min")))
  (func (export "f32-max") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-max")))
  (func (export "f32-ceil") (param "a" u32) (result u32) (canon lift (core func $i "f32-ceil")))
  (func (export "f32-floor") (param "a" u32) (result u32) (canon lift (core func $i "f32-floor")))
  (func (export "f32-trunc") (param "a" u32) (result u32) (canon lift (core func $i "f32-trunc")))
  (func (export "f32-nearest") (param "a" u32) (result u32) (canon lift (core func $i "f32-nearest")))
  (func (export "f32-neg") (param "a" u32) (result u32) (canon lift (core func $i "f32-neg")))
  (func (export "f32-abs") (param "a" u32) (result u32) (canon lift (core func $i "f32-abs")))
  (func (export "f32-copysign") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-copysign")))
  (func (export "f32-moves") (param "a" u32) (result u32) (canon lift (core func $i "f32-moves")))
  (func (export "demote") (param "a" u64) (result u32) (canon lift (core func $i "demote")))
  (func (export "promote") (param "a" u32) (result u64) (canon lift (core func $i "promote")))
  (func (export "constant-div") (result u64) (canon lift (core func $i "constant-div")))
  (func (export "constant-add") (result u32) (canon lift (core func $i "constant-add")))
  (func (export "constant-sqrt") (result u64) (canon lift (core func $i "constant-sqrt")))
  (func (export "constant-demote") (result u32) (canon lift (core func $i "constant-demote")))
  (func (export "constant-neg") (result u64) (canon lift (core func $i "constant-neg")))
  (func (export "compare") (param "a" u64) (param "b" u64) (result u32) (canon lift (core func $i "compare"))))
