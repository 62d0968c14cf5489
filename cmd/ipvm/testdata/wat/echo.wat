;; Gives back the bytes that it is given.
(component
  (core module $program
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "list") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $i (instantiate $program))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (alias core export $i "list" (core func $list))
  (func (export "echo") (param "data" (list u8)) (result (list u8))
    (canon lift (core func $list) (memory $mem) (realloc $realloc))))
