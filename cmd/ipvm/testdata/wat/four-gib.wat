;; Starts with all the memory that there can be: 4 GiB.
(component
  (core module $program
    (memory 65536)
    (func (export "run") (result i32) (memory.size)))
  (core instance $i (instantiate $program))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))
