;; P-15: answers with a case that does not exist.
(module
  (memory (export "memory") 16)
  (global $top (mut i32) (i32.const 65536))
  (data (i32.const 1024) "\07")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "postern:plugin/provider@0.1.0#step") (param i32) (result i32)
    (i32.const 1024))
  (func (export "postern:plugin/provider@0.1.0#check") (param i32 i32) (result i32)
    (i32.const 2048)))
