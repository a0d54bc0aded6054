//! What the server is asked about its database, and how the answer becomes a [`Schema`]. PostgreSQL 12 to 18.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use grille_core::Effect;
use grille_wire::postgres::{Violation, messages, walk_row};
use grille_wire::sql::schema::{
    Act, Builtin, Collation, ColumnId, Compared, Firing, Follower, Function, FunctionName, Occasion,
    Relation, RelationKind, Schema, SchemaColumn, SchemaParts, Volatility,
};

/// One message, one moment: every SELECT sees the same state. With `pg_catalog` alone on the search path, definitions name
/// everything else in full. Rows are ordered so that equal contents make equal answers.
///
/// Definitions are printed under locks on what they use. Nobody's open transaction is waited for: where one holds such a
/// lock, or waits for it, a view comes without its definition and an expression as [`UNREADABLE`]. The timeout is for locks
/// that are taken meanwhile.
pub(super) const QUERY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT s, pg_catalog.current_setting('search_path') FROM (SELECT s, n FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p (s, n)
  UNION ALL SELECT 'pg_temp', 32767
   WHERE pg_catalog.strpos(pg_catalog.lower(pg_catalog.current_setting('search_path')), 'pg_temp') OPERATOR(pg_catalog.>) 0
) AS p ORDER BY n;
SET LOCAL search_path = pg_catalog;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL statement_timeout = '30s';
SET LOCAL lock_timeout = '1s';
WITH held AS MATERIALIZED (SELECT l.relation FROM pg_locks l
      WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
), locked AS (SELECT h.relation FROM held h UNION
     SELECT r.ev_class FROM held h JOIN pg_depend d ON d.refobjid = h.relation AND d.refclassid = 'pg_class'::regclass
       JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid)
SELECT c.oid, n.nspname, c.relname, c.relkind,
       CASE WHEN c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
             AND c.oid NOT IN (SELECT relation FROM locked) THEN pg_get_viewdef(c.oid) END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'pg_toast' ORDER BY c.oid;
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod,
       CASE WHEN d.adbin IS NULL THEN NULL
            WHEN d.adrelid IN (SELECT l.relation FROM pg_locks l
                                WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock') THEN ')'
            ELSE pg_get_expr(d.adbin, d.adrelid) END,
       CASE WHEN a.attcollation NOT IN (0, 100) THEN CASE WHEN l.collisdeterministic THEN 1 ELSE -1 END * a.attcollation::int8 END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON a.attgenerated <> '' AND d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'pg_toast' ORDER BY a.attrelid, a.attnum;
SELECT i.inhrelid, i.inhparent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE c.relkind IN ('r', 'p', 'f') ORDER BY i.inhrelid, i.inhseqno;
SELECT p.partrelid, p.partattrs FROM pg_partitioned_table p ORDER BY p.partrelid;
SELECT i.indrelid, i.indkey, i.indnkeyatts,
       CASE WHEN i.indexprs IS NOT NULL OR i.indpred IS NOT NULL THEN coalesce(
           (SELECT string_agg(d.refobjsubid::text, ' ' ORDER BY d.refobjsubid) FROM pg_depend d
             WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
               AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid), '0') END,
       i.indisunique OR i.indisexclusion
  FROM pg_index i WHERE i.indrelid >= 16384 ORDER BY i.indexrelid;
SELECT k.contype, k.conrelid, array_to_string(k.conkey, ' '), k.confrelid, array_to_string(k.confkey, ' ')
  FROM pg_constraint k WHERE k.contype IN ('f', 'c') AND k.conrelid >= 16384
 UNION ALL
SELECT 'v', c.oid, NULL, 0, NULL FROM pg_class c
 WHERE c.relkind = 'v' AND EXISTS (SELECT FROM unnest(c.reloptions) o WHERE o LIKE 'check_option=%') ORDER BY 2, 1, 3, 4, 5;
