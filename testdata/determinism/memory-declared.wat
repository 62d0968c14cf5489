;; A memory that declares its own maximum: up to that, no limit of at least as much changes what happens.
(component
  (core module $m
    (memory 1 3)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    ;;= grow(2) = 1
    ;;= grow(3) = -1
    ;;= grow(2) memory 1024 MiB = 1
    ;;= grow(3) memory 1024 MiB = -1
  )
  (core instance $i (instantiate $m))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow"))))
