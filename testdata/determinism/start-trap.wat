;; A start function that traps: every call of the component is that trap.
(component
  (core module $m
    (func $start unreachable)
    (start $start)
    (func (export "f") (result i32) (i32.const 1))
    ;;= f() = trap unreachable
  )
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))
