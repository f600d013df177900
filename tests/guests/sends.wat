;; An orderly provider that sends one request: what the provider answers with the status 200 is a success.
(module
  (memory (export "memory") 16)
  (global $top (mut i32) (i32.const 65536))
  (data (i32.const 512) "POST" "https://api.example.com" "/x" "unsupported" "outcome-unknown")
  (data (i32.const 768) "\00\00\00\00\1b\02\00\00\02\00\00\00") ;; lit("/x")
  (data (i32.const 1028) "\00\02\00\00\04\00\00\00\04\02\00\00\17\00\00\00") ;; send: method, origin
  (data (i32.const 1072) "\00\03\00\00\01\00\00\00") ;; program
  (data (i32.const 1536) "\01") ;; done(accepted(nothing known))
  (data (i32.const 1600) "\01\00\00\00\01\00\00\00\28\02\00\00\0f\00\00\00") ;; done(refused(outcome-unknown))
  (data (i32.const 1664) "\01\00\00\00\01\00\00\00\1d\02\00\00\0b\00\00\00") ;; done(refused(unsupported))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "postern:plugin/provider@0.1.0#step") (param $told i32) (result i32)
    (local $event i32) (local $status i32) (local $length i32)
    (local.set $event (i32.load8_u offset=92 (local.get $told)))
    (local.set $status (i32.load16_u offset=96 (local.get $told)))
    (local.set $length (i32.load offset=116 (local.get $told)))
    (if (i32.eqz (local.get $event)) (then (return (i32.const 1024))))
    (if (i32.gt_u (local.get $event) (i32.const 2)) (then (return (i32.const 1664))))
    (if (i32.eq (local.get $event) (i32.const 2)) (then (return (i32.const 1600))))
    ;; A reply, with a body of that length.
    (if (i32.eq (local.get $status) (i32.const 200)) (then (return (i32.const 1536))))
    (i32.const 1600))
  (func (export "postern:plugin/provider@0.1.0#check") (param i32 i32) (result i32)
    (i32.const 2048)))
