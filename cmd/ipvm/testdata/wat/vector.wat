;; A core module whose only function takes no number.
(module
  (memory (export "memory") 1)
  (func (export "sum") (param v128) (result i32) (i32x4.extract_lane 0 (local.get 0))))
