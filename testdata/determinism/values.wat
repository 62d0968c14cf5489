;; The canonical ABI: what a guest returns is checked before it is believed, and a guest that breaks the rules traps.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 0x100) "hello\00\ffw\c3\b6rld")
    (data (i32.const 0x200) "\01\00\00\00\07\00\00\00\02\00\00\00\00\00\00\00")
    (data (i32.const 0x210) "\00\00\00\00\07\00\00\00")
    (func $two (export "two") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0))
    (func (export "same") (param i32) (result i32) (local.get 0))
    (func (export "two-same") (param i32 i32) (result i32) (call $two (local.get 0) (local.get 1)))
    ;; puts everything at 0x1000, or nowhere when asked for 13 bytes
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (i32.eq (local.get 3) (i32.const 13)) (then (return (i32.const 0xfffff0))))
      (if (i32.eq (local.get 3) (i32.const 14)) (then unreachable))
      (i32.const 0x1000))
    (func (export "length") (param i32 i32) (result i32) (local.get 1))

    ;;= text(0x100, 5) = "hello"
    ;;= text(0x107, 6) = "w\u00f6rld"
    ;;= text(0x100, 0) = ""
    ;;= text(0x105, 1) = "\u0000"
    ;;= text(0x106, 1) = trap abi -- not UTF-8
    ;;= text(0x108, 1) = trap abi -- half a character
    ;;= text(0xffff, 2) = trap abi -- beyond the end of memory
    ;;= text(0xffffffff, 2) = trap abi
    ;;= bytes(0x100, 7) = {"/":{"bytes":"aGVsbG8A/w"}}
    ;;= bytes(0, 0) = {"/":{"bytes":""}}
    ;;= bytes(0xffff, 2) = trap abi
    ;;= numbers(0x200, 2) = [30064771073,2]
    ;;= numbers(0x204, 1) = trap abi -- not aligned
    ;;= numbers(0x200, 0x20000000) = trap abi -- as many do not fit
    ;;= options(0x200) = 7
    ;;= options(0x210) = null
    ;;= options(0x208) = trap abi -- a discriminant of 2
    ;;= options(0x201) = trap abi -- not aligned
    ;;= outcomes(0x210) = 7
    ;;= outcomes(0x200) = error 7
    ;;= outcomes(0x208) = trap abi
    ;;= colour(0) = "red"
    ;;= colour(2) = "blue"
    ;;= colour(3) = trap abi
    ;;= sides(0xfff) = ["left","right","up"] -- bits of no flag are left out
    ;;= sides(0) = []
    ;;= length("") = 0
    ;;= length("w\u00f6rld") = 6
    ;;= length("thirteen byte") = trap abi -- the guest's allocator gives an address beyond its memory
    ;;= length("fourteen bytes") = trap unreachable -- and here it traps
  )
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (type $colour' (enum "red" "green" "blue"))
  (export $colour "hue" (type $colour'))
  (type $sides' (flags "left" "right" "up"))
  (export $sides "sides-of" (type $sides'))
  (func (export "text") (param "at" u32) (param "n" u32) (result string) (canon lift (core func $i "two") (memory $memory)))
  (func (export "bytes") (param "at" u32) (param "n" u32) (result (list u8)) (canon lift (core func $i "two") (memory $memory)))
  (func (export "numbers") (param "at" u32) (param "n" u32) (result (list u64)) (canon lift (core func $i "two") (memory $memory)))
  (func (export "options") (param "at" u32) (result (option u32)) (canon lift (core func $i "same") (memory $memory)))
  (func (export "outcomes") (param "at" u32) (result (result u32 (error u32))) (canon lift (core func $i "same") (memory $memory)))
  (func (export "colour") (param "n" u32) (result $colour) (canon lift (core func $i "same")))
  (func (export "sides") (param "n" u32) (result $sides) (canon lift (core func $i "same")))
  (func (export "length") (param "s" string) (result u32) (canon lift (core func $i "length") (memory $memory) (realloc $realloc))))
