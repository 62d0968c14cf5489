;; Starts with 1 GiB of memory.
(component
  (core module $program
    (memory 16384)
    (func (export "run") (result i32) (memory.size)))
  (core instance $i (instantiate $program))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))
