//! What drivers, ORMs and tools ask the catalogues, in their manner.

use crate::attempt::Legitimate;

pub(super) const INTROSPECTION: &[Legitimate] = &[
    Legitimate::query(
        "psql-relations",
        "SELECT n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN \
             'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN \
             'foreign table' WHEN 'p' THEN 'partitioned table' END AS type, \
             pg_catalog.pg_get_userbyid(c.relowner) AS owner FROM pg_catalog.pg_class c LEFT \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN \
             ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname <> 'pg_catalog' AND n.nspname !~ \
             '^pg_toast' AND n.nspname <> 'information_schema' AND \
             pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2",
    ),
    Legitimate::query(
        "psql-find-relation",
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN \
             pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname \
             OPERATOR(pg_catalog.~) '^(people)$' COLLATE pg_catalog.default AND \
             pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3",
    ),
    Legitimate::query(
        "psql-columns",
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT \
             pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d \
             WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), \
             a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, \
             pg_catalog.pg_type t WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND \
             a.attcollation <> t.typcollation) AS attcollation, a.attidentity, a.attgenerated \
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'public.people'::regclass AND \
             a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    ),
    Legitimate::query(
        "psql-indexes",
        "SELECT c2.relname, i.indisprimary, i.indisunique, i.indisvalid, \
             pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), \
             pg_catalog.pg_get_constraintdef(con.oid, true) FROM pg_catalog.pg_class c JOIN \
             pg_catalog.pg_index i ON c.oid = i.indrelid JOIN pg_catalog.pg_class c2 ON \
             i.indexrelid = c2.oid LEFT JOIN pg_catalog.pg_constraint con ON con.conrelid = \
             i.indrelid AND con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x') \
             WHERE c.relname = 'people' ORDER BY i.indisprimary DESC, c2.relname",
    ),
    Legitimate::query(
        "psql-foreign-keys",
        "SELECT conname, conrelid::pg_catalog.regclass AS ontable, \
             pg_catalog.pg_get_constraintdef(oid, true) AS condef FROM \
             pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY \
             conname",
    ),
    Legitimate::query(
        "psql-children",
        "SELECT c.oid::pg_catalog.regclass, c.relkind FROM pg_catalog.pg_class c, \
             pg_catalog.pg_inherits i WHERE c.oid = i.inhrelid AND i.inhparent = \
             'people'::regclass ORDER BY 1",
    ),
    Legitimate::query(
        "psql-views",
        "SELECT pg_catalog.pg_get_viewdef(c.oid, true) FROM pg_catalog.pg_class c WHERE \
             c.relname = 'directory'",
    ),
    Legitimate::query(
        "psql-functions",
        "SELECT n.nspname, p.proname, pg_catalog.pg_get_function_result(p.oid), \
             pg_catalog.pg_get_function_arguments(p.oid), p.prokind FROM pg_catalog.pg_proc p \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE \
             pg_catalog.pg_function_is_visible(p.oid) AND n.nspname = 'public' AND p.proname \
             IN ('same', 'glued') ORDER BY 1, 2, 4",
    ),
    Legitimate::query(
        "psql-schemas",
        "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND \
             n.nspname <> 'information_schema' ORDER BY 1",
    ),
    Legitimate::query(
        "psql-types",
        "SELECT n.nspname, pg_catalog.format_type(t.oid, NULL), \
             pg_catalog.obj_description(t.oid, 'pg_type') FROM pg_catalog.pg_type t LEFT JOIN \
             pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE (t.typrelid = 0 OR \
             (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) \
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type el WHERE el.oid = t.typelem AND \
             el.typarray = t.oid) AND n.nspname = 'public' ORDER BY 1, 2",
    ),
    Legitimate::query(
        "psql-descriptions",
        "SELECT c.relname, d.objsubid, d.description FROM pg_catalog.pg_description d \
             JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND d.classoid = \
             'pg_class'::regclass WHERE c.relname = 'tasks' ORDER BY 2",
    ),
    Legitimate::query(
        "psql-roles-of-mine",
        "SELECT r.rolsuper, r.rolinherit, r.rolcanlogin FROM pg_catalog.pg_roles r WHERE \
             r.rolname = current_user",
    ),
    Legitimate::query(
        "jdbc-tables",
        "SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME, \
             CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN \
             'SYSTEM' ELSE CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'p' \
             THEN 'PARTITIONED TABLE' ELSE NULL END END AS TABLE_TYPE, d.description AS \
             REMARKS FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c LEFT JOIN \
             pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND \
             d.classoid = 'pg_class'::regclass) WHERE c.relnamespace = n.oid AND n.nspname \
             LIKE 'public' ORDER BY TABLE_TYPE, TABLE_SCHEM, TABLE_NAME",
    ),
    Legitimate::query(
        "jdbc-columns",
        "SELECT * FROM (SELECT n.nspname, c.relname, a.attname, a.atttypid, a.attnotnull \
             OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull, a.atttypmod, a.attlen, \
             t.typtypmod, row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS \
             attnum, NULLIF(a.attidentity, '') AS attidentity, \
             pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc, dsc.description, \
             t.typbasetype, t.typtype FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class \
             c ON (c.relnamespace = n.oid) JOIN pg_catalog.pg_attribute a ON (a.attrelid = \
             c.oid) JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid) LEFT JOIN \
             pg_catalog.pg_attrdef def ON (a.attrelid = def.adrelid AND a.attnum = def.adnum) \
             LEFT JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = \
             dsc.objsubid) WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') AND a.attnum > 0 AND \
             NOT a.attisdropped AND n.nspname LIKE 'public') c WHERE relname LIKE 'people' \
             ORDER BY nspname, relname, attnum",
    ),
    Legitimate::query(
        "jdbc-primary-keys",
        "SELECT result.TABLE_SCHEM, result.TABLE_NAME, result.COLUMN_NAME, \
             result.KEY_SEQ, result.PK_NAME FROM (SELECT n.nspname AS TABLE_SCHEM, ct.relname \
             AS TABLE_NAME, a.attname AS COLUMN_NAME, \
             (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS \
             PK_NAME, information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS \
             A_ATTNUM FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = \
             a.attrelid) JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid) JOIN \
             pg_catalog.pg_index i ON (a.attrelid = i.indrelid) JOIN pg_catalog.pg_class ci \
             ON (ci.oid = i.indexrelid) WHERE true AND n.nspname = 'public' AND ct.relname = \
             'people' AND i.indisprimary) result WHERE result.A_ATTNUM = (result.KEYS).x \
             ORDER BY result.table_name, result.pk_name, result.key_seq",
    ),
    Legitimate::query(
        "jdbc-imported-keys",
        "SELECT pkn.nspname, pkc.relname, pka.attname, fkn.nspname, fkc.relname, \
             fka.attname, pos.n AS KEY_SEQ, con.conname FROM pg_catalog.pg_namespace pkn, \
             pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka, pg_catalog.pg_namespace \
             fkn, pg_catalog.pg_class fkc, pg_catalog.pg_attribute fka, \
             pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n) WHERE \
             pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid AND pka.attnum = \
             con.confkey[pos.n] AND con.confrelid = pkc.oid AND fkn.oid = fkc.relnamespace \
             AND fkc.oid = fka.attrelid AND fka.attnum = con.conkey[pos.n] AND con.conrelid = \
             fkc.oid AND con.contype = 'f' AND fkn.nspname = 'public' ORDER BY pkn.nspname, \
             pkc.relname, con.conname, pos.n",
    ),
    Legitimate::query(
        "jdbc-type-info",
        "SELECT t.typname, t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n \
             ON (t.typnamespace = n.oid) WHERE n.nspname <> 'pg_toast' AND (t.typrelid = 0 OR \
             (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) \
             AND t.typname IN ('text', 'int4', 'mood') ORDER BY 1",
    ),
    Legitimate::query(
        "jdbc-type-search",
        "SELECT typinput = 'pg_catalog.array_in'::regproc AS is_array, typtype, typname, \
             pg_type.oid FROM pg_catalog.pg_type LEFT JOIN (SELECT ns.oid AS nspoid, \
             ns.nspname, r.r FROM pg_namespace AS ns JOIN (SELECT s.r, \
             (current_schemas(false))[s.r] AS nspname FROM generate_series(1, \
             array_upper(current_schemas(false), 1)) AS s(r)) AS r USING (nspname)) AS sp ON \
             sp.nspoid = typnamespace WHERE typname = 'mood' ORDER BY sp.r, pg_type.oid DESC",
    ),
    Legitimate::query(
        "orm-table-names",
        "SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN \
             pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = \
             pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relkind = ANY \
             (ARRAY['r', 'p']) AND pg_catalog.pg_class.relpersistence <> 't' AND \
             pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND \
             pg_catalog.pg_namespace.nspname <> 'pg_catalog' ORDER BY 1",
    ),
    Legitimate::query(
        "orm-columns",
        "SELECT c.relname AS table_name, a.attname AS name, \
             pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, (SELECT \
             pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d WHERE \
             d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef) AS default_value, \
             a.attnotnull AS not_null, pg_catalog.col_description(a.attrelid, a.attnum) AS \
             comment, a.attgenerated AS generated, (SELECT json_build_object('always', \
             a.attidentity = 'a', 'start', s.seqstart, 'increment', s.seqincrement) FROM \
             pg_catalog.pg_sequence s WHERE s.seqrelid = \
             pg_catalog.pg_get_serial_sequence('tasks', a.attname)::regclass) AS \
             identity_options FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_attribute a \
             ON c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relname = \
             'tasks' ORDER BY c.relname, a.attnum",
    ),
    Legitimate::query(
        "orm-enums",
        "SELECT t.typname AS name, pg_catalog.pg_type_is_visible(t.oid) AS visible, \
             n.nspname AS schema, l.labels FROM pg_catalog.pg_type t JOIN \
             pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN (SELECT \
             e.enumtypid, array_agg(CAST(e.enumlabel AS text) ORDER BY e.enumsortorder) AS \
             labels FROM pg_catalog.pg_enum e GROUP BY e.enumtypid) l ON t.oid = l.enumtypid \
             WHERE t.typtype = 'e' ORDER BY n.nspname, t.typname",
    ),
    Legitimate::query(
        "orm-domains",
        "SELECT t.typname, pg_catalog.format_type(t.typbasetype, t.typtypmod), NOT \
             t.typnotnull AS nullable, t.typdefault FROM pg_catalog.pg_type t WHERE t.typtype \
             = 'd' AND pg_catalog.pg_type_is_visible(t.oid) AND t.typname = 'passphrase'",
    ),
    Legitimate::query(
        "orm-constraints",
        "SELECT con.conname, con.contype, array_agg(a.attname ORDER BY k.ord) FROM \
             pg_catalog.pg_constraint con CROSS JOIN LATERAL unnest(con.conkey) WITH \
             ORDINALITY AS k(attnum, ord) JOIN pg_catalog.pg_attribute a ON a.attrelid = \
             con.conrelid AND a.attnum = k.attnum WHERE con.conrelid = 'visits'::regclass \
             GROUP BY con.conname, con.contype ORDER BY 1",
    ),
    Legitimate::query(
        "orm-inspectdb",
        "SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', \
             'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM \
             pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = \
             c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN \
             ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1",
    ),
    Legitimate::query(
        "orm-sequences",
        "SELECT s.relname AS sequence_name, a.attname AS column FROM pg_class s JOIN \
             pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND \
             d.refclassid = 'pg_class'::regclass JOIN pg_attribute a ON d.refobjid = \
             a.attrelid AND d.refobjsubid = a.attnum JOIN pg_class tbl ON tbl.oid = \
             d.refobjid AND tbl.relname = 'tasks' AND pg_catalog.pg_table_is_visible(tbl.oid) \
             WHERE s.relkind = 'S'",
    ),
    Legitimate::query(
        "standard-tables",
        "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE \
             table_schema = 'public' ORDER BY table_name",
    ),
    Legitimate::query(
        "standard-columns",
        "SELECT column_name, data_type, is_nullable, column_default, \
             character_maximum_length, numeric_precision FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = 'people' ORDER BY \
             ordinal_position",
    ),
    Legitimate::query(
        "standard-keys",
        "SELECT tc.constraint_name, tc.constraint_type, kcu.column_name FROM \
             information_schema.table_constraints tc JOIN information_schema.key_column_usage \
             kcu USING (constraint_schema, constraint_name) WHERE tc.table_schema = 'public' \
             AND tc.table_name IN ('people', 'visits') ORDER BY 1, 2, 3",
    ),
    Legitimate::query(
        "standard-references",
        "SELECT rc.constraint_name, rc.update_rule, rc.delete_rule FROM \
             information_schema.referential_constraints rc WHERE rc.constraint_schema = \
             'public' ORDER BY 1",
    ),
    Legitimate::query(
        "standard-views",
        "SELECT table_name FROM information_schema.views WHERE table_schema IN ('public', \
             'vault') ORDER BY 1",
    ),
    Legitimate::query(
        "standard-privileges",
        "SELECT has_table_privilege('people', 'select'), has_schema_privilege('public', \
             'usage'), has_column_privilege('people', 'ssn', 'select')",
    ),
    Legitimate::query(
        "driver-types",
        "SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typcategory FROM pg_type t \
             JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname IN ('hstore', \
             'citext', 'mood', '_mood', 'jsonb') ORDER BY t.typname",
    ),
    Legitimate::query(
        "driver-composite-types",
        "SELECT a.attname, a.atttypid FROM pg_attribute a JOIN pg_type t ON t.typrelid = \
             a.attrelid WHERE t.typname = 'payment' AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY a.attnum",
    ),
    Legitimate::query(
        "driver-ranges",
        "SELECT rngsubtype FROM pg_range WHERE rngtypid = 'int4range'::regtype",
    ),
    Legitimate::query(
        "tool-settings",
        "SELECT name, setting FROM pg_settings WHERE name IN ('server_encoding', \
             'standard_conforming_strings', 'DateStyle') ORDER BY name",
    ),
    Legitimate::query(
        "tool-relation-size",
        "SELECT relname, pg_relation_size(oid) >= 0, pg_size_pretty(8192::bigint) FROM \
             pg_class WHERE relname = 'ledger'",
    ),
    Legitimate::query("tool-extensions", "SELECT extname FROM pg_extension WHERE extname = 'plpgsql'"),
];
