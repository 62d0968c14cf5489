;; Linear memory: what memory.grow answers under a limit, that new memory is zero whatever ran before, bulk operations,
;; accesses that are not aligned, and the bounds.
;;
;; A limit of memory is part of the question: the same call under two limits may have two answers.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 256) "\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f")
    (data $passive "abcdefghijklmnop")
    (func $words (param $from i32) (param $to i32) (result i32) (local $n i32)
      ;; how many words from $from to $to are not zero
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $n (i32.add (local.get $n) (i64.ne (i64.load (local.get $from)) (i64.const 0))))
        (local.set $from (i32.add (local.get $from) (i32.const 8)))
        (br $next)))
      (local.get $n))
    ;; A vector comes as two numbers, the low half first, and goes by way of address 0.
    (func $v (param $low i64) (param $high i64) (result v128)
      (i64x2.replace_lane 1 (i64x2.splat (local.get $low)) (local.get $high)))
    (func $out (param v128) (result i32) (v128.store (i32.const 0) (local.get 0)) (i32.const 0))

    ;; growth
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    ;;= grow(0) = 1
    ;;= grow(1) = 1
    ;;= grow(1023) = 1 -- 64 MiB in all
    ;;= grow(1024) = -1
    ;;= grow(65536) = -1
    ;;= grow(4294967295) = -1
    ;;= grow(1023) memory 128 MiB = 1
    ;;= grow(1024) memory 128 MiB = 1 -- refused under 64 MiB
    ;;= grow(2047) memory 128 MiB = 1
    ;;= grow(2048) memory 128 MiB = -1
    ;;= grow(16383) memory 1024 MiB = 1
    ;;= grow(16384) memory 1024 MiB = -1
    ;;= grow(16384) memory 2048 MiB = 1
    ;;= grow(32768) memory 2048 MiB = -1
    ;;= grow(65535) memory 4096 MiB = 1
    ;;= grow(65536) memory 4096 MiB = -1
    (func (export "grow-twice") (param i32 i32) (result i32)
      ;; both answers, if small, and the size at the end
      (i32.shl (memory.grow (local.get 0)) (i32.const 24))
      (i32.shl (i32.and (memory.grow (local.get 1)) (i32.const 0xff)) (i32.const 16)) i32.or
      memory.size i32.or)
    ;;= grow-twice(3, 4) = 0x1040008
    ;;= grow-twice(2000, 5) = 0xff010006 -- after a refusal a smaller step is granted
    ;;= grow-twice(1023, 1) = 0x1ff0400
    (func (export "steps") (param i32) (result i32)
      (local $n i32)
      (loop $more
        (if (i32.ne (memory.grow (local.get 0)) (i32.const -1))
          (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $more))))
      (local.get $n))
    ;;= steps(1) = 1023
    ;;= steps(16) = 63
    ;;= steps(100) = 10
    ;;= steps(1024) = 0
    ;;= steps(1) memory 128 MiB = 2047
    ;;= steps(1024) memory 128 MiB = 1
    ;;= steps(1) gas 5000 = out-of-gas
    (func (export "grown-is-zero") (param i32) (result i32)
      (local $old i32)
      (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 65536))
      (local.set $old (i32.shl (memory.grow (local.get 0)) (i32.const 16)))
      (call $words (local.get $old) (i32.shl (memory.size) (i32.const 16))))
    ;;= grown-is-zero(1) = 0
    ;;= grown-is-zero(3) = 0 -- within what a pool keeps resident
    ;;= grown-is-zero(8) = 0
    ;;= grown-is-zero(31) = 0
    (func (export "grown-can-be-used") (param i32) (result i32)
      (drop (memory.grow (local.get 0)))
      (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 0x01020304))
      (i32.load (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4))))
    ;;= grown-can-be-used(1023) = 0x1020304
    ;;= grown-can-be-used(0) = 0x1020304

    ;; what another call left behind
    (func (export "dirty") (result i32)
      (drop (memory.grow (i32.const 31)))
      (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 0x200000))
      (call $words (i32.const 0) (i32.const 0x200000)))
    ;;= dirty() = 262144
    (func (export "clean") (result i32)
      ;; all but the data
      (drop (memory.grow (i32.const 31)))
      (i32.add (call $words (i32.const 0) (i32.const 256)) (call $words (i32.const 272) (i32.const 0x200000))))
    ;;= clean() = 0
    (func (export "data") (result i32) (call $out (v128.load (i32.const 256))))
    ;;= data() = i8x16(0 1 2 3 4 5 6 7 8 9 a b c d e f)

    ;; bulk operations; the answer is the 16 bytes from 256 on
    (func (export "copy") (param i32 i32 i32) (result i32)
      (memory.copy (local.get 0) (local.get 1) (local.get 2))
      (call $out (v128.load (i32.const 256))))
    ;;= copy(258, 256, 12) = i8x16(0 1 0 1 2 3 4 5 6 7 8 9 a b e f) -- they overlap, upwards
    ;;= copy(256, 258, 12) = i8x16(2 3 4 5 6 7 8 9 a b c d c d e f) -- and downwards
    ;;= copy(257, 256, 15) = i8x16(0 0 1 2 3 4 5 6 7 8 9 a b c d e)
    ;;= copy(256, 256, 16) = i8x16(0 1 2 3 4 5 6 7 8 9 a b c d e f)
    ;;= copy(65536, 65536, 0) = i8x16(0 1 2 3 4 5 6 7 8 9 a b c d e f) -- nothing, at the end
    ;;= copy(65537, 0, 0) = trap memory-out-of-bounds -- nothing, beyond the end
    ;;= copy(65535, 0, 2) = trap memory-out-of-bounds
    ;;= copy(0, 65535, 2) = trap memory-out-of-bounds
    ;;= copy(0, 1, 4294967295) = trap memory-out-of-bounds
    (func (export "fill") (param i32 i32 i32) (result i32)
      (memory.fill (local.get 0) (local.get 1) (local.get 2))
      (call $out (v128.load (i32.const 256))))
    ;;= fill(260, 0x1ff, 4) = i8x16(0 1 2 3 ff ff ff ff 8 9 a b c d e f) -- the low byte counts
    ;;= fill(0, 7, 65536) = i8x16(7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7)
    ;;= fill(1, 7, 65536) = trap memory-out-of-bounds
    ;;= fill(65536, 7, 0) = i8x16(0 1 2 3 4 5 6 7 8 9 a b c d e f)
    (func (export "init") (param i32 i32 i32) (result i32)
      (memory.init $passive (local.get 0) (local.get 1) (local.get 2))
      (call $out (v128.load (i32.const 256))))
    ;;= init(256, 4, 3) = i8x16(65 66 67 3 4 5 6 7 8 9 a b c d e f)
    ;;= init(256, 14, 3) = trap memory-out-of-bounds
    ;;= init(65534, 0, 3) = trap memory-out-of-bounds
    ;;= init(0, 16, 0) = i8x16(0 1 2 3 4 5 6 7 8 9 a b c d e f)
    (func (export "init-dropped") (param i32) (result i32)
      (data.drop $passive)
      (data.drop $passive)
      (memory.init $passive (i32.const 256) (i32.const 0) (local.get 0))
      (call $out (v128.load (i32.const 256))))
    ;;= init-dropped(0) = i8x16(0 1 2 3 4 5 6 7 8 9 a b c d e f)
    ;;= init-dropped(1) = trap memory-out-of-bounds

    ;; not aligned, and the bounds
    (func (export "load-u64") (param i32) (result i64) (i64.load (local.get 0)))
    ;;= load-u64(257) = 0x807060504030201
    ;;= load-u64(263) = 0xe0d0c0b0a090807
    ;;= load-u64(65528) = 0x0
    ;;= load-u64(65529) = trap memory-out-of-bounds
    ;;= load-u64(4294967295) = trap memory-out-of-bounds
    (func (export "load-far") (param i32) (result i32) (i32.load offset=0xffffffff (local.get 0)))
    ;;= load-far(0) = trap memory-out-of-bounds
    ;;= load-far(1) = trap memory-out-of-bounds -- offsets do not wrap around
    ;;= load-far(257) = trap memory-out-of-bounds
    (func (export "load-s8") (param i32) (result i32)
      (i32.store8 (local.get 0) (i32.const 0x180))
      (i32.load8_s (local.get 0)))
    ;;= load-s8(65535) = -128
    ;;= load-s8(65536) = trap memory-out-of-bounds
    (func (export "load-16") (param i32) (result i32)
      (i32.store16 (local.get 0) (i32.const 0x18001))
      (i32.sub (i32.load16_s (local.get 0)) (i32.load16_u (local.get 0))))
    ;;= load-16(3) = -65536
    ;;= load-16(65535) = trap memory-out-of-bounds
    (func (export "load-32") (param i32) (result i64)
      (i64.store32 (local.get 0) (i64.const 0x180000001))
      (i64.sub (i64.load32_s (local.get 0)) (i64.load32_u (local.get 0))))
    ;;= load-32(5) = -4294967296
    ;;= load-32(65533) = trap memory-out-of-bounds
    (func (export "across-pages") (result i64)
      (drop (memory.grow (i32.const 1)))
      (i64.store (i32.const 65533) (i64.const 0x0102030405060708))
      (i64.load (i32.const 65532)))
    ;;= across-pages() = 0x203040506070800
    (func (export "vector-not-aligned") (param i32) (result i32) (call $out (v128.load (local.get 0))))
    ;;= vector-not-aligned(253) = i8x16(0 0 0 0 1 2 3 4 5 6 7 8 9 a b c)
    ;;= vector-not-aligned(65521) = trap memory-out-of-bounds
    (func (export "large-stride") (param i32) (result i32)
      ;; stores at each page of a grown memory, then reads them back in the other order
      (local $i i32) (local $sum i32)
      (drop (memory.grow (local.get 0)))
      (loop $l
        (i32.store (i32.shl (local.get $i) (i32.const 16)) (i32.mul (local.get $i) (i32.const 2654435761)))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (memory.size))))
      (loop $l
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (local.set $sum (i32.xor (i32.rotl (local.get $sum) (i32.const 5)) (i32.load (i32.shl (local.get $i) (i32.const 16)))))
        (br_if $l (local.get $i)))
      (local.get $sum))
    ;;= large-stride(99) = 0xb2751ead
  )
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (type $v128 (tuple u64 u64))
  (func (export "grow") (param "a" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "grow-twice") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "grow-twice")))
  (func (export "steps") (param "a" u32) (result u32) (canon lift (core func $i "steps")))
  (func (export "grown-is-zero") (param "a" u32) (result u32) (canon lift (core func $i "grown-is-zero")))
  (func (export "grown-can-be-used") (param "a" u32) (result u32) (canon lift (core func $i "grown-can-be-used")))
  (func (export "dirty") (result u32) (canon lift (core func $i "dirty")))
  (func (export "clean") (result u32) (canon lift (core func $i "clean")))
  (func (export "data") (result $v128) (canon lift (core func $i "data") (memory $memory)))
  (func (export "copy") (param "a" u32) (param "b" u32) (param "c" u32) (result $v128) (canon lift (core func $i "copy") (memory $memory)))
  (func (export "fill") (param "a" u32) (param "b" u32) (param "c" u32) (result $v128) (canon lift (core func $i "fill") (memory $memory)))
  (func (export "init") (param "a" u32) (param "b" u32) (param "c" u32) (result $v128) (canon lift (core func $i "init") (memory $memory)))
  (func (export "init-dropped") (param "a" u32) (result $v128) (canon lift (core func $i "init-dropped") (memory $memory)))
  (func (export "load-u64") (param "a" u32) (result u64) (canon lift (core func $i "load-u64")))
  (func (export "load-far") (param "a" u32) (result u32) (canon lift (core func $i "load-far")))
  (func (export "load-s8") (param "a" u32) (result s32) (canon lift (core func $i "load-s8")))
  (func (export "load-16") (param "a" u32) (result s32) (canon lift (core func $i "load-16")))
  (func (export "load-32") (param "a" u32) (result s64) (canon lift (core func $i "load-32")))
  (func (export "across-pages") (result u64) (canon lift (core func $i "across-pages")))
  (func (export "vector-not-aligned") (param "a" u32) (result $v128) (canon lift (core func $i "vector-not-aligned") (memory $memory)))
  (func (export "large-stride") (param "a" u32) (result u32) (canon lift (core func $i "large-stride"))))
