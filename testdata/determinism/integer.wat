;; Integers: division and remainder with their traps, shifts and rotations by more than the width, counting of bits, sign
;; extension, wrapping.
(component
  (core module $m

    ;; i32
    (func (export "i32-add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    ;;= i32-add(0xffffffff, 0x1) = 0x0
    ;;= i32-add(0x80000000, 0x80000000) = 0x0
    (func (export "i32-sub") (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
    ;;= i32-sub(0x0, 0x1) = 0xffffffff
    (func (export "i32-mul") (param i32 i32) (result i32) (i32.mul (local.get 0) (local.get 1)))
    ;;= i32-mul(0xffffffff, 0xffffffff) = 0x1
    ;;= i32-mul(0x80000000, 0x80000001) = 0x80000000
    (func (export "i32-div-s") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    ;;= i32-div-s(0xfffffff9, 0x2) = 0xfffffffd
    ;;= i32-div-s(0x80000000, 0x1) = 0x80000000
    ;;= i32-div-s(0x80000000, 0xffffffff) = trap integer-overflow
    ;;= i32-div-s(0x1, 0x0) = trap integer-divide-by-zero
    ;;= i32-div-s(0x80000000, 0x0) = trap integer-divide-by-zero
    (func (export "i32-div-u") (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
    ;;= i32-div-u(0xfffffff9, 0x2) = 0x7ffffffc
    ;;= i32-div-u(0x80000000, 0xffffffff) = 0x0
    ;;= i32-div-u(0x0, 0x0) = trap integer-divide-by-zero
    (func (export "i32-rem-s") (param i32 i32) (result i32) (i32.rem_s (local.get 0) (local.get 1)))
    ;;= i32-rem-s(0xfffffff9, 0x2) = 0xffffffff
    ;;= i32-rem-s(0x7, 0xfffffffe) = 0x1
    ;;= i32-rem-s(0x80000000, 0xffffffff) = 0x0
    ;;= i32-rem-s(0x1, 0x0) = trap integer-divide-by-zero
    (func (export "i32-rem-u") (param i32 i32) (result i32) (i32.rem_u (local.get 0) (local.get 1)))
    ;;= i32-rem-u(0xfffffff9, 0x2) = 0x1
    ;;= i32-rem-u(0x80000000, 0xffffffff) = 0x80000000
    ;;= i32-rem-u(0x1, 0x0) = trap integer-divide-by-zero
    (func (export "i32-shl") (param i32 i32) (result i32) (i32.shl (local.get 0) (local.get 1)))
    ;;= i32-shl(0x1, 0x1f) = 0x80000000
    ;;= i32-shl(0x1, 0x20) = 0x1
    ;;= i32-shl(0x3, 0x21) = 0x6
    ;;= i32-shl(0x1, 0xffffffff) = 0x80000000
    (func (export "i32-shr-s") (param i32 i32) (result i32) (i32.shr_s (local.get 0) (local.get 1)))
    ;;= i32-shr-s(0x80000000, 0x1f) = 0xffffffff
    ;;= i32-shr-s(0x80000000, 0x20) = 0x80000000
    ;;= i32-shr-s(0x80000000, 0x1) = 0xc0000000
    (func (export "i32-shr-u") (param i32 i32) (result i32) (i32.shr_u (local.get 0) (local.get 1)))
    ;;= i32-shr-u(0x80000000, 0x1f) = 0x1
    ;;= i32-shr-u(0x80000000, 0x21) = 0x40000000
    (func (export "i32-rotl") (param i32 i32) (result i32) (i32.rotl (local.get 0) (local.get 1)))
    ;;= i32-rotl(0x80000001, 0x1) = 0x3
    ;;= i32-rotl(0x80000001, 0x20) = 0x80000001
    ;;= i32-rotl(0x12345678, 0x24) = 0x23456781
    (func (export "i32-rotr") (param i32 i32) (result i32) (i32.rotr (local.get 0) (local.get 1)))
    ;;= i32-rotr(0x1, 0x1) = 0x80000000
    ;;= i32-rotr(0x1, 0x22) = 0x40000000
    (func (export "i32-clz") (param i32) (result i32) (i32.clz (local.get 0)))
    ;;= i32-clz(0x0) = 0x20
    ;;= i32-clz(0x1) = 0x1f
    ;;= i32-clz(0x80000000) = 0x0
    (func (export "i32-ctz") (param i32) (result i32) (i32.ctz (local.get 0)))
    ;;= i32-ctz(0x0) = 0x20
    ;;= i32-ctz(0x80000000) = 0x1f
    ;;= i32-ctz(0x1) = 0x0
    (func (export "i32-popcnt") (param i32) (result i32) (i32.popcnt (local.get 0)))
    ;;= i32-popcnt(0x0) = 0x0
    ;;= i32-popcnt(0xffffffff) = 0x20
    ;;= i32-popcnt(0x80000005) = 0x3
    (func (export "i32-extend8-s") (param i32) (result i32) (i32.extend8_s (local.get 0)))
    ;;= i32-extend8-s(0x80) = 0xffffff80
    ;;= i32-extend8-s(0x17f) = 0x7f
    (func (export "i32-extend16-s") (param i32) (result i32) (i32.extend16_s (local.get 0)))
    ;;= i32-extend16-s(0x8000) = 0xffff8000
    ;;= i32-extend16-s(0x17fff) = 0x7fff

    ;; i64
    (func (export "i64-add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
    ;;= i64-add(0xffffffffffffffff, 0x1) = 0x0
    ;;= i64-add(0x8000000000000000, 0x8000000000000000) = 0x0
    (func (export "i64-sub") (param i64 i64) (result i64) (i64.sub (local.get 0) (local.get 1)))
    ;;= i64-sub(0x0, 0x1) = 0xffffffffffffffff
    (func (export "i64-mul") (param i64 i64) (result i64) (i64.mul (local.get 0) (local.get 1)))
    ;;= i64-mul(0xffffffffffffffff, 0xffffffffffffffff) = 0x1
    ;;= i64-mul(0x8000000000000000, 0x8000000000000001) = 0x8000000000000000
    (func (export "i64-div-s") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1)))
    ;;= i64-div-s(0xfffffffffffffff9, 0x2) = 0xfffffffffffffffd
    ;;= i64-div-s(0x8000000000000000, 0x1) = 0x8000000000000000
    ;;= i64-div-s(0x8000000000000000, 0xffffffffffffffff) = trap integer-overflow
    ;;= i64-div-s(0x1, 0x0) = trap integer-divide-by-zero
    ;;= i64-div-s(0x8000000000000000, 0x0) = trap integer-divide-by-zero
    (func (export "i64-div-u") (param i64 i64) (result i64) (i64.div_u (local.get 0) (local.get 1)))
    ;;= i64-div-u(0xfffffffffffffff9, 0x2) = 0x7ffffffffffffffc
    ;;= i64-div-u(0x8000000000000000, 0xffffffffffffffff) = 0x0
    ;;= i64-div-u(0x0, 0x0) = trap integer-divide-by-zero
    (func (export "i64-rem-s") (param i64 i64) (result i64) (i64.rem_s (local.get 0) (local.get 1)))
    ;;= i64-rem-s(0xfffffffffffffff9, 0x2) = 0xffffffffffffffff
    ;;= i64-rem-s(0x7, 0xfffffffffffffffe) = 0x1
    ;;= i64-rem-s(0x8000000000000000, 0xffffffffffffffff) = 0x0
    ;;= i64-rem-s(0x1, 0x0) = trap integer-divide-by-zero
    (func (export "i64-rem-u") (param i64 i64) (result i64) (i64.rem_u (local.get 0) (local.get 1)))
    ;;= i64-rem-u(0xfffffffffffffff9, 0x2) = 0x1
    ;;= i64-rem-u(0x8000000000000000, 0xffffffffffffffff) = 0x8000000000000000
    ;;= i64-rem-u(0x1, 0x0) = trap integer-divide-by-zero
    (func (export "i64-shl") (param i64 i64) (result i64) (i64.shl (local.get 0) (local.get 1)))
    ;;= i64-shl(0x1, 0x3f) = 0x8000000000000000
    ;;= i64-shl(0x1, 0x40) = 0x1
    ;;= i64-shl(0x3, 0x41) = 0x6
    ;;= i64-shl(0x1, 0xffffffffffffffff) = 0x8000000000000000
    (func (export "i64-shr-s") (param i64 i64) (result i64) (i64.shr_s (local.get 0) (local.get 1)))
    ;;= i64-shr-s(0x8000000000000000, 0x3f) = 0xffffffffffffffff
    ;;= i64-shr-s(0x8000000000000000, 0x40) = 0x8000000000000000
    ;;= i64-shr-s(0x8000000000000000, 0x1) = 0xc000000000000000
    (func (export "i64-shr-u") (param i64 i64) (result i64) (i64.shr_u (local.get 0) (local.get 1)))
    ;;= i64-shr-u(0x8000000000000000, 0x3f) = 0x1
    ;;= i64-shr-u(0x8000000000000000, 0x41) = 0x4000000000000000
    (func (export "i64-rotl") (param i64 i64) (result i64) (i64.rotl (local.get 0) (local.get 1)))
    ;;= i64-rotl(0x8000000000000001, 0x1) = 0x3
    ;;= i64-rotl(0x8000000000000001, 0x40) = 0x8000000000000001
    ;;= i64-rotl(0x12345678, 0x44) = 0x123456780
    (func (export "i64-rotr") (param i64 i64) (result i64) (i64.rotr (local.get 0) (local.get 1)))
    ;;= i64-rotr(0x1, 0x1) = 0x8000000000000000
    ;;= i64-rotr(0x1, 0x42) = 0x4000000000000000
    (func (export "i64-clz") (param i64) (result i64) (i64.clz (local.get 0)))
    ;;= i64-clz(0x0) = 0x40
    ;;= i64-clz(0x1) = 0x3f
    ;;= i64-clz(0x8000000000000000) = 0x0
    (func (export "i64-ctz") (param i64) (result i64) (i64.ctz (local.get 0)))
    ;;= i64-ctz(0x0) = 0x40
    ;;= i64-ctz(0x8000000000000000) = 0x3f
    ;;= i64-ctz(0x1) = 0x0
    (func (export "i64-popcnt") (param i64) (result i64) (i64.popcnt (local.get 0)))
    ;;= i64-popcnt(0x0) = 0x0
    ;;= i64-popcnt(0xffffffffffffffff) = 0x40
    ;;= i64-popcnt(0x8000000000000005) = 0x3
    (func (export "i64-extend8-s") (param i64) (result i64) (i64.extend8_s (local.get 0)))
    ;;= i64-extend8-s(0x80) = 0xffffffffffffff80
    ;;= i64-extend8-s(0x17f) = 0x7f
    (func (export "i64-extend16-s") (param i64) (result i64) (i64.extend16_s (local.get 0)))
    ;;= i64-extend16-s(0x8000) = 0xffffffffffff8000
    ;;= i64-extend16-s(0x17fff) = 0x7fff
    (func (export "i64-extend32-s") (param i64) (result i64) (i64.extend32_s (local.get 0)))
    ;;= i64-extend32-s(0x80000000) = 0xffffffff80000000
    ;;= i64-extend32-s(0x17fffffff) = 0x7fffffff

    ;; between the two
    (func (export "wrap") (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
    ;;= wrap(0x123456789abcdef0) = 0x9abcdef0
    (func (export "extend-s") (param i32) (result i64) (i64.extend_i32_s (local.get 0)))
    ;;= extend-s(0x80000000) = 0xffffffff80000000
    (func (export "extend-u") (param i32) (result i64) (i64.extend_i32_u (local.get 0)))
    ;;= extend-u(0x80000000) = 0x80000000

    ;; as signed numbers, and at the edge of what IPLD holds
    (func (export "same-s32") (param i32) (result i32) (local.get 0))
    ;;= same-s32(-2147483648) = -2147483648
    ;;= same-s32(2147483648) = type
    (func (export "same-s64") (param i64) (result i64) (local.get 0))
    ;;= same-s64(-9223372036854775808) = -9223372036854775808
    ;;= same-s64(9223372036854775808) = type
    (func (export "same-u64") (param i64) (result i64) (local.get 0))
    ;;= same-u64(18446744073709551615) = 18446744073709551615
    ;;= same-u64(-1) = type
    (func (export "low-s8") (param i32) (result i32) (i32.extend8_s (local.get 0)))
    ;;= low-s8(0x180) = -128
    (func (export "wide-s8") (param i32) (result i32) (local.get 0))
    ;;= wide-s8(0x17f) = 127 -- the upper bits of a narrow result count for nothing
    ;;= wide-s8(0x80) = -128
    (func (export "wide-u8") (param i32) (result i32) (local.get 0))
    ;;= wide-u8(0x1ff) = 255
    (func (export "odd-bool") (param i32) (result i32) (local.get 0))
    ;;= odd-bool(0) = false
    ;;= odd-bool(2) = true -- so do all bits but that it is not 0
    (func (export "char") (param i32) (result i32) (local.get 0))
    ;;= char(0x10ffff) = "\udbff\udfff"
    ;;= char(0xd800) = trap abi
    ;;= char(0x110000) = trap abi
  )
  (core instance $i (instantiate $m))
  (func (export "i32-add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-add")))
  (func (export "i32-sub") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-sub")))
  (func (export "i32-mul") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-mul")))
  (func (export "i32-div-s") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-div-s")))
  (func (export "i32-div-u") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-div-u")))
  (func (export "i32-rem-s") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-rem-s")))
  (func (export "i32-rem-u") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-rem-u")))
  (func (export "i32-shl") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-shl")))
  (func (export "i32-shr-s") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-shr-s")))
  (func (export "i32-shr-u") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-shr-u")))
  (func (export "i32-rotl") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-rotl")))
  (func (export "i32-rotr") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "i32-rotr")))
  (func (export "i32-clz") (param "a" u32) (result u32) (canon lift (core func $i "i32-clz")))
  (func (export "i32-ctz") (param "a" u32) (result u32) (canon lift (core func $i "i32-ctz")))
  (func (export "i32-popcnt") (param "a" u32) (result u32) (canon lift (core func $i "i32-popcnt")))
  (func (export "i32-extend8-s") (param "a" u32) (result u32) (canon lift (core func $i "i32-extend8-s")))
  (func (export "i32-extend16-s") (param "a" u32) (result u32) (canon lift (core func $i "i32-extend16-s")))
  (func (export "i64-add") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-add")))
  (func (export "i64-sub") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-sub")))
  (func (export "i64-mul") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-mul")))
  (func (export "i64-div-s") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-div-s")))
  (func (export "i64-div-u") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-div-u")))
  (func (export "i64-rem-s") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-rem-s")))
  (func (export "i64-rem-u") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-rem-u")))
  (func (export "i64-shl") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-shl")))
  (func (export "i64-shr-s") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-shr-s")))
  (func (export "i64-shr-u") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-shr-u")))
  (func (export "i64-rotl") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-rotl")))
  (func (export "i64-rotr") (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "i64-rotr")))
  (func (export "i64-clz") (param "a" u64) (result u64) (canon lift (core func $i "i64-clz")))
  (func (export "i64-ctz") (param "a" u64) (result u64) (canon lift (core func $i "i64-ctz")))
  (func (export "i64-popcnt") (param "a" u64) (result u64) (canon lift (core func $i "i64-popcnt")))
  (func (export "i64-extend8-s") (param "a" u64) (result u64) (canon lift (core func $i "i64-extend8-s")))
  (func (export "i64-extend16-s") (param "a" u64) (result u64) (canon lift (core func $i "i64-extend16-s")))
  (func (export "i64-extend32-s") (param "a" u64) (result u64) (canon lift (core func $i "i64-extend32-s")))
  (func (export "wrap") (param "a" u64) (result u32) (canon lift (core func $i "wrap")))
  (func (export "extend-s") (param "a" u32) (result u64) (canon lift (core func $i "extend-s")))
  (func (export "extend-u") (param "a" u32) (result u64) (canon lift (core func $i "extend-u")))
  (func (export "same-s32") (param "a" s32) (result s32) (canon lift (core func $i "same-s32")))
  (func (export "same-s64") (param "a" s64) (result s64) (canon lift (core func $i "same-s64")))
  (func (export "same-u64") (param "a" u64) (result u64) (canon lift (core func $i "same-u64")))
  (func (export "low-s8") (param "a" u32) (result s8) (canon lift (core func $i "low-s8")))
  (func (export "wide-s8") (param "a" u32) (result s8) (canon lift (core func $i "wide-s8")))
  (func (export "wide-u8") (param "a" u32) (result u8) (canon lift (core func $i "wide-u8")))
  (func (export "odd-bool") (param "a" u32) (result bool) (canon lift (core func $i "odd-bool")))
  (func (export "char") (param "a" u32) (result char) (canon lift (core func $i "char"))))
