;; A start function without end: it counts against the gas like the call.
(component
  (core module $m
    (func $start (loop $l (br $l)))
    (start $start)
    (func (export "f") (result i32) (i32.const 1))
    ;;= f() gas 100000 = out-of-gas
  )
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))
