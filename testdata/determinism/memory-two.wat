;; Two memories: each has an equal share of the limit.
(component
  (core module $m
    (memory 1)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "clean") (result i32) (local $i i32) (local $n i32)
      (drop (memory.grow (i32.const 15)))
      (loop $l
        (local.set $n (i32.or (local.get $n) (i32.load (local.get $i))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 0x100000))))
      (local.get $n))
    ;;= first(511) = 1
    ;;= first(512) = -1
    ;;= second(511) = 1
    ;;= second(512) = -1
    ;;= first(512) memory 128 MiB = 1
    ;;= second(1024) memory 128 MiB = -1
    ;;= first-clean() = 0
    ;;= second-clean() = 0
  )
  (core instance $a (instantiate $m))
  (core instance $b (instantiate $m))
  (func (export "first") (param "pages" u32) (result s32) (canon lift (core func $a "grow")))
  (func (export "second") (param "pages" u32) (result s32) (canon lift (core func $b "grow")))
  (func (export "first-clean") (result u32) (canon lift (core func $a "clean")))
  (func (export "second-clean") (result u32) (canon lift (core func $b "clean"))))
