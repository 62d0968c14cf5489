;; A module of the first version of WebAssembly, not a component.
(module (func (export "run") (result i32) (i32.const 1)))
