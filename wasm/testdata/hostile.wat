;; Guests that break what they promised, each in one way.
(component
  (core module $program
    (memory (export "memory") 1)
    (table $t 4 funcref)
    (type $sig (func (param i64)))
    (func $other)
    (elem (i32.const 1) func $other)
    (global $depth (mut i32) (i32.const 0))
    (data (i32.const 100) "\ff\fe\fd")                     ;; not UTF-8
    (data (i32.const 200) "\64\00\00\00\03\00\00\00")      ;; (100, 3): that text
    (data (i32.const 208) "\f0\ff\ff\ff\20\00\00\00")      ;; beyond the end of memory
    (data (i32.const 216) "\65\00\00\00\01\00\00\00")      ;; an odd address
    (data (i32.const 224) "\00\00\00\00\ff\ff\ff\ff")      ;; four thousand million
    (data (i32.const 232) "\09\00\00\00\00\00\00\00")      ;; case 9
    (data (i32.const 240) "\00\00\c0\7f")                  ;; NaN
    (data (i32.const 248) "\f0\00\00\00\01\00\00\00")      ;; (240, 1): a list of it
    (data (i32.const 256) "\00\00\00\00\00\00\04\00")      ;; the first 256 KiB
    (data (i32.const 264) "\00\00\00\00\00\00\60\00")      ;; the first 6 MiB
    (func (export "unreachable") unreachable)
    (func (export "load") (drop (i32.load (i32.const -4))))
    (func (export "table") (call_indirect (i32.const 99)))
    (func (export "null") (call_indirect (i32.const 0)))
    (func (export "type") (call_indirect (type $sig) (i64.const 1) (i32.const 1)))
    (func (export "overflow") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
    (func (export "zero") (drop (i32.div_s (i32.const 1) (i32.const 0))))
    (func (export "conversion") (drop (i32.trunc_f32_s (f32.const nan))))
    (func $deep (export "recursion") (call $deep))
    (func (export "loop") (loop $l (br $l)))
    (func (export "number") (param i32) (result i32) (local.get 0))
    (func (export "nan32") (result f32) (f32.const nan))
    (func (export "nan64") (result f64) (f64.div (f64.const 0) (f64.const 0)))
    (func (export "inf64") (result f64) (f64.const inf))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "bomb") (loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) unreachable)
    (func (export "touch") (param i32) (result i32)
      (drop (memory.grow (local.get 0)))
      (memory.fill (i32.const 1024) (i32.const 7) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1024)))
      (memory.size))
    (func (export "tables") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
    (func (export "big") (result i32) (drop (memory.grow (i32.const 127))) (i32.const 264))
    (func (export "wrap") (result i32) (i32.const 0))
    (func (export "post") (param i32) unreachable))
  (core instance $i (instantiate $program))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "post" (core func $post))

  (func (export "unreachable") (canon lift (core func $i "unreachable")))
  (func (export "load") (canon lift (core func $i "load")))
  (func (export "table") (canon lift (core func $i "table")))
  (func (export "null") (canon lift (core func $i "null")))
  (func (export "type-of-call") (canon lift (core func $i "type")))
  (func (export "overflow") (canon lift (core func $i "overflow")))
  (func (export "zero") (canon lift (core func $i "zero")))
  (func (export "conversion") (canon lift (core func $i "conversion")))
  (func (export "recursion") (canon lift (core func $i "recursion")))
  (func (export "loop") (canon lift (core func $i "loop")))

  (func (export "bad-char") (param "x" u32) (result char) (canon lift (core func $i "number")))
  (func (export "bad-bool") (param "x" u32) (result bool) (canon lift (core func $i "number")))
  (func (export "bad-u8") (param "x" u32) (result u8) (canon lift (core func $i "number")))
  (func (export "bad-string") (param "x" u32) (result string) (canon lift (core func $i "number") (memory $mem)))
  (func (export "bad-list") (param "x" u32) (result (list u32)) (canon lift (core func $i "number") (memory $mem)))
  (func (export "bad-bytes") (param "x" u32) (result (list u8)) (canon lift (core func $i "number") (memory $mem)))
  (func (export "bad-option") (param "x" u32) (result (option u32)) (canon lift (core func $i "number") (memory $mem)))
  (func (export "bad-result") (param "x" u32) (result (result u32)) (canon lift (core func $i "number") (memory $mem)))
  (func (export "floats") (param "x" u32) (result (list f32)) (canon lift (core func $i "number") (memory $mem)))
  (type $e' (enum "a" "b"))
  (export $e "e" (type $e'))
  (func (export "bad-enum") (param "x" u32) (result $e) (canon lift (core func $i "number")))
  (func (export "status") (param "x" u32) (result (result)) (canon lift (core func $i "number")))

  (func (export "nan32") (result f32) (canon lift (core func $i "nan32")))
  (func (export "nan64") (result f64) (canon lift (core func $i "nan64")))
  (func (export "inf64") (result f64) (canon lift (core func $i "inf64")))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "bomb") (canon lift (core func $i "bomb")))
  (func (export "touch") (param "pages" u32) (result u32) (canon lift (core func $i "touch")))
  (func (export "grow-table") (param "elements" u32) (result s32) (canon lift (core func $i "tables")))
  (func (export "big-bytes") (result (list u8)) (canon lift (core func $i "big") (memory $mem)))
  (func (export "post-return") (param "x" u32) (result u32)
    (canon lift (core func $i "number") (post-return (func $post)))))
