;; A detector for wit/v0.1. Frozen: see README.md.
;;
;; In each cell it finds the first run of four digits or more: label 0, score 700, supported by context if the first column is called
;; `badge`. It cannot work on a result without columns.
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
    (import "heap" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (data (i32.const 1024) "badge")
    (data (i32.const 1040) "there are no columns")
    (global $support (mut i32) (i32.const 0))
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

    ;; result<_, list<diagnostic>> at 16.
    (func (export "configure") (param i32 i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.const 16))

    ;; The exchange and, at 80, the fields in one record.
    (func (export "begin") (param $both i32) (result i32) (local $fields i32)
      (local.set $fields (i32.load offset=80 (local.get $both)))
      (if (i32.eqz (i32.load offset=84 (local.get $both)))
        (then
          (i32.store8 (i32.const 16) (i32.const 1))
          (i32.store (i32.const 20) (i32.const 1040)) (i32.store (i32.const 24) (i32.const 20))
          (return (i32.const 16))))
      (global.set $support (i32.shl
        (call $is (i32.load (local.get $fields)) (i32.load offset=4 (local.get $fields)) (i32.const 1024) (i32.const 5))
        (i32.const 2)))
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.const 16))

    ;; How many digits stand at a place.
    (func $digits (param $at i32) (param $end i32) (result i32) (local $count i32)
      (block $over
        (loop $more
          (br_if $over (i32.ge_u (i32.add (local.get $at) (local.get $count)) (local.get $end)))
          (br_if $over (i32.gt_u
            (i32.sub (i32.load8_u (i32.add (local.get $at) (local.get $count))) (i32.const 48))
            (i32.const 9)))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br $more)))
      (local.get $count))

    ;; Where in a cell the first run of four begins; the end of the cell if there is none.
    (func $first (param $at i32) (param $end i32) (result i32) (local $count i32)
      (block $found
        (loop $more
          (br_if $found (i32.ge_u (local.get $at) (local.get $end)))
          (local.set $count (call $digits (local.get $at) (local.get $end)))
          (br_if $found (i32.ge_u (local.get $count) (i32.const 4)))
          (local.set $at (i32.add (i32.add (local.get $at) (local.get $count)) (i32.const 1)))
          (br $more)))
      (if (i32.gt_u (local.get $at) (local.get $end)) (then (return (local.get $end))))
      (local.get $at))

    ;; result<list<finding>, failure> at 16.
    (func (export "inspect")
      (param $rows i32) (param $fields i32) (param $fields_count i32) (param $offsets i32) (param $offsets_count i32)
      (param $data i32) (param $length i32) (result i32)
      (local $cell i32) (local $start i32) (local $end i32) (local $at i32) (local $finding i32)
      (local.set $finding
        (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.mul (local.get $offsets_count) (i32.const 24))))
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (local.get $finding))
      (block $over
        (loop $cells
          (br_if $over (i32.ge_u (i32.add (local.get $cell) (i32.const 1)) (local.get $offsets_count)))
          (local.set $start (i32.add (local.get $data) (i32.load (local.get $offsets))))
          (local.set $end (i32.add (local.get $data) (i32.load offset=4 (local.get $offsets))))
          (local.set $at (call $first (local.get $start) (local.get $end)))
          (if (i32.lt_u (local.get $at) (local.get $end))
            (then
              (i32.store (local.get $finding) (local.get $cell))
              (i32.store offset=4 (local.get $finding) (i32.sub (local.get $at) (local.get $start)))
              (i32.store offset=8 (local.get $finding) (i32.sub
                (i32.add (local.get $at) (call $digits (local.get $at) (local.get $end)))
                (local.get $start)))
              (i32.store offset=12 (local.get $finding) (i32.const 0))
              (i32.store offset=16 (local.get $finding) (i32.const 700))
              (i32.store offset=20 (local.get $finding) (global.get $support))
              (local.set $finding (i32.add (local.get $finding) (i32.const 24)))))
          (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
          (local.set $cell (i32.add (local.get $cell) (i32.const 1)))
          (br $cells)))
      (i32.store (i32.const 24)
        (i32.div_u (i32.sub (local.get $finding) (i32.load (i32.const 20))) (i32.const 24)))
      (i32.const 16)))
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
  (func $inspect (param "cells" $block) (result (result (list $finding) (error $failure)))
    (canon lift (core func $plugin "inspect") (memory (core memory $heap "memory"))
      (realloc (core func $heap "realloc")) (post-return (core func $heap "done"))))
  (instance $detector
    (export "block" (type $block)) (export "finding" (type $finding)) (export "failure" (type $failure))
    (export "inspect" (func $inspect)))
  (export "grille:plugin/detector@0.1.0" (instance $detector)))
