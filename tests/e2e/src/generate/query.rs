//! SELECT in its forms: FROM with everything that can stand there, clauses that shape rows, set operations, WITH.

use super::expression::{Aim, Composer, DEPTH_MAX, Place, Source};
use super::kind::Kind;
use super::production::SETS;
use super::world::{Column, Protection, Relation, Writing};

/// Most sources of one FROM.
const SOURCES_MAX: usize = 3;

/// Most columns of a result.
const COLUMNS_MAX: usize = 4;

/// A query and its columns.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// What it returns.
    pub columns: Vec<Column>,
}

/// A column of a query.
fn column(name: &str, kind: Kind, is_protected: bool) -> Column {
    let protection = if is_protected { Protection::Protected } else { Protection::Free };
    Column { name: name.to_owned(), kind, protection, writing: Writing::Never }
}

impl Composer<'_> {
    /// A statement that only reads.
    pub fn top_query(&mut self) -> String {
        let with = if self.dice.chance(25) { self.with() } else { String::new() };
        let query =
            if self.dice.chance(25) { self.showing_rows() } else { self.query(None, DEPTH_MAX - 1).sql };
        with + &query
    }

    /// A query with named columns, of the kinds given.
    pub fn query(&mut self, kinds: Option<&[Kind]>, depth: usize) -> Query {
        if depth > 0 && self.dice.chance(12) {
            return self.set_operation(kinds, depth - 1);
        }
        let mark = self.sources.len();
        let from = self.from(depth);
        let query = match (kinds, self.dice.below(10)) {
            (None, 7) => self.grouped(&from, depth),
            (None, 8) => self.aggregated(&from, depth),
            (None, 9) => self.over_windows(&from, depth),
            (_, 5 | 6) => self.distinct(kinds, &from, depth),
            _ => self.plain(kinds, &from, depth),
        };
        self.sources.truncate(mark);
        query
    }

    /// A query in FROM sees what is outside only if it is LATERAL.
    fn hidden<T>(&mut self, compose: impl FnOnce(&mut Self) -> T) -> T {
        let outside = std::mem::take(&mut self.sources);
        let composed = compose(self);
        self.sources = outside;
        composed
    }

    fn plain(&mut self, kinds: Option<&[Kind]>, from: &str, depth: usize) -> Query {
        let kinds = self.kinds_for(kinds, |_| true);
        let (items, columns) = self.items(&kinds, depth);
        let (filter, tail) = (self.filter(depth), self.tail(&columns));
        Query { sql: format!("select {items} from {from}{filter}{tail}"), columns }
    }

    fn distinct(&mut self, kinds: Option<&[Kind]>, from: &str, depth: usize) -> Query {
        let kinds = self.kinds_for(kinds, Kind::has_equality);
        if !kinds.iter().all(|kind| kind.has_equality()) {
            return self.plain(Some(&kinds), from, depth);
        }
        let (items, columns) = self.shaping(|composer| composer.items(&kinds, depth));
        let filter = self.filter(depth);
        Query { sql: format!("select distinct {items} from {from}{filter}"), columns }
    }

    fn grouped(&mut self, from: &str, depth: usize) -> Query {
        let key = self.shaping(|composer| composer.column_where(|column| column.kind.has_equality()));
        let Some((key, of)) = key else { return self.aggregated(from, depth) };
        let ((aggregate, kind), touches) =
            self.tracked(|composer| composer.aggregate(depth.saturating_sub(2)));
        let names = (self.fresh('x'), self.fresh('x'));
        let filter = self.filter(depth);
        let having = match self.dice.below(4) {
            0 => String::new(),
            1 => " having count(*) > 1".to_owned(),
            2 => format!(" order by {key}"),
            _ => self.shaping(|composer| format!(" having {} is not null", composer.aggregate(0).0)),
        };
        let sql = format!(
            "select {key} as {}, {aggregate} as {} from {from}{filter} group by {key}{having}",
            names.0, names.1
        );
        let columns = vec![column(&names.0, of.kind, of.is_protected()), column(&names.1, kind, touches)];
        Query { sql, columns }
    }

    fn aggregated(&mut self, from: &str, depth: usize) -> Query {
        let mut items = Vec::new();
        let mut columns = Vec::new();
        for _ in 0..=self.dice.below(2) {
            let ((sql, kind), touches) = self.tracked(|composer| composer.aggregate(depth.saturating_sub(1)));
            let name = self.fresh('x');
            items.push(format!("{sql} as {name}"));
            columns.push(column(&name, kind, touches));
        }
        let filter = self.filter(depth);
        Query { sql: format!("select {} from {from}{filter}", items.join(", ")), columns }
    }

    fn over_windows(&mut self, from: &str, depth: usize) -> Query {
        let ((call, kind), touches) = self.tracked(|composer| composer.windowed(depth.saturating_sub(2)));
        let (items, mut columns) = self.items(&[Kind::Int4], depth);
        let name = self.fresh('x');
        columns.push(column(&name, kind, touches));
        let filter = self.filter(depth);
        Query { sql: format!("select {items}, {call} as {name} from {from}{filter}"), columns }
    }

    fn set_operation(&mut self, kinds: Option<&[Kind]>, depth: usize) -> Query {
        let kinds = self.kinds_for(kinds, Kind::has_equality);
        let is_comparable = kinds.iter().all(|kind| kind.has_equality());
        let operators: &[&str] = if is_comparable {
            &["union all", "union", "intersect", "except", "intersect all"]
        } else {
            &["union all"]
        };
        let operator = *self.dice.pick(operators);
        let place = if operator == "union all" { self.place } else { Place::Shaping };
        let outside = std::mem::replace(&mut self.place, place);
        let (left, right) = (self.query(Some(&kinds), depth), self.query(Some(&kinds), depth));
        self.place = outside;
        let columns = left.columns.iter().zip(&right.columns);
        let columns = columns
            .map(|(one, other)| column(&one.name, one.kind, one.is_protected() || other.is_protected()));
        Query { sql: format!("({}) {operator} ({})", left.sql, right.sql), columns: columns.collect() }
    }

    /// Kinds of a result: the wanted ones, or those of columns in sight.
    fn kinds_for(&mut self, kinds: Option<&[Kind]>, fits: impl Fn(Kind) -> bool) -> Vec<Kind> {
        if let Some(kinds) = kinds {
            return kinds.to_vec();
        }
        let count = self.dice.below(COLUMNS_MAX) + 1;
        (0..count)
            .map(|_| {
                let visible = if self.dice.chance(60) { self.visible_kind(&fits) } else { None };
                let kind = visible.unwrap_or_else(|| self.kind());
                if fits(kind) { kind } else { Kind::Text }
            })
            .collect()
    }

    fn items(&mut self, kinds: &[Kind], depth: usize) -> (String, Vec<Column>) {
        let mut items = Vec::new();
        let mut columns = Vec::new();
        for kind in kinds {
            let (sql, touches) = self.tracked(|composer| composer.expression(*kind, depth));
            let name = self.fresh('x');
            items.push(format!("{sql} as {name}"));
            columns.push(column(&name, *kind, touches));
        }
        (items.join(", "), columns)
    }

    fn filter(&mut self, depth: usize) -> String {
        if !self.dice.chance(45) {
            return String::new();
        }
        format!(" where {}", self.shaping(|composer| composer.condition(depth.min(2))))
    }

    /// ORDER BY and LIMIT.
    fn tail(&mut self, columns: &[Column]) -> String {
        let mut tail = String::new();
        if self.dice.chance(40) {
            let key = self.shaping(|composer| composer.order_key(columns));
            tail = format!(" order by {key}");
        }
        match self.dice.below(8) {
            5 => tail.push_str(" limit 2"),
            6 => tail.push_str(" offset 1 limit 3"),
            7 => tail.push_str(" fetch first 1 rows only"),
            _ => {}
        }
        tail
    }

    fn order_key(&mut self, columns: &[Column]) -> String {
        if self.dice.chance(30)
            && let Some(place) = columns.iter().position(|column| column.kind.has_equality())
            && self.may_take_all(&columns[place..=place])
        {
            return format!("{} desc nulls last", place + 1);
        }
        let kind = if self.dice.chance(40) { self.comparable_kind() } else { Kind::Int4 };
        // A constant is no key for the server.
        self.column(kind).unwrap_or_else(|| "(select 1)".to_owned())
    }

    /// FROM's inside. What it introduces is in sight afterwards.
    fn from(&mut self, depth: usize) -> String {
        let (mut from, source) = self.source(depth);
        let mark = self.sources.len();
        self.sources.push(source);
        while self.sources.len() - mark < SOURCES_MAX && self.dice.chance(30) {
            from = self.join(&from, depth, mark);
        }
        from
    }

    fn join(&mut self, from: &str, depth: usize, mark: usize) -> String {
        if depth > 0 && self.dice.chance(25) {
            let query = self.query(None, depth.saturating_sub(2));
            let alias = self.fresh('s');
            self.sources.push(Source { alias: alias.clone(), columns: query.columns });
            return format!("{from} cross join lateral ({}) as {alias}", query.sql);
        }
        if self.dice.chance(20) {
            return self.join_set(from, depth);
        }
        let (sql, source) = self.source(depth.saturating_sub(1));
        let have_id = |columns: &[Column]| columns.iter().any(|column| column.name == "id");
        let first = self.sources[mark].clone();
        let both_have_id = have_id(&first.columns) && have_id(&source.columns);
        let alias = source.alias.clone();
        self.sources.push(source);
        let by_id = format!("on {}.id = {alias}.id", first.alias);
        match self.dice.below(6) {
            1 if both_have_id => format!("{from} left join {sql} {by_id}"),
            2 if both_have_id => format!("{from} full join {sql} {by_id}"),
            3 if both_have_id => format!("{from} right join {sql} {by_id}"),
            4 => format!("{from} cross join {sql}"),
            5 => {
                let condition = self.shaping(|composer| composer.condition(1));
                format!("{from} left join {sql} on {condition}")
            }
            _ if both_have_id => format!("{from} join {sql} {by_id}"),
            _ => format!("{from} cross join {sql}"),
        }
    }

    /// A function that returns a set, which may read what stands before it.
    fn join_set(&mut self, from: &str, depth: usize) -> String {
        let (kind, template) = *self.dice.pick(SETS);
        let (call, touches) =
            self.tracked(|composer| composer.shaping(|composer| composer.filled(template, depth.min(1))));
        let (alias, name) = (self.fresh('s'), self.fresh('x'));
        let columns = vec![column(&name, kind, touches)];
        self.sources.push(Source { alias: alias.clone(), columns });
        format!("{from} cross join {call} as {alias}({name})")
    }

    /// Something to read from, seeing nothing that stands before it.
    fn source(&mut self, depth: usize) -> (String, Source) {
        let choice = if depth == 0 { 0 } else { self.dice.below(12) };
        match choice {
            9 => self.hidden(|composer| composer.subquery_source(depth - 1)),
            10 => self.hidden(|composer| composer.values_source(depth - 1)),
            11 => self.whole_source(),
            8 if !self.named.is_empty() => {
                let named = self.named.clone();
                let source = self.dice.pick(&named);
                let alias = self.fresh('a');
                (format!("{} as {alias}", source.alias), Source { alias, columns: source.columns.clone() })
            }
            _ => {
                let relation = self.relation(|_| true);
                let alias = self.fresh('a');
                (format!("{} as {alias}", relation.name), Source { alias, columns: relation.columns })
            }
        }
    }

    /// A relation that is as wanted; the simplest if none is. Where something may be touched, those with protected columns
    /// come up more often.
    pub fn relation(&mut self, wanted: impl Fn(&Relation) -> bool) -> Relation {
        let seeks = self.may_touch();
        let weight = |relation: &Relation| if seeks && relation.has_protected() { 4 } else { 1 };
        let fitting = self.world.relations.iter().filter(|relation| wanted(relation));
        let fitting: Vec<(usize, &Relation)> = fitting.map(|relation| (weight(relation), relation)).collect();
        match fitting.is_empty() {
            true => self.world.relations[0].clone(),
            false => (*self.dice.weighted(&fitting)).clone(),
        }
    }

    fn subquery_source(&mut self, depth: usize) -> (String, Source) {
        let query = self.query(None, depth);
        let alias = self.fresh('s');
        (format!("({}) as {alias}", query.sql), Source { alias, columns: query.columns })
    }

    fn values_source(&mut self, depth: usize) -> (String, Source) {
        let kinds = [self.kind(), Kind::Int4];
        let names = [self.fresh('x'), self.fresh('x')];
        let rows: Vec<String> = (0..=self.dice.below(3))
            .map(|_| {
                let cells = kinds.map(|kind| self.expression(kind, depth.min(1)));
                format!("({})", cells.join(", "))
            })
            .collect();
        let alias = self.fresh('s');
        let sql = format!("(values {}) as {alias}({})", rows.join(", "), names.join(", "));
        let columns = names.iter().zip(kinds).map(|(name, kind)| column(name, kind, false)).collect();
        (sql, Source { alias, columns })
    }

    /// Everything of a relation, as a query. Its protected columns stay what they are, mentioned or not.
    fn whole_source(&mut self) -> (String, Source) {
        let relation = self.relation(|_| true);
        let alias = self.fresh('s');
        let form = if self.dice.chance(50) { "select *" } else { "table" };
        let sql = match form {
            "table" => format!("(table {}) as {alias}", relation.name),
            _ => format!("(select * from {}) as {alias}", relation.name),
        };
        // The server computes what is not used, but shows it nowhere.
        (sql, Source { alias, columns: relation.columns })
    }

    /// WITH, and what it names is in sight of FROM.
    fn with(&mut self) -> String {
        if self.dice.chance(35) {
            return self.with_recursive();
        }
        let (query, form) =
            (self.query(None, DEPTH_MAX - 2), *self.dice.pick(&["", "materialized ", "not materialized "]));
        let name = self.fresh('w');
        self.named.push(Source { alias: name.clone(), columns: query.columns });
        format!("with {name} as {form}({}) ", query.sql)
    }

    fn with_recursive(&mut self) -> String {
        let relation = self.relation(|relation| relation.columns.iter().any(|column| column.name == "id"));
        let name = self.fresh('w');
        let source = Source { alias: "b".to_owned(), columns: relation.columns.clone() };
        self.sources.push(source);
        let kind = self.comparable_kind();
        let (first, touches) = self.tracked(|composer| composer.expression(kind, 1));
        self.sources.pop();
        let columns = vec![column("n", Kind::Int4, false), column("x", kind, touches)];
        let step = Source { alias: "r".to_owned(), columns: columns.clone() };
        let outside = std::mem::replace(&mut self.sources, vec![step]);
        let next = self.expression(kind, 1);
        let ends = if self.dice.chance(30) {
            let condition = self.shaping(|composer| composer.expression(Kind::Bool, 1));
            format!(" and {condition}")
        } else {
            String::new()
        };
        self.sources = outside;
        self.named.push(Source { alias: name.clone(), columns });
        let Relation { name: table, .. } = relation;
        format!(
            "with recursive {name}(n, x) as (select 1, {first} from {table} as b where b.id = 1 \
             union all select r.n + 1, {next} from {name} as r where r.n < 3{ends}) "
        )
    }

    /// A query of exactly one row, in an expression.
    pub(crate) fn scalar_subquery(&mut self, kind: Kind, depth: usize) -> String {
        if self.aim == Aim::Anything && self.dice.chance(30) {
            let query = self.query(Some(&[kind]), depth.min(1));
            return format!("({} limit 1)", without_tail(&query.sql));
        }
        let relation = self.relation(|relation| relation.columns.iter().any(|column| column.name == "id"));
        let alias = self.fresh('q');
        self.sources.push(Source { alias: alias.clone(), columns: relation.columns.clone() });
        let item = self.expression(kind, depth.min(1));
        self.sources.pop();
        format!("(select {item} from {} as {alias} where {alias}.id = 2)", relation.name)
    }

    /// A condition on a query.
    pub(crate) fn subquery_condition(&mut self) -> String {
        let kind = self.comparable_kind();
        match self.dice.below(3) {
            0 => format!("exists ({})", self.query(Some(&[Kind::Int4]), 1).sql),
            1 => format!("{} in ({})", self.expression(kind, 0), self.query(Some(&[kind]), 0).sql),
            _ => format!("{} <> all ({})", self.expression(kind, 0), self.query(Some(&[kind]), 0).sql),
        }
    }

    /// A query whose result holds stars and whole rows, the names of which are not known to what stands around it.
    fn showing_rows(&mut self) -> String {
        let relation = self.relation(|_| true);
        let columns = relation.columns.clone();
        self.sources.push(Source { alias: "w".to_owned(), columns: columns.clone() });
        let item = if self.may_take_all(&columns) {
            self.mention(&columns);
            *self.dice.pick(&WHOLE)
        } else {
            *self.dice.pick(&HARMLESS)
        };
        let filter = self.filter(1);
        self.sources.pop();
        format!("select {item} from {} as w{filter}", relation.name)
    }
}

/// Ways to take all columns of `w` at once.
const WHOLE: [&str; 20] = [
    "*",
    "w.*",
    "w",
    "w::text",
    "(w).*",
    "row(w.*)",
    "row_to_json(w)",
    "to_jsonb(w) - 'id'",
    "json_agg(w)",
    "count(w)",
    "array_agg(w)",
    "coalesce(w)",
    "hashtext(w::text)",
    "concat(w.*)",
    "(select w)",
    "to_json(array[w])",
    "length(w::text), w.id",
    "w.*, w.*",
    "jsonb_object_keys(to_jsonb(w))",
    "md5(textin(record_out(w)))",
];

/// What of `w` tells nothing of its columns' values.
const HARMLESS: [&str; 6] = [
    "count(*)",
    "1",
    "w.id, w.k",
    "w.tableoid::regclass",
    "count(*) over ()",
    "array(select generate_series(1, w.k & 3))",
];

/// A query in parentheses, for what follows it.
fn without_tail(sql: &str) -> String {
    format!("select * from ({sql}) as one")
}
