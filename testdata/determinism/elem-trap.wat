;; Elements that do not fit into the table.
(component
  (core module $m
    (table 1 funcref)
    (func $f (export "f") (result i32) (i32.const 1))
    (elem (i32.const 1) $f)
    ;;= f() = trap table-out-of-bounds
  )
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))
