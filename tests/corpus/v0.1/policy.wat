;; A policy for wit/v0.1 that imports no capability. Frozen: see README.md.
;;
;; It is configured with `{}` alone, serves everybody but the role `nobody`, and judges by the kind of the statement: what is read
;; is allowed and capped, what is deleted denied, what is dropped held, what is updated rewritten, VACUUM gets a verdict that no host
;; of this version knows, and of INSERT it has no opinion. Effects, objects and features are looked at first; the rest is denied with
;; its own text, unless its fingerprint is 42.
(component
  ;; The interface `types`, as far as components of every world have it.
  (type $types_type (instance
    (type $attribute_record (record (field "key" string) (field "value" string)))
    (export "attribute" (type $attribute (eq $attribute_record)))
    (type $strings (list string))
    (type $attributes (list $attribute))
    (type $exchange_record (record
      (field "id" u64) (field "protocol" string) (field "principal" string) (field "principal-kind" string)
      (field "groups" $strings) (field "role" string) (field "upstream" string) (field "target" string)
      (field "client" string) (field "attributes" $attributes)))
    (export "exchange" (type (eq $exchange_record)))
    (type $field_record (record (field "name" string) (field "origin" string) (field "kind" string)))
    (export "field" (type (eq $field_record)))
    (type $numbers (list u32))
    (type $bytes (list u8))
    (type $block_record (record
      (field "rows" u32) (field "fields" $numbers) (field "offsets" $numbers) (field "data" $bytes)))
    (export "block" (type (eq $block_record)))
    (type $finding_record (record
      (field "cell" u32) (field "start" u32) (field "end" u32) (field "label" u32) (field "score" u32)
      (field "support" u32)))
    (export "finding" (type (eq $finding_record)))
    (type $edits_record (record (field "cells" $numbers) (field "offsets" $numbers) (field "data" $bytes)))
    (export "edits" (type (eq $edits_record)))
    (type $failure_record (record (field "message" string)))
    (export "failure" (type (eq $failure_record)))
    (type $diagnostic_record (record (field "pointer" string) (field "message" string)))
    (export "diagnostic" (type (eq $diagnostic_record)))))
  (import "grille:plugin/types@0.1.0" (instance $types (type $types_type)))
  (alias export $types "attribute" (type $attribute))
  (alias export $types "exchange" (type $exchange))
  (alias export $types "field" (type $field))
  (alias export $types "block" (type $block))
  (alias export $types "finding" (type $finding))
  (alias export $types "edits" (type $edits))
  (alias export $types "failure" (type $failure))
  (alias export $types "diagnostic" (type $diagnostic))
  ;; The types of the interface `policy`.
  (type $object (record (field "kind" string) (field "name" string) (field "access" string)))
  (type $action (record
    (field "kind" string) (field "effects" (list string)) (field "objects" (list $object))
    (field "features" (list string)) (field "text" string) (field "fingerprint" u64)
    (field "attributes" (list $attribute))))
  (type $approval (record (field "reason" string) (field "approvers" (list string)) (field "ttl-s" u32)))
  (type $verdict (variant
    (case "allow") (case "deny" string) (case "hold" $approval) (case "rewrite" string)
    (case "extension" (tuple string (list u8)))))
  (type $decision (record (field "verdict" $verdict) (field "obligations" (list $attribute))))
  ;; A heap that is only ever taken from, until `done` gives back everything: after each call. What the host hands over and what it
  ;; is handed lies there; below 4096 are texts and the places where results are laid out.
  (core module $heap
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
        (br_if $fits (i32.ne (i32.const -1)
          (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1)))))
        unreachable)
      (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
      (local.get $at))
    (func (export "done") (param i32) (global.set $next (i32.const 4096))))
  (core instance $heap (instantiate $heap))
  (core module $plugin
    (import "heap" "memory" (memory 2))
    (data (i32.const 1024) "/strict")
    (data (i32.const 1040) "there are no settings")
    (data (i32.const 1072) "nobody")
    (data (i32.const 1088) "not for nobody")
    (data (i32.const 1104) "row-cap")
    (data (i32.const 1120) "100")
    (data (i32.const 1136) "a table goes")
    (data (i32.const 1152) "owners")
    (data (i32.const 1168) "dba")
    (data (i32.const 1184) "later")
    (data (i32.const 1200) "grant")
    (data (i32.const 1216) "nothing is granted here")
    (data (i32.const 1248) "no-where")
    (data (i32.const 1264) "say which rows")
    (data (i32.const 1280) "public.secrets")
    (data (i32.const 1296) "secrets are for nobody")
    (data (i32.const 1328) "nothing is deleted here")
    (data (i32.const 1360) "SELECT 1")
    (data (i32.const 1376) "no opinion on inserts")
    (data (i32.const 1408) "select")
    (data (i32.const 1424) "delete")
    (data (i32.const 1440) "drop table")
    (data (i32.const 1456) "update")
    (data (i32.const 1472) "vacuum")
    (data (i32.const 1488) "insert")
    ;; Whether a text equals one below 4096.
    (func $is (param $at i32) (param $length i32) (param $known i32) (param $known_length i32) (result i32)
      (if (i32.ne (local.get $length) (local.get $known_length)) (then (return (i32.const 0))))
      (block $differ
        (loop $bytes
          (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
          (br_if $differ (i32.ne (i32.load8_u (local.get $at)) (i32.load8_u (local.get $known))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $known (i32.add (local.get $known) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $bytes)))
      (i32.const 0))
    ;; Whether one of the texts of a list equals a text below 4096.
    (func $has (param $list i32) (param $count i32) (param $known i32) (param $known_length i32) (result i32)
      (block $none
        (loop $items
          (br_if $none (i32.eqz (local.get $count)))
          (if (call $is (i32.load (local.get $list)) (i32.load offset=4 (local.get $list)) (local.get $known) (local.get $known_length))
            (then (return (i32.const 1))))
          (local.set $list (i32.add (local.get $list) (i32.const 8)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $items)))
      (i32.const 0))

    ;; result<_, list<diagnostic>> at 16: 0 or 1; the list.
    (func (export "configure") (param $at i32) (param $length i32) (result i32)
      (if (i32.eq (local.get $length) (i32.const 2)) (then (i32.store8 (i32.const 16) (i32.const 0)) (return (i32.const 16))))
      (i32.store8 (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 32)) (i32.store (i32.const 24) (i32.const 1))
      (call $pair (i32.const 32) (i32.const 1024) (i32.const 7))
      (call $pair (i32.const 40) (i32.const 1040) (i32.const 21))
      (i32.const 16))

    ;; The exchange and the fields in one record; the role is a text at 40 of it.
    (func (export "begin") (param $exchange i32) (result i32)
      (i32.store8 (i32.const 16)
        (call $is (i32.load offset=40 (local.get $exchange)) (i32.load offset=44 (local.get $exchange)) (i32.const 1072) (i32.const 6)))
      (call $pair (i32.const 20) (i32.const 1088) (i32.const 14))
      (i32.const 16))

    ;; A place and a length, as texts and lists are handed over.
    (func $pair (param $to i32) (param $at i32) (param $length i32)
      (i32.store (local.get $to) (local.get $at))
      (i32.store offset=4 (local.get $to) (local.get $length)))

    ;; result<decision, failure> at 16: at 20 the verdict's case, from 24 on what it carries, at 44 the obligations.
    (func $verdict (param $case i32) (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.store8 (i32.const 20) (local.get $case))
      (call $pair (i32.const 24) (local.get $at) (local.get $length))
      (call $pair (i32.const 44) (i32.const 64) (i32.const 0))
      (i32.const 16))
    (func $deny (param $at i32) (param $length i32) (result i32)
      (call $verdict (i32.const 1) (local.get $at) (local.get $length)))
    (func $allow (result i32) (call $verdict (i32.const 0) (i32.const 0) (i32.const 0)))

    ;; With the obligation row-cap=100, at 64.
    (func $allow_some (result i32)
      (drop (call $allow))
      (call $pair (i32.const 64) (i32.const 1104) (i32.const 7))
      (call $pair (i32.const 72) (i32.const 1120) (i32.const 3))
      (call $pair (i32.const 44) (i32.const 64) (i32.const 1))
      (i32.const 16))

    ;; A reason, two groups at 64, and 900 seconds.
    (func $hold (result i32)
      (drop (call $verdict (i32.const 2) (i32.const 1136) (i32.const 12)))
      (call $pair (i32.const 64) (i32.const 1152) (i32.const 6))
      (call $pair (i32.const 72) (i32.const 1168) (i32.const 3))
      (call $pair (i32.const 32) (i32.const 64) (i32.const 2))
      (i32.store (i32.const 40) (i32.const 900))
      (i32.const 16))

    ;; A name, and a body of three bytes.
    (func $extend (result i32)
      (drop (call $verdict (i32.const 4) (i32.const 1184) (i32.const 5)))
      (call $pair (i32.const 32) (i32.const 64) (i32.const 3))
      (i32.const 16))

    (func $fail (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 1))
      (call $pair (i32.const 20) (local.get $at) (local.get $length))
      (i32.const 16))

    (func (export "decide")
      (param $kind i32) (param $kind_length i32) (param $effects i32) (param $effects_count i32)
      (param $objects i32) (param $objects_count i32) (param $features i32) (param $features_count i32)
      (param $text i32) (param $text_length i32) (param $fingerprint i64)
      (param $attributes i32) (param $attributes_count i32) (result i32)
      (if (call $has (local.get $effects) (local.get $effects_count) (i32.const 1200) (i32.const 5))
        (then (return (call $deny (i32.const 1216) (i32.const 23)))))
      (if (call $has (local.get $features) (local.get $features_count) (i32.const 1248) (i32.const 8))
        (then (return (call $deny (i32.const 1264) (i32.const 14)))))
      (block $objects_fit
        (loop $each
          (br_if $objects_fit (i32.eqz (local.get $objects_count)))
          ;; Three texts; the name is the second.
          (if (call $is (i32.load offset=8 (local.get $objects)) (i32.load offset=12 (local.get $objects)) (i32.const 1280) (i32.const 14))
            (then (return (call $deny (i32.const 1296) (i32.const 22)))))
          (local.set $objects (i32.add (local.get $objects) (i32.const 24)))
          (local.set $objects_count (i32.sub (local.get $objects_count) (i32.const 1)))
          (br $each)))
      (if (call $is (local.get $kind) (local.get $kind_length) (i32.const 1408) (i32.const 6))
        (then (return (call $allow_some))))
      (if (call $is (local.get $kind) (local.get $kind_length) (i32.const 1424) (i32.const 6))
        (then (return (call $deny (i32.const 1328) (i32.const 23)))))
      (if (call $is (local.get $kind) (local.get $kind_length) (i32.const 1440) (i32.const 10))
        (then (return (call $hold))))
      (if (call $is (local.get $kind) (local.get $kind_length) (i32.const 1456) (i32.const 6))
        (then (return (call $verdict (i32.const 3) (i32.const 1360) (i32.const 8)))))
      (if (call $is (local.get $kind) (local.get $kind_length) (i32.const 1472) (i32.const 6))
        (then (return (call $extend))))
      (if (call $is (local.get $kind) (local.get $kind_length) (i32.const 1488) (i32.const 6))
        (then (return (call $fail (i32.const 1376) (i32.const 21)))))
      (if (i64.eq (local.get $fingerprint) (i64.const 42)) (then (return (call $allow))))
      (call $deny (local.get $text) (local.get $text_length))))
  (core instance $plugin (instantiate $plugin (with "heap" (instance $heap))))
  (func $configure (param "settings-json" string) (result (result (error (list $diagnostic))))
    (canon lift (core func $plugin "configure") (memory (core memory $heap "memory"))
      (realloc (core func $heap "realloc")) (post-return (core func $heap "done"))))
  (func $begin (param "ctx" $exchange) (param "fields" (list $field)) (result (result (error $failure)))
    (canon lift (core func $plugin "begin") (memory (core memory $heap "memory"))
      (realloc (core func $heap "realloc")) (post-return (core func $heap "done"))))
  (instance $lifecycle
    (export "exchange" (type $exchange)) (export "field" (type $field)) (export "failure" (type $failure))
    (export "diagnostic" (type $diagnostic))
    (export "configure" (func $configure)) (export "begin" (func $begin)))
  (export "grille:plugin/lifecycle@0.1.0" (instance $lifecycle))
  (func $decide (param "what" $action) (result (result $decision (error $failure)))
    (canon lift (core func $plugin "decide") (memory (core memory $heap "memory"))
      (realloc (core func $heap "realloc")) (post-return (core func $heap "done"))))
  (instance $policy
    (export "attribute" (type $attribute)) (export "failure" (type $failure))
    (export "object" (type $object)) (export "action" (type $action)) (export "approval" (type $approval))
    (export "verdict" (type $verdict)) (export "decision" (type $decision))
    (export "decide" (func $decide)))
  (export "grille:plugin/policy@0.1.0" (instance $policy)))
