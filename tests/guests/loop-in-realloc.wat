;; P-03: never gets past being handed its arguments.
(module
  (memory (export "memory") 16)
  (global $top (mut i32) (i32.const 65536))
  (data (i32.const 1024) "\01") ;; done(accepted(nothing known))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (loop $again (br $again))
    unreachable)
  (func (export "postern:plugin/provider@0.1.0#step") (param i32) (result i32)
    (i32.const 1024))
  (func (export "postern:plugin/provider@0.1.0#check") (param i32 i32) (result i32)
    (i32.const 2048)))
