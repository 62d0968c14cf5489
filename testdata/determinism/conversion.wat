;; Between floats and integers: truncation that traps, truncation that saturates, and which of two neighbours a large integer
;; becomes. The floats come as their bits.
(component
  (core module $m

    ;; i32 from f32, signed
    (func (export "i32-trunc-f32-s") (param i32) (result i32) (i32.trunc_f32_s (f32.reinterpret_i32 (local.get 0))))
    ;;= i32-trunc-f32-s(0x4effffff) = 0x7fffff80
    ;;= i32-trunc-f32-s(0x4f000000) = trap integer-overflow
    ;;= i32-trunc-f32-s(0xcf000000) = 0x80000000
    ;;= i32-trunc-f32-s(0xcf000001) = trap integer-overflow
    ;;= i32-trunc-f32-s(0x7fc00000) = trap bad-conversion-to-integer
    (func (export "i32-trunc-sat-f32-s") (param i32) (result i32)
      (i32.trunc_sat_f32_s (f32.reinterpret_i32 (local.get 0))))
    ;;= i32-trunc-sat-f32-s(0x4effffff) = 0x7fffff80
    ;;= i32-trunc-sat-f32-s(0x4f000000) = 0x7fffffff
    ;;= i32-trunc-sat-f32-s(0xcf000000) = 0x80000000
    ;;= i32-trunc-sat-f32-s(0xcf000001) = 0x80000000
    ;;= i32-trunc-sat-f32-s(0x7fc00000) = 0x0
    ;;= i32-trunc-sat-f32-s(0xff800001) = 0x0
    ;;= i32-trunc-sat-f32-s(0x7f800000) = 0x7fffffff
    ;;= i32-trunc-sat-f32-s(0xff800000) = 0x80000000
    (func (export "f32-convert-i32-s") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.convert_i32_s (local.get 0))))
    ;;= f32-convert-i32-s(0xffffffff) = 0xbf800000
    ;;= f32-convert-i32-s(0x80000001) = 0xcf000000
    ;;= f32-convert-i32-s(0x1000001) = 0x4b800000

    ;; i32 from f32, unsigned
    (func (export "i32-trunc-f32-u") (param i32) (result i32) (i32.trunc_f32_u (f32.reinterpret_i32 (local.get 0))))
    ;;= i32-trunc-f32-u(0x4f7fffff) = 0xffffff00
    ;;= i32-trunc-f32-u(0x4f800000) = trap integer-overflow
    ;;= i32-trunc-f32-u(0xbf666666) = 0x0
    ;;= i32-trunc-f32-u(0xbf800000) = trap integer-overflow
    ;;= i32-trunc-f32-u(0x7fc00000) = trap bad-conversion-to-integer
    (func (export "i32-trunc-sat-f32-u") (param i32) (result i32)
      (i32.trunc_sat_f32_u (f32.reinterpret_i32 (local.get 0))))
    ;;= i32-trunc-sat-f32-u(0x4f7fffff) = 0xffffff00
    ;;= i32-trunc-sat-f32-u(0x4f800000) = 0xffffffff
    ;;= i32-trunc-sat-f32-u(0xbf666666) = 0x0
    ;;= i32-trunc-sat-f32-u(0xbf800000) = 0x0
    ;;= i32-trunc-sat-f32-u(0x7fc00000) = 0x0
    ;;= i32-trunc-sat-f32-u(0xff800001) = 0x0
    ;;= i32-trunc-sat-f32-u(0x7f800000) = 0xffffffff
    ;;= i32-trunc-sat-f32-u(0xff800000) = 0x0
    (func (export "f32-convert-i32-u") (param i32) (result i32)
      (i32.reinterpret_f32 (f32.convert_i32_u (local.get 0))))
    ;;= f32-convert-i32-u(0xffffffff) = 0x4f800000
    ;;= f32-convert-i32-u(0x80000001) = 0x4f000000
    ;;= f32-convert-i32-u(0x1000001) = 0x4b800000

    ;; i64 from f32, signed
    (func (export "i64-trunc-f32-s") (param i32) (result i64) (i64.trunc_f32_s (f32.reinterpret_i32 (local.get 0))))
    ;;= i64-trunc-f32-s(0x5effffff) = 0x7fffff8000000000
    ;;= i64-trunc-f32-s(0x5f000000) = trap integer-overflow
    ;;= i64-trunc-f32-s(0xdf000000) = 0x8000000000000000
    ;;= i64-trunc-f32-s(0xdf000001) = trap integer-overflow
    ;;= i64-trunc-f32-s(0x7fc00000) = trap bad-conversion-to-integer
    (func (export "i64-trunc-sat-f32-s") (param i32) (result i64)
      (i64.trunc_sat_f32_s (f32.reinterpret_i32 (local.get 0))))
    ;;= i64-trunc-sat-f32-s(0x5effffff) = 0x7fffff8000000000
    ;;= i64-trunc-sat-f32-s(0x5f000000) = 0x7fffffffffffffff
    ;;= i64-trunc-sat-f32-s(0xdf000000) = 0x8000000000000000
    ;;= i64-trunc-sat-f32-s(0xdf000001) = 0x8000000000000000
    ;;= i64-trunc-sat-f32-s(0x7fc00000) = 0x0
    ;;= i64-trunc-sat-f32-s(0xff800001) = 0x0
    ;;= i64-trunc-sat-f32-s(0x7f800000) = 0x7fffffffffffffff
    ;;= i64-trunc-sat-f32-s(0xff800000) = 0x8000000000000000
    (func (export "f32-convert-i64-s") (param i64) (result i32)
      (i32.reinterpret_f32 (f32.convert_i64_s (local.get 0))))
    ;;= f32-convert-i64-s(0xffffffffffffffff) = 0xbf800000
    ;;= f32-convert-i64-s(0x8000000000000001) = 0xdf000000
    ;;= f32-convert-i64-s(0x8000000000000401) = 0xdf000000
    ;;= f32-convert-i64-s(0x8000008000000001) = 0xdeffffff

    ;; i64 from f32, unsigned
    (func (export "i64-trunc-f32-u") (param i32) (result i64) (i64.trunc_f32_u (f32.reinterpret_i32 (local.get 0))))
    ;;= i64-trunc-f32-u(0x5f7fffff) = 0xffffff0000000000
    ;;= i64-trunc-f32-u(0x5f800000) = trap integer-overflow
    ;;= i64-trunc-f32-u(0xbf666666) = 0x0
    ;;= i64-trunc-f32-u(0xbf800000) = trap integer-overflow
    ;;= i64-trunc-f32-u(0x7fc00000) = trap bad-conversion-to-integer
    (func (export "i64-trunc-sat-f32-u") (param i32) (result i64)
      (i64.trunc_sat_f32_u (f32.reinterpret_i32 (local.get 0))))
    ;;= i64-trunc-sat-f32-u(0x5f7fffff) = 0xffffff0000000000
    ;;= i64-trunc-sat-f32-u(0x5f800000) = 0xffffffffffffffff
    ;;= i64-trunc-sat-f32-u(0xbf666666) = 0x0
    ;;= i64-trunc-sat-f32-u(0xbf800000) = 0x0
    ;;= i64-trunc-sat-f32-u(0x7fc00000) = 0x0
    ;;= i64-trunc-sat-f32-u(0xff800001) = 0x0
    ;;= i64-trunc-sat-f32-u(0x7f800000) = 0xffffffffffffffff
    ;;= i64-trunc-sat-f32-u(0xff800000) = 0x0
    (func (export "f32-convert-i64-u") (param i64) (result i32)
      (i32.reinterpret_f32 (f32.convert_i64_u (local.get 0))))
    ;;= f32-convert-i64-u(0xffffffffffffffff) = 0x5f800000
    ;;= f32-convert-i64-u(0x8000000000000001) = 0x5f000000
    ;;= f32-convert-i64-u(0x8000000000000401) = 0x5f000000
    ;;= f32-convert-i64-u(0x8000008000000001) = 0x5f000001

    ;; i32 from f64, signed
    (func (export "i32-trunc-f64-s") (param i64) (result i32) (i32.trunc_f64_s (f64.reinterpret_i64 (local.get 0))))
    ;;= i32-trunc-f64-s(0x41dfffffffffffff) = 0x7fffffff
    ;;= i32-trunc-f64-s(0x41e0000000000000) = trap integer-overflow
    ;;= i32-trunc-f64-s(0xc1e0000000000000) = 0x80000000
    ;;= i32-trunc-f64-s(0xc1e0000000000001) = 0x80000000
    ;;= i32-trunc-f64-s(0x7ff8000000000000) = trap bad-conversion-to-integer
    (func (export "i32-trunc-sat-f64-s") (param i64) (result i32)
      (i32.trunc_sat_f64_s (f64.reinterpret_i64 (local.get 0))))
    ;;= i32-trunc-sat-f64-s(0x41dfffffffffffff) = 0x7fffffff
    ;;= i32-trunc-sat-f64-s(0x41e0000000000000) = 0x7fffffff
    ;;= i32-trunc-sat-f64-s(0xc1e0000000000000) = 0x80000000
    ;;= i32-trunc-sat-f64-s(0xc1e0000000000001) = 0x80000000
    ;;= i32-trunc-sat-f64-s(0x7ff8000000000000) = 0x0
    ;;= i32-trunc-sat-f64-s(0xfff0000000000001) = 0x0
    ;;= i32-trunc-sat-f64-s(0x7ff0000000000000) = 0x7fffffff
    ;;= i32-trunc-sat-f64-s(0xfff0000000000000) = 0x80000000
    (func (export "f64-convert-i32-s") (param i32) (result i64)
      (i64.reinterpret_f64 (f64.convert_i32_s (local.get 0))))
    ;;= f64-convert-i32-s(0xffffffff) = 0xbff0000000000000
    ;;= f64-convert-i32-s(0x80000001) = 0xc1dfffffffc00000
    ;;= f64-convert-i32-s(0x1000001) = 0x4170000010000000

    ;; i32 from f64, unsigned
    (func (export "i32-trunc-f64-u") (param i64) (result i32) (i32.trunc_f64_u (f64.reinterpret_i64 (local.get 0))))
    ;;= i32-trunc-f64-u(0x41efffffffffffff) = 0xffffffff
    ;;= i32-trunc-f64-u(0x41f0000000000000) = trap integer-overflow
    ;;= i32-trunc-f64-u(0xbfeccccccccccccd) = 0x0
    ;;= i32-trunc-f64-u(0xbff0000000000000) = trap integer-overflow
    ;;= i32-trunc-f64-u(0x7ff8000000000000) = trap bad-conversion-to-integer
    (func (export "i32-trunc-sat-f64-u") (param i64) (result i32)
      (i32.trunc_sat_f64_u (f64.reinterpret_i64 (local.get 0))))
    ;;= i32-trunc-sat-f64-u(0x41efffffffffffff) = 0xffffffff
    ;;= i32-trunc-sat-f64-u(0x41f0000000000000) = 0xffffffff
    ;;= i32-trunc-sat-f64-u(0xbfeccccccccccccd) = 0x0
    ;;= i32-trunc-sat-f64-u(0xbff0000000000000) = 0x0
    ;;= i32-trunc-sat-f64-u(0x7ff8000000000000) = 0x0
    ;;= i32-trunc-sat-f64-u(0xfff0000000000001) = 0x0
    ;;= i32-trunc-sat-f64-u(0x7ff0000000000000) = 0xffffffff
    ;;= i32-trunc-sat-f64-u(0xfff0000000000000) = 0x0
    (func (export "f64-convert-i32-u") (param i32) (result i64)
      (i64.reinterpret_f64 (f64.convert_i32_u (local.get 0))))
    ;;= f64-convert-i32-u(0xffffffff) = 0x41efffffffe00000
    ;;= f64-convert-i32-u(0x80000001) = 0x41e0000000200000
    ;;= f64-convert-i32-u(0x1000001) = 0x4170000010000000

    ;; i64 from f64, signed
    (func (export "i64-trunc-f64-s") (param i64) (result i64) (i64.trunc_f64_s (f64.reinterpret_i64 (local.get 0))))
    ;;= i64-trunc-f64-s(0x43dfffffffffffff) = 0x7ffffffffffffc00
    ;;= i64-trunc-f64-s(0x43e0000000000000) = trap integer-overflow
    ;;= i64-trunc-f64-s(0xc3e0000000000000) = 0x8000000000000000
    ;;= i64-trunc-f64-s(0xc3e0000000000001) = trap integer-overflow
    ;;= i64-trunc-f64-s(0x7ff8000000000000) = trap bad-conversion-to-integer
    (func (export "i64-trunc-sat-f64-s") (param i64) (result i64)
      (i64.trunc_sat_f64_s (f64.reinterpret_i64 (local.get 0))))
    ;;= i64-trunc-sat-f64-s(0x43dfffffffffffff) = 0x7ffffffffffffc00
    ;;= i64-trunc-sat-f64-s(0x43e0000000000000) = 0x7fffffffffffffff
    ;;= i64-trunc-sat-f64-s(0xc3e0000000000000) = 0x8000000000000000
    ;;= i64-trunc-sat-f64-s(0xc3e0000000000001) = 0x8000000000000000
    ;;= i64-trunc-sat-f64-s(0x7ff8000000000000) = 0x0
    ;;= i64-trunc-sat-f64-s(0xfff0000000000001) = 0x0
    ;;= i64-trunc-sat-f64-s(0x7ff0000000000000) = 0x7fffffffffffffff
    ;;= i64-trunc-sat-f64-s(0xfff0000000000000) = 0x8000000000000000
    (func (export "f64-convert-i64-s") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.convert_i64_s (local.get 0))))
    ;;= f64-convert-i64-s(0xffffffffffffffff) = 0xbff0000000000000
    ;;= f64-convert-i64-s(0x8000000000000001) = 0xc3e0000000000000
    ;;= f64-convert-i64-s(0x8000000000000401) = 0xc3dfffffffffffff

    ;; i64 from f64, unsigned
    (func (export "i64-trunc-f64-u") (param i64) (result i64) (i64.trunc_f64_u (f64.reinterpret_i64 (local.get 0))))
    ;;= i64-trunc-f64-u(0x43efffffffffffff) = 0xfffffffffffff800
    ;;= i64-trunc-f64-u(0x43f0000000000000) = trap integer-overflow
    ;;= i64-trunc-f64-u(0xbfeccccccccccccd) = 0x0
    ;;= i64-trunc-f64-u(0xbff0000000000000) = trap integer-overflow
    ;;= i64-trunc-f64-u(0x7ff8000000000000) = trap bad-conversion-to-integer
    (func (export "i64-trunc-sat-f64-u") (param i64) (result i64)
      (i64.trunc_sat_f64_u (f64.reinterpret_i64 (local.get 0))))
    ;;= i64-trunc-sat-f64-u(0x43efffffffffffff) = 0xfffffffffffff800
    ;;= i64-trunc-sat-f64-u(0x43f0000000000000) = 0xffffffffffffffff
    ;;= i64-trunc-sat-f64-u(0xbfeccccccccccccd) = 0x0
    ;;= i64-trunc-sat-f64-u(0xbff0000000000000) = 0x0
    ;;= i64-trunc-sat-f64-u(0x7ff8000000000000) = 0x0
    ;;= i64-trunc-sat-f64-u(0xfff0000000000001) = 0x0
    ;;= i64-trunc-sat-f64-u(0x7ff0000000000000) = 0xffffffffffffffff
    ;;= i64-trunc-sat-f64-u(0xfff0000000000000) = 0x0
    (func (export "f64-convert-i64-u") (param i64) (result i64)
      (i64.reinterpret_f64 (f64.convert_i64_u (local.get 0))))
    ;;= f64-convert-i64-u(0xffffffffffffffff) = 0x43f0000000000000
    ;;= f64-convert-i64-u(0x8000000000000001) = 0x43e0000000000000
    ;;= f64-convert-i64-u(0x8000000000000401) = 0x43e0000000000001
  )
  (core instance $i (instantiate $m))
  (func (export "i32-trunc-f32-s") (param "a" u32) (result u32) (canon lift (core func $i "i32-trunc-f32-s")))
  (func (export "i32-trunc-sat-f32-s") (param "a" u32) (result u32) (canon lift (core func $i "i32-trunc-sat-f32-s")))
  (func (export "f32-convert-i32-s") (param "a" u32) (result u32) (canon lift (core func $i "f32-convert-i32-s")))
  (func (export "i32-trunc-f32-u") (param "a" u32) (result u32) (canon lift (core func $i "i32-trunc-f32-u")))
  (func (export "i32-trunc-sat-f32-u") (param "a" u32) (result u32) (canon lift (core func $i "i32-trunc-sat-f32-u")))
  (func (export "f32-convert-i32-u") (param "a" u32) (result u32) (canon lift (core func $i "f32-convert-i32-u")))
  (func (export "i64-trunc-f32-s") (param "a" u32) (result u64) (canon lift (core func $i "i64-trunc-f32-s")))
  (func (export "i64-trunc-sat-f32-s") (param "a" u32) (result u64) (canon lift (core func $i "i64-trunc-sat-f32-s")))
  (func (export "f32-convert-i64-s") (param "a" u64) (result u32) (canon lift (core func $i "f32-convert-i64-s")))
  (func (export "i64-trunc-f32-u") (param "a" u32) (result u64) (canon lift (core func $i "i64-trunc-f32-u")))
  (func (export "i64-trunc-sat-f32-u") (param "a" u32) (result u64) (canon lift (core func $i "i64-trunc-sat-f32-u")))
  (func (export "f32-convert-i64-u") (param "a" u64) (result u32) (canon lift (core func $i "f32-convert-i64-u")))
  (func (export "i32-trunc-f64-s") (param "a" u64) (result u32) (canon lift (core func $i "i32-trunc-f64-s")))
  (func (export "i32-trunc-sat-f64-s") (param "a" u64) (result u32) (canon lift (core func $i "i32-trunc-sat-f64-s")))
  (func (export "f64-convert-i32-s") (param "a" u32) (result u64) (canon lift (core func $i "f64-convert-i32-s")))
  (func (export "i32-trunc-f64-u") (param "a" u64) (result u32) (canon lift (core func $i "i32-trunc-f64-u")))
  (func (export "i32-trunc-sat-f64-u") (param "a" u64) (result u32) (canon lift (core func $i "i32-trunc-sat-f64-u")))
  (func (export "f64-convert-i32-u") (param "a" u32) (result u64) (canon lift (core func $i "f64-convert-i32-u")))
  (func (export "i64-trunc-f64-s") (param "a" u64) (result u64) (canon lift (core func $i "i64-trunc-f64-s")))
  (func (export "i64-trunc-sat-f64-s") (param "a" u64) (result u64) (canon lift (core func $i "i64-trunc-sat-f64-s")))
  (func (export "f64-convert-i64-s") (param "a" u64) (result u64) (canon lift (core func $i "f64-convert-i64-s")))
  (func (export "i64-trunc-f64-u") (param "a" u64) (result u64) (canon lift (core func $i "i64-trunc-f64-u")))
  (func (export "i64-trunc-sat-f64-u") (param "a" u64) (result u64) (canon lift (core func $i "i64-trunc-sat-f64-u")))
  (func (export "f64-convert-i64-u") (param "a" u64) (result u64) (canon lift (core func $i "f64-convert-i64-u"))))