SELECT n.nspname, p.proname,
       (SELECT max(CASE f.provolatile WHEN 'v' THEN 3 WHEN 's' THEN 2 ELSE 1 END) FROM pg_proc f
         WHERE f.oid = p.oid AND p.prokind <> 'a' OR p.prokind = 'a' AND EXISTS (SELECT FROM pg_aggregate g
         WHERE g.aggfnoid = p.oid AND f.oid IN (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn,
               g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn))),
       p.proretset, p.pronargs, p.pronargdefaults, p.provariadic <> 0,
       NOT EXISTS (SELECT FROM unnest(p.proargtypes) a JOIN pg_type t ON t.oid = a
                    WHERE t.typnamespace <> 'pg_catalog'::regnamespace)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname <> 'pg_catalog' ORDER BY p.oid;
SELECT p.proname, max(CASE p.provolatile WHEN 'v' THEN 3 WHEN 's' THEN 2 ELSE 1 END), bool_or(p.proretset)
  FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind <> 'p'
 GROUP BY p.proname ORDER BY p.proname;
SELECT o.oprname, p.proname,
       NOT EXISTS (SELECT FROM pg_type t WHERE t.oid IN (o.oprleft, o.oprright)
                      AND t.typnamespace <> 'pg_catalog'::regnamespace)
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace JOIN pg_proc p ON p.oid = o.oprcode
 WHERE n.nspname <> 'pg_catalog' ORDER BY o.oid;
SELECT t.oid, t.typarray FROM pg_type t
  JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
 WHERE e.extname = 'vector' AND t.typname IN ('vector', 'halfvec', 'sparsevec') ORDER BY t.oid;
SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_type t WHERE t.typtype = 'd' ORDER BY t.oid;
SELECT t.tgrelid, 't', t.tgname, 0, n.nspname, p.proname,
       concat(CASE WHEN t.tgtype & 4 <> 0 THEN 'i' END, CASE WHEN t.tgtype & 16 <> 0 THEN 'u' END,
              CASE WHEN t.tgtype & 40 <> 0 THEN 'd' END)
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname <> 'pg_catalog'
 UNION ALL
SELECT 0, 't', e.evtname, 0, n.nspname, p.proname, 'e'
  FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
 UNION ALL
SELECT r.ev_class, 'r', r.rulename, 0, '', '', CASE r.ev_type WHEN '2' THEN 'u' WHEN '3' THEN 'i' ELSE 'd' END
  FROM pg_rewrite r WHERE r.ev_type <> '1' AND r.ev_class >= 16384
 UNION ALL
SELECT d.adrelid, 'd', '', d.adnum, n.nspname, p.proname, 'iu'
  FROM pg_attrdef d JOIN pg_depend e ON e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid
  LEFT JOIN pg_operator o ON e.refclassid = 'pg_operator'::regclass AND o.oid = e.refobjid
  JOIN pg_proc p ON p.oid = CASE WHEN e.refclassid = 'pg_proc'::regclass THEN e.refobjid ELSE o.oprcode END
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname <> 'pg_catalog' ORDER BY 1, 2, 3, 4, 5, 6, 7;
SELECT k.confrelid, 'r', k.conrelid FROM pg_constraint k
 WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
 UNION
SELECT r.ev_class, 'u', d.refobjid FROM pg_rewrite r
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
 WHERE r.ev_type = '1' AND r.ev_class >= 16384 AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid NOT IN (0, r.ev_class) ORDER BY 1, 2, 3;
SELECT t.oid FROM pg_type t WHERE t.typtype = 'e'
 UNION ALL
SELECT t.oid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
 WHERE c.relkind = 'c' AND t.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_attribute a
 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid NOT IN (16, 17, 19, 20, 21, 23, 25, 650,
       700, 701, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1700, 2950, 3802)) ORDER BY 1;
SELECT n.nspname FROM pg_namespace n WHERE NOT has_schema_privilege(n.oid, 'USAGE') ORDER BY 1;
COMMIT";

/// Stands for an expression that cannot be had now. It is none in SQL.
pub(super) const UNREADABLE: &str = ")";

