;; A core module that uses a feature that is off.
(module
  (tag $e)
  (func (export "f") (throw $e)))
