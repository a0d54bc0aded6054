;; A masker for wit/v0.1 that imports its one capability. Frozen: see README.md.
;;
;; Each cell becomes a token of the host's, under the domain `corpus`.
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
  (type $keyed_type (instance
    (alias outer 1 $failure (type $of_types))
    (export "failure" (type $failure (eq $of_types)))
    (type $values_record (record (field "offsets" (list u32)) (field "data" (list u8))))
    (export "values" (type $values (eq $values_record)))
    (export "transform" (func (param "method" string) (param "domain" string) (param "input" $values)
      (result (result $values (error $failure)))))))
  (import "grille:plugin/keyed@0.1.0" (instance $keyed (type $keyed_type)))

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
  (core func $transform
    (canon lower (func $keyed "transform") (memory (core memory $heap "memory")) (realloc (core func $heap "realloc"))))
  (core instance $host (export "transform" (func $transform)))

  (core module $plugin
    (import "heap" "memory" (memory 2))
    (import "heap" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "transform" (func $transform (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 1024) "token")
    (data (i32.const 1040) "corpus")
    (func (export "configure") (param i32 i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.const 16))
    (func (export "begin") (param i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.const 16))

    ;; The numbers from 0 on, one below the other.
    (func $count (param $numbers i32) (param $count i32) (local $number i32)
      (block $over
        (loop $more
          (br_if $over (i32.ge_u (local.get $number) (local.get $count)))
          (i32.store (i32.add (local.get $numbers) (i32.shl (local.get $number) (i32.const 2))) (local.get $number))
          (local.set $number (i32.add (local.get $number) (i32.const 1)))
          (br $more))))

    ;; What `transform` returns is laid out at 64: 0 and offsets and data, or 1 and a message. result<edits, failure> at 16 has the
    ;; cells before those two.
    (func (export "mask")
      (param $rows i32) (param $fields i32) (param $fields_count i32) (param $offsets i32) (param $offsets_count i32)
      (param $data i32) (param $length i32) (result i32)
      (local $cells i32) (local $cells_count i32)
      (call $transform (i32.const 1024) (i32.const 5) (i32.const 1040) (i32.const 6)
        (local.get $offsets) (local.get $offsets_count) (local.get $data) (local.get $length) (i32.const 64))
      (i32.store8 (i32.const 16) (i32.load8_u (i32.const 64)))
      (if (i32.load8_u (i32.const 64))
        (then
          (i64.store (i32.const 20) (i64.load (i32.const 68)))
          (return (i32.const 16))))
      (local.set $cells_count (i32.sub (local.get $offsets_count) (i32.const 1)))
      (local.set $cells
        (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.shl (local.get $cells_count) (i32.const 2))))
      (call $count (local.get $cells) (local.get $cells_count))
      (i32.store (i32.const 20) (local.get $cells))
      (i32.store (i32.const 24) (local.get $cells_count))
      (memory.copy (i32.const 28) (i32.const 68) (i32.const 16))
      (i32.const 16)))
  (core instance $plugin (instantiate $plugin (with "heap" (instance $heap)) (with "host" (instance $host))))
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
  (func $mask (param "cells" $block) (result (result $edits (error $failure)))
    (canon lift (core func $plugin "mask") (memory (core memory $heap "memory"))
      (realloc (core func $heap "realloc")) (post-return (core func $heap "done"))))
  (instance $masker
    (export "block" (type $block)) (export "edits" (type $edits)) (export "failure" (type $failure))
    (export "mask" (func $mask)))
  (export "grille:plugin/masker@0.1.0" (instance $masker)))