/// The results of [`QUERY`], in its order.
#[derive(Clone, Copy)]
enum Part {
    SearchPath,
    Relations,
    Columns,
    Inheritance,
    PartitionKeys,
    Indexes,
    Constraints,
    Functions,
    BuiltIn,
    Operators,
    VectorTypes,
    Domains,
    Firings,
    Followers,
    PlainTypes,
    ClosedSchemas,
}

const PARTS: [Part; 16] = [
    Part::SearchPath,
    Part::Relations,
    Part::Columns,
    Part::Inheritance,
    Part::PartitionKeys,
    Part::Indexes,
    Part::Constraints,
    Part::Functions,
    Part::BuiltIn,
    Part::Operators,
    Part::VectorTypes,
    Part::Domains,
    Part::Firings,
    Part::Followers,
    Part::PlainTypes,
    Part::ClosedSchemas,
];

/// `text`, `bpchar` and `varchar`, by the OIDs in `pg_type.dat` of the server's source.
const TEXT_TYPES: [u32; 3] = [25, 1042, 1043];

/// Deepest chain of domains over domains that is followed.
const DOMAINS_DEPTH_MAX: usize = 32;

/// What the answer says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) schema: Schema,
    /// For each domain, the type that is sent for it, and that type's modifier.
    pub(super) base_types: HashMap<u32, (u32, i32)>,
    /// `search_path` of a fresh connection, as the server writes it.
    pub(super) search_path_setting: Box<str>,
    /// Schemas that Grille's user may not use: a search path passes over them.
    pub(super) closed_schemas: HashSet<Box<str>>,
}

/// Reads an answer: its RowDescriptions and DataRows, in order.
///
/// # Errors
/// When a row is not what was asked for.
pub(super) fn decode(answer: &[u8]) -> Result<Content, Violation> {
    let mut reading = Reading::default();
    let mut results = 0_usize;
    for message in messages(answer) {
        match message[0] {
            b'T' => results += 1,
            _ => {
                let part = results.checked_sub(1).and_then(|index| PARTS.get(index));
                reading.row(*part.ok_or(MALFORMED)?, message)?;
            }
        }
    }
    if results != PARTS.len() {
        return Err(MALFORMED);
    }
    Ok(reading.finish())
}

/// The one cell of an answer with one row of one column.
///
/// # Errors
/// When it is not that.
pub(super) fn single_text(answer: &[u8]) -> Result<String, Violation> {
    let row = messages(answer).find(|message| message[0] == b'D').ok_or(MALFORMED)?;
    let [cell] = cells(row)?;
    cell.text()
}

const MALFORMED: Violation = Violation::Malformed { tag: b'D' };

#[derive(Default)]
struct Reading {
    parts: SchemaParts,
    relations: BTreeMap<u32, Relation>,
    domains: HashMap<u32, (u32, i32)>,
    search_path_setting: Box<str>,
    closed_schemas: HashSet<Box<str>>,
}

impl Reading {
    fn row(&mut self, part: Part, message: &[u8]) -> Result<(), Violation> {
        match part {
            Part::SearchPath => {
                let [schema, setting] = cells(message)?;
                self.parts.search_path.push(schema.text()?.into());
                self.search_path_setting = setting.text()?.into();
            }
            Part::Relations => self.relation(cells(message)?)?,
            Part::Columns => self.column(cells(message)?)?,
            Part::Inheritance => {
                let [child, parent] = cells(message)?;
                let parent = parent.number()?;
                if let Some(child) = self.relations.get_mut(&child.number()?) {
                    child.parents.push(parent);
                }
            }
            Part::PartitionKeys => self.partition_key(cells(message)?)?,
            Part::Indexes => self.index(cells(message)?)?,
            Part::Constraints => self.constraint(cells(message)?)?,
            Part::Functions => self.function(cells(message)?)?,
            Part::BuiltIn => self.built_in(cells(message)?)?,
            Part::Operators => {
                let [operator, function, takes_builtin_types] = cells(message)?;
                if takes_builtin_types.flag()? {
                    self.parts.operators_of_builtin_types.insert(operator.text()?.into());
                }
                self.parts.operators.push((operator.text()?.into(), function.text()?.into()));
            }
            Part::VectorTypes => {
                let [vector, array] = cells(message)?;
                let types: [u32; 2] = [vector.number()?, array.number()?];
                self.parts.vector_types.extend(types);
                self.parts.vector_array_types.insert(types[1]);
            }
            Part::ClosedSchemas => {
                let [schema] = cells(message)?;
                self.closed_schemas.insert(schema.text()?.into());
            }
            Part::Firings => self.firing(cells(message)?)?,
            Part::Followers => self.follower(cells(message)?)?,
            Part::PlainTypes => {
                let [plain] = cells(message)?;
                self.parts.plain_types.insert(plain.number()?);
            }
            Part::Domains => {
                let [domain, base, typmod] = cells(message)?;
                self.domains.insert(domain.number()?, (base.number()?, typmod.number()?));
            }
        }
        Ok(())
    }

