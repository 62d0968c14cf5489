;; A whole component by hand: one more than x. The largest x wraps around.
(component
  (core module $program
    (func (export "add-one") (param i32) (result i32)
      local.get 0
      i32.const 1
      i32.add))
  (core instance $running (instantiate $program))
  (func (export "add-one") (param "x" s32) (result s32)
    (canon lift (core func $running "add-one"))))
