;; A program of WASI preview 1. Its first argument says what it does:
;;   e  writes its arguments and variables, each with its NUL, to standard output
;;   c  copies standard input to standard error
;;   r  writes 16 random bytes to standard output
;;   f  copies the file "in" to the file "out"
;;   t  writes the wall clock and the monotonic clock, 8 bytes each
;;   x  ends with exit status 3 after it wrote "oh no"
;;   l  loops
;;   u  traps
;; and without one it returns at once.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "oh no\n")
  (data (i32.const 32) "in")
  (data (i32.const 40) "out")
  ;; 0..15: scratch; 1024: pointers; 4096: text
  (func $ok (param $errno i32) (if (local.get $errno) (then unreachable)))
  (func $put (param $fd i32) (param $at i32) (param $n i32)
    (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $n))
    (call $ok (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $copy (param $from i32) (param $to i32)
    (loop $more
      (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 4096))
      (call $ok (call $read (local.get $from) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8)) (then
        (call $put (local.get $to) (i32.const 4096) (i32.load (i32.const 8)))
        (br $more)))))
  (func $opened (param $name i32) (param $len i32) (param $flags i32) (result i32)
    (call $ok (call $open (i32.const 3) (i32.const 0) (local.get $name) (local.get $len) (local.get $flags)
      (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 8)))
    (i32.load (i32.const 8)))
  (func (export "_start") (local $what i32)
    (call $ok (call $args_sizes (i32.const 0) (i32.const 4)))
    (if (i32.lt_u (i32.load (i32.const 0)) (i32.const 2)) (then (return)))
    (call $ok (call $args (i32.const 1024) (i32.const 4096)))
    (local.set $what (i32.load8_u (i32.load (i32.const 1028))))
    (if (i32.eq (local.get $what) (i32.const 101)) (then ;; e
      (call $put (i32.const 1) (i32.const 4096) (i32.load (i32.const 4)))
      (call $ok (call $environ_sizes (i32.const 0) (i32.const 4)))
      (call $ok (call $environ (i32.const 1024) (i32.const 4096)))
      (call $put (i32.const 1) (i32.const 4096) (i32.load (i32.const 4)))))
    (if (i32.eq (local.get $what) (i32.const 99)) (then (call $copy (i32.const 0) (i32.const 2)))) ;; c
    (if (i32.eq (local.get $what) (i32.const 114)) (then ;; r
      (call $ok (call $random (i32.const 4096) (i32.const 16)))
      (call $put (i32.const 1) (i32.const 4096) (i32.const 16))))
    (if (i32.eq (local.get $what) (i32.const 102)) (then ;; f
      (call $copy (call $opened (i32.const 32) (i32.const 2) (i32.const 0)) (call $opened (i32.const 40) (i32.const 3) (i32.const 1)))))
    (if (i32.eq (local.get $what) (i32.const 116)) (then ;; t
      (call $ok (call $clock (i32.const 0) (i64.const 0) (i32.const 4096)))
      (call $ok (call $clock (i32.const 1) (i64.const 0) (i32.const 4104)))
      (call $put (i32.const 1) (i32.const 4096) (i32.const 16))))
    (if (i32.eq (local.get $what) (i32.const 120)) (then ;; x
      (call $put (i32.const 2) (i32.const 16) (i32.const 6))
      (call $exit (i32.const 3))))
    (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $l (br $l)))) ;; l
    (if (i32.eq (local.get $what) (i32.const 117)) (then unreachable)))) ;; u