    fn relation(&mut self, [oid, schema, name, kind, definition]: [Cell<'_>; 5]) -> Result<(), Violation> {
        let kind = match kind.text()?.as_str() {
            "v" => RelationKind::View,
            "m" => RelationKind::Materialized,
            "f" => RelationKind::Foreign,
            _ => RelationKind::Table,
        };
        let relation = Relation {
            oid: oid.number()?,
            schema: schema.text()?.into(),
            name: name.text()?.into(),
            kind,
            columns: Vec::new(),
            definition: definition.optional(),
            parents: Vec::new(),
            compared: Vec::new(),
        };
        self.relations.insert(relation.oid, relation);
        Ok(())
    }

    fn column(
        &mut self,
        [relation, number, name, type_oid, typmod, generated, collation]: [Cell<'_>; 7],
    ) -> Result<(), Violation> {
        let column = SchemaColumn {
            name: name.text()?.into(),
            number: number.number()?,
            type_oid: type_oid.number()?,
            typmod: typmod.number()?,
            generated: generated.optional(),
            collation: collation_of(collation)?,
        };
        if let Some(relation) = self.relations.get_mut(&relation.number()?) {
            relation.columns.push(column);
        }
        Ok(())
    }

    /// An expression is a 0, and may use any column.
    fn partition_key(&mut self, [relation, key]: [Cell<'_>; 2]) -> Result<(), Violation> {
        let oid = relation.number()?;
        let columns: BTreeSet<i16> = key.numbers()?.collect();
        let columns = if columns.contains(&0) { self.all_columns(oid) } else { columns };
        self.parts.partition_keys.extend(ids(oid, &columns));
        Ok(())
    }

    /// An index does not take every value. Of a unique one, or an exclusion constraint's, the values of its key, and of what
    /// its expressions and predicate use, are compared with those of other rows. `used` holds the columns that the latter
    /// depend on, with a 0 for the whole table where nothing else ties the index to it, and one more where an expression
    /// takes whole rows.
    fn index(&mut self, [relation, key, key_count, used, compares]: [Cell<'_>; 5]) -> Result<(), Violation> {
        let oid = relation.number()?;
        let stored: BTreeSet<i16> = key.numbers()?.filter(|number| *number != 0).collect();
        let mut columns: BTreeSet<i16> = key.numbers()?.take(key_count.number()?).collect();
        columns.remove(&0);
        if let Some(used) = used.optional() {
            let used: Vec<i16> = split(&used)?;
            let whole = used.iter().filter(|number| **number == 0).count();
            columns.extend(used.iter().filter(|number| **number != 0));
            if whole > 1 || columns.is_empty() {
                columns = self.all_columns(oid);
            }
        }
        let with = ids(oid, &columns);
        self.parts.limited.extend(with.iter().chain(&ids(oid, &stored)));
        if compares.flag()? {
            self.compare(oid, Compared { written: columns, with, occasion: Occasion::Writing });
        }
        Ok(())
    }

    /// A foreign key compares both ways: what refers with what is referred to, and what is changed or removed with what
    /// refers to it. A check refuses some values, and so does a view with one; a check over several columns compares them with
    /// each other.
    fn constraint(
        &mut self,
        [kind, relation, key, referred, referred_key]: [Cell<'_>; 5],
    ) -> Result<(), Violation> {
        let oid = relation.number()?;
        let columns: BTreeSet<i16> = match key.0 {
            Some(_) => key.numbers()?.collect(),
            None => self.all_columns(oid),
        };
        if kind.text()? == "f" {
            let other: u32 = referred.number()?;
            let pairs = key.numbers()?.zip(referred_key.numbers()?);
            let id = |relation, number| ColumnId { relation, number };
            self.parts.foreign_keys.extend(pairs.map(|(own, referred)| (id(oid, own), id(other, referred))));
            let other_columns: BTreeSet<i16> = referred_key.numbers()?.collect();
            let (here, there) = (ids(oid, &columns), ids(other, &other_columns));
            self.compare(oid, Compared { written: columns, with: there, occasion: Occasion::Writing });
            let occasion = Occasion::WritingOrRemoval;
            self.compare(other, Compared { written: other_columns, with: here, occasion });
            return Ok(());
        }
        let with = ids(oid, &columns);
        self.parts.limited.extend(&with);
        if kind.text()? == "c" && columns.len() > 1 {
            self.compare(oid, Compared { written: columns, with, occasion: Occasion::Writing });
        }
        Ok(())
    }

    fn compare(&mut self, relation: u32, compared: Compared) {
        if let Some(relation) = self.relations.get_mut(&relation)
            && !relation.compared.contains(&compared)
        {
            relation.compared.push(compared);
        }
    }

    fn all_columns(&self, relation: u32) -> BTreeSet<i16> {
        let relation = self.relations.get(&relation);
        relation
            .map(|relation| relation.columns.iter().map(|column| column.number).collect())
            .unwrap_or_default()
    }

    fn function(
        &mut self,
        [schema, name, volatility, returns_set, arguments, defaults, variadic, takes_builtin_types]: [Cell<'_>;
            8],
    ) -> Result<(), Violation> {
        if takes_builtin_types.flag()? {
            self.parts.functions_of_builtin_types.insert(name.text()?.into());
        }
        let arguments: u16 = arguments.number()?;
        let variadic = variadic.flag()?;
        let optional = defaults.number::<u16>()? + u16::from(variadic);
        self.parts.functions.push(Function {
            schema: schema.text()?.into(),
            name: name.text()?.into(),
            volatility: volatility_of(volatility)?,
            returns_set: returns_set.flag()?,
            arguments_min: arguments.saturating_sub(optional),
            arguments_max: if variadic { u16::MAX } else { arguments },
        });
        Ok(())
    }

    fn built_in(&mut self, [name, volatility, returns_set]: [Cell<'_>; 3]) -> Result<(), Violation> {
        let builtin = Builtin { volatility: volatility_of(volatility)?, returns_set: returns_set.flag()? };
        self.parts.builtins.push((name.text()?.into(), builtin));
        Ok(())
    }

    /// What happens by itself: `kind` tells a trigger, a rule and a default apart.
    fn firing(
        &mut self,
        [relation, kind, name, column, schema, function, on]: [Cell<'_>; 7],
    ) -> Result<(), Violation> {
        let calls = FunctionName { schema: schema.text()?.into(), name: function.text()?.into() };
        let act = match kind.text()?.as_str() {
            "t" => Act::Trigger { name: name.text()?.into(), calls },
            "r" => Act::Rule { name: name.text()?.into() },
            "d" => Act::Default { column: column.number()?, calls },
            _ => return Err(MALFORMED),
        };
        let mut effects = Effect::empty();
        for letter in on.text()?.chars() {
            effects |= match letter {
                'i' => Effect::INSERT,
                'u' => Effect::UPDATE,
                'd' => Effect::DELETE,
                'e' => Effect::DEFINE,
                _ => return Err(MALFORMED),
            };
        }
        self.parts.firings.push(Firing { relation: relation.number()?, on: effects, act });
        Ok(())
    }

    fn follower(&mut self, [relation, kind, other]: [Cell<'_>; 3]) -> Result<(), Violation> {
        let other = other.number()?;
        let follower = match kind.text()?.as_str() {
            "r" => Follower::Refers(other),
            "u" => Follower::Underlies(other),
            _ => return Err(MALFORMED),
        };
        self.parts.followers.push((relation.number()?, follower));
        Ok(())
    }

    fn finish(mut self) -> Content {
        self.parts.vector_types.remove(&0);
        self.parts.relations = self.relations.into_values().collect();
        let domains = &self.domains;
        let base_types: HashMap<u32, (u32, i32)> =
            domains.keys().filter_map(|domain| Some((*domain, base_type(domains, *domain)?))).collect();
        let over_text = base_types.iter().filter(|(_, (base, _))| TEXT_TYPES.contains(base));
        self.parts.domains_over_text = over_text.map(|(domain, _)| *domain).collect();
        self.parts.plain_types.extend(&self.parts.domains_over_text);
        let search_path_setting = self.search_path_setting;
        let closed_schemas = self.closed_schemas;
        Content { base_types, search_path_setting, closed_schemas, schema: self.parts.into() }
    }
}

/// The type under a domain, however many domains lie between; the modifier is that of the domain next to the type.
fn base_type(domains: &HashMap<u32, (u32, i32)>, domain: u32) -> Option<(u32, i32)> {
    let mut found = *domains.get(&domain)?;
    for _ in 0..DOMAINS_DEPTH_MAX {
        match domains.get(&found.0) {
            Some(next) => found = *next,
            None => return Some(found),
        }
    }
    None
}

/// As [`QUERY`] numbers them, so that the worst is the greatest.
fn volatility_of(cell: Cell<'_>) -> Result<Volatility, Violation> {
    match cell.number()? {
        1 => Ok(Volatility::Immutable),
        2 => Ok(Volatility::Stable),
        3 => Ok(Volatility::Volatile),
        _ => Err(MALFORMED),
    }
}

/// As [`QUERY`] writes them: nothing for the usual one, less than 0 for one that is not deterministic.
fn collation_of(cell: Cell<'_>) -> Result<Collation, Violation> {
    let Some(_) = cell.0 else { return Ok(Collation::Usual) };
    let signed: i64 = cell.number()?;
    let oid = u32::try_from(signed.unsigned_abs()).map_err(|_| MALFORMED)?;
    Ok(if signed < 0 { Collation::Loose(oid) } else { Collation::Own(oid) })
}

fn ids(relation: u32, columns: &BTreeSet<i16>) -> BTreeSet<ColumnId> {
    columns.iter().map(|number| ColumnId { relation, number: *number }).collect()
}

/// A cell of the answer, in text format.
#[derive(Clone, Copy)]
struct Cell<'c>(Option<&'c [u8]>);

impl Cell<'_> {
    fn text(self) -> Result<String, Violation> {
        self.0.map(|cell| String::from_utf8_lossy(cell).into_owned()).ok_or(MALFORMED)
    }

    fn optional(self) -> Option<Box<str>> {
        self.0.map(|cell| String::from_utf8_lossy(cell).into())
    }

    fn number<N: std::str::FromStr>(self) -> Result<N, Violation> {
        self.text()?.parse().map_err(|_| MALFORMED)
    }

    fn flag(self) -> Result<bool, Violation> {
        match self.0 {
            Some(b"t") => Ok(true),
            Some(b"f") => Ok(false),
            _ => Err(MALFORMED),
        }
    }

    fn numbers(self) -> Result<impl Iterator<Item = i16>, Violation> {
        Ok(split(&self.text()?)?.into_iter())
    }
}

fn split(numbers: &str) -> Result<Vec<i16>, Violation> {
    numbers.split_ascii_whitespace().map(|number| number.parse().map_err(|_| MALFORMED)).collect()
}

fn cells<const N: usize>(message: &[u8]) -> Result<[Cell<'_>; N], Violation> {
    let mut cells = [Cell(None); N];
    walk_row(message, N, |column, cell| cells[column] = Cell(cell))?;
    Ok(cells)
}
