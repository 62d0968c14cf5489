;; Floats as values: what goes in and comes out as an IPLD float. An f32 goes by way of its shortest decimal, so that 0.1 comes
;; back as 0.1; an f64 is as it is; -0 stays; NaN and infinities are no values, and a result that is one fails.
(component
  (core module $m
    (func (export "same-f64") (param f64) (result f64) (local.get 0))
    ;;= same-f64(0.1) = 0.1
    ;;= same-f64(-0.0) = -0.0
    ;;= same-f64(5e-324) = 5e-324 -- the least subnormal
    ;;= same-f64(2.225073858507201e-308) = 2.225073858507201e-308
    ;;= same-f64(1.7976931348623157e308) = 1.7976931348623157e308
    ;;= same-f64(1e23) = 1e23
    ;;= same-f64(-5e-324) = -5e-324
    (func (export "same-f32") (param f32) (result f32) (local.get 0))
    ;;= same-f32(0.5) = 0.5
    ;;= same-f32(-0.0) = -0.0
    ;;= same-f32(16777216.0) = 16777216.0
    ;;= same-f32(0.1) = 0.1
    ;;= same-f32(1e-45) = 1e-45
    ;;= same-f32(3.4028235e38) = 3.4028235e38
    (func (export "f32-of-bits") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))
    ;;= f32-of-bits(0x3dcccccd) = 0.1
    ;;= f32-of-bits(0x1) = 1e-45
    ;;= f32-of-bits(0x80000001) = -1e-45
    ;;= f32-of-bits(0x7fffff) = 1.1754942e-38
    ;;= f32-of-bits(0x7f7fffff) = 3.4028235e38
    ;;= f32-of-bits(0x80000000) = -0.0
    ;;= f32-of-bits(0x4b800000) = 16777216.0
    ;;= f32-of-bits(0x3eaaaaab) = 0.33333334
    ;;= f32-of-bits(0x7fc00000) = type
    ;;= f32-of-bits(0x7f800001) = type
    ;;= f32-of-bits(0xff800000) = type
    (func (export "f64-of-bits") (param i64) (result f64) (f64.reinterpret_i64 (local.get 0)))
    ;;= f64-of-bits(0x3fb999999999999a) = 0.1
    ;;= f64-of-bits(0x1) = 5e-324
    ;;= f64-of-bits(0x8000000000000000) = -0.0
    ;;= f64-of-bits(0x7fefffffffffffff) = 1.7976931348623157e308
    ;;= f64-of-bits(0x3fd5555555555555) = 0.3333333333333333
    ;;= f64-of-bits(0x7ff8000000000000) = type
    ;;= f64-of-bits(0x7ff0000000000000) = type
    (func (export "bits-of-f64") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0)))
    ;;= bits-of-f64(-0.0) = 0x8000000000000000
    ;;= bits-of-f64(0.1) = 0x3fb999999999999a
    ;;= bits-of-f64(5e-324) = 0x1
    ;;= bits-of-f64(2.2250738585072011e-308) = 0xfffffffffffff
    ;;= bits-of-f64(0.0) = 0x0
    (func (export "bits-of-f32") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
    ;;= bits-of-f32(-0.0) = 0x80000000
    ;;= bits-of-f32(0.5) = 0x3f000000
    ;;= bits-of-f32(1e-45) = 0x1
    ;;= bits-of-f32(0.1) = 0x3dcccccd
    ;;= bits-of-f32(0.10000000149011612) = 0x3dcccccd

    ;; rounding, subnormals
    (func (export "add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
    ;;= add(0.1, 0.2) = 0.30000000000000004
    ;;= add(1.0, 1.1102230246251565e-16) = 1.0 -- a tie
    ;;= add(1.0, 1.1102230246251568e-16) = 1.0000000000000002
    ;;= add(1.7976931348623157e308, 1e308) = type
    (func (export "mul") (param f64 f64) (result f64) (f64.mul (local.get 0) (local.get 1)))
    ;;= mul(5e-324, 0.5) = 0.0
    ;;= mul(5e-324, 0.75) = 5e-324
    ;;= mul(-5e-324, 0.25) = -0.0
    ;;= mul(2.2250738585072014e-308, 0.5) = 1.1125369292536007e-308
    (func (export "div") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
    ;;= div(1.0, 3.0) = 0.3333333333333333
    ;;= div(5e-324, 2.0) = 0.0
    ;;= div(1.5e-323, 2.0) = 1e-323
    (func (export "sub") (param f64 f64) (result f64) (f64.sub (local.get 0) (local.get 1)))
    ;;= sub(2.225073858507202e-308, 2.2250738585072014e-308) = 5e-324
    (func (export "sqrt") (param f64) (result f64) (f64.sqrt (local.get 0)))
    ;;= sqrt(2.0) = 1.4142135623730951
    ;;= sqrt(5e-324) = 2.2227587494850775e-162
    (func (export "mul-add") (param f64 f64 f64) (result f64)
      (f64.add (f64.mul (local.get 0) (local.get 1)) (local.get 2)))
    ;;= mul-add(1.0000000000000002, 0.9999999999999998, -1.0) = 0.0 -- two instructions are never made one: that would give -4.930380657631324e-32
    ;;= mul-add(1.1, 1.1, -1.2100000000000002) = 0.0
    (func (export "mul-add-f32") (param i32 i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.add (f32.mul (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1))) (f32.reinterpret_i32 (local.get 2)))))
    ;;= mul-add-f32(0x3f800001, 0x3f7ffffe, 0xbf800000) = 0x0
    (func (export "f32-mul") (param i32 i32) (result i32)
      (i32.reinterpret_f32 (f32.mul (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
    ;;= f32-mul(0x1, 0x3f000000) = 0x0
    ;;= f32-mul(0x1, 0x3f400000) = 0x1
    ;;= f32-mul(0x800000, 0x3f000000) = 0x400000 -- subnormals are not flushed to zero
    ;;= f32-mul(0x7fffff, 0x40000000) = 0xfffffe
  )
  (core instance $i (instantiate $m))
  (func (export "same-f64") (param "a" f64) (result f64) (canon lift (core func $i "same-f64")))
  (func (export "same-f32") (param "a" f32) (result f32) (canon lift (core func $i "same-f32")))
  (func (export "f32-of-bits") (param "a" u32) (result f32) (canon lift (core func $i "f32-of-bits")))
  (func (export "f64-of-bits") (param "a" u64) (result f64) (canon lift (core func $i "f64-of-bits")))
  (func (export "bits-of-f64") (param "a" f64) (result u64) (canon lift (core func $i "bits-of-f64")))
  (func (export "bits-of-f32") (param "a" f32) (result u32) (canon lift (core func $i "bits-of-f32")))
  (func (export "add") (param "a" f64) (param "b" f64) (result f64) (canon lift (core func $i "add")))
  (func (export "mul") (param "a" f64) (param "b" f64) (result f64) (canon lift (core func $i "mul")))
  (func (export "div") (param "a" f64) (param "b" f64) (result f64) (canon lift (core func $i "div")))
  (func (export "sub") (param "a" f64) (param "b" f64) (result f64) (canon lift (core func $i "sub")))
  (func (export "sqrt") (param "a" f64) (result f64) (canon lift (core func $i "sqrt")))
  (func (export "mul-add") (param "a" f64) (param "b" f64) (param "c" f64) (result f64) (canon lift (core func $i "mul-add")))
  (func (export "mul-add-f32") (param "a" u32) (param "b" u32) (param "c" u32) (result u32) (canon lift (core func $i "mul-add-f32")))
  (func (export "f32-mul") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f32-mul"))))
