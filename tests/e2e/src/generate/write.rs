//! Statements that write, with RETURNING; and COPY both ways.

use super::expression::{Aim, Composer, DEPTH_MAX, Source};
use super::kind::Kind;
use super::world::{Column, Relation, Writing};

/// Keys that no table's rows have at first.
const NEW_KEYS: [&str; 4] = ["901", "902", "903", "904"];

/// One way to write.
type Form<C> = fn(&mut C) -> String;

impl Composer<'_> {
    /// A statement that writes a table.
    pub fn write(&mut self) -> String {
        let forms: &[(usize, Form<Self>)] = &[
            (4, Self::update),
            (4, Self::insert),
            (2, Self::delete),
            (2, Self::upsert),
            (2, Self::merge),
            (1, Self::write_in_with),
        ];
        let form = *self.dice.weighted(forms);
        form(self)
    }

    /// Whether writing a column serves what the statement is to do.
    fn may_write(&self, column: &Column) -> bool {
        match (self.aim, column.writing) {
            (_, Writing::Never) | (Aim::Untouched | Aim::Shown, Writing::Probes) => false,
            (Aim::Untouched, Writing::Free) => !column.is_protected(),
            (Aim::Shown, Writing::Free) | (Aim::Anything, Writing::Free | Writing::Probes) => true,
        }
    }

    fn table(&mut self) -> Relation {
        let aim = self.aim;
        let relation = self.relation(|relation| match relation.writing {
            Writing::Never => false,
            Writing::Free => true,
            Writing::Probes => aim == Aim::Anything,
        });
        self.touches |= relation.writing == Writing::Probes;
        relation
    }

    /// A column to write beside the key, if there is one.
    fn target(&mut self, relation: &Relation) -> Option<Column> {
        let targets: Vec<&Column> = relation.writable();
        let targets: Vec<&Column> =
            targets.into_iter().filter(|column| self.may_write(column) && column.name != "id").collect();
        if targets.is_empty() {
            return None;
        }
        let target = (*self.dice.pick(&targets)).clone();
        self.touches |= target.is_protected() || target.writing == Writing::Probes;
        Some(target)
    }

    /// What is written to a column: nothing protected, unless anything goes.
    fn assigned(&mut self, kind: Kind) -> String {
        self.shaping(|composer| composer.expression(kind, 2))
    }

    fn assignment(&mut self, relation: &Relation) -> String {
        match self.target(relation) {
            None => "k = 3".to_owned(),
            Some(target) if target.name == "k" => {
                format!("k = {}", self.dice.pick(&["2", "NULL", "104", "5000", "k + 1"]))
            }
            Some(target) => format!("{} = {}", target.name, self.assigned(target.kind)),
        }
    }

    fn returning(&mut self) -> String {
        if !self.dice.chance(70) {
            return String::new();
        }
        let columns = self.sources.last().map(|source| source.columns.clone()).unwrap_or_default();
        if self.dice.chance(30) && self.may_take_all(&columns) {
            self.sources.iter().for_each(|source| {
                self.touches |= source.columns.iter().any(Column::is_protected);
            });
            return format!(" returning {}", self.dice.pick(&["*", "a", "a.*", "row_to_json(a)", "a::text"]));
        }
        let (first, second) = (self.expression(Kind::Text, 2), self.kind());
        let second = self.expression(second, 1);
        format!(" returning {first} as x, {second} as y")
    }

    fn row_filter(&mut self) -> String {
        match self.dice.below(4) {
            0 => "a.id = 2".to_owned(),
            1 => "a.id < 4".to_owned(),
            _ => self.shaping(|composer| composer.condition(1)),
        }
    }

    fn with_target<T>(&mut self, relation: &Relation, compose: impl FnOnce(&mut Self) -> T) -> T {
        let source = Source { alias: "a".to_owned(), columns: relation.columns.clone() };
        self.sources.push(source);
        let composed = compose(self);
        self.sources.pop();
        composed
    }

    fn update(&mut self) -> String {
        let relation = self.table();
        self.with_target(&relation, |composer| {
            let assignment = composer.assignment(&relation);
            let (filter, returning) = (composer.row_filter(), composer.returning());
            format!("update {} as a set {assignment} where {filter}{returning}", relation.name)
        })
    }

    fn insert(&mut self) -> String {
        let relation = self.table();
        let head = self.insert_head(&relation);
        self.with_target(&relation, |composer| head + &composer.returning())
    }

    /// `INSERT INTO … VALUES …`, or a query.
    fn insert_head(&mut self, relation: &Relation) -> String {
        let key = *self.dice.pick(&["901", "902", "903", "1"]);
        let target = self.target(relation).filter(|target| target.name != "k");
        let (name, value) = match &target {
            Some(target) => (format!(", {}", target.name), format!(", {}", self.assigned(target.kind))),
            None => (String::new(), String::new()),
        };
        let table = &relation.name;
        if self.dice.chance(30) {
            let rows = "from generate_series(0, 1) as g(n)";
            return format!("insert into {table} as a (id, k{name}) select {key} + g.n, 1{value} {rows}");
        }
        let k = self.dice.pick(&["1", "2", "104", "NULL", "5000"]);
        format!("insert into {table} as a (id, k{name}) values ({key}, {k}{value})")
    }

    fn upsert(&mut self) -> String {
        let relation = self.table();
        let head = self.insert_head(&relation);
        self.with_target(&relation, |composer| {
            let action = match composer.dice.below(3) {
                0 => "do nothing".to_owned(),
                1 => format!("do update set {}", composer.assignment(&relation).replace("k + 1", "a.k + 1")),
                _ => {
                    let filter = composer.row_filter();
                    format!("do update set k = excluded.k where {filter}")
                }
            };
            format!("{head} on conflict (id) {action}{}", composer.returning())
        })
    }

    fn delete(&mut self) -> String {
        let relation = self.table();
        self.with_target(&relation, |composer| {
            let (filter, returning) = (composer.row_filter(), composer.returning());
            format!("delete from {} as a where {filter}{returning}", relation.name)
        })
    }

    fn merge(&mut self) -> String {
        let relation = self.table();
        let source = self.relation(|relation| relation.columns.iter().any(|column| column.name == "id"));
        self.sources.push(Source { alias: "s".to_owned(), columns: source.columns.clone() });
        let sql = self.with_target(&relation, |composer| {
            let matched = match composer.dice.below(3) {
                0 => format!("update set {}", composer.assignment(&relation).replace("k + 1", "a.k + 1")),
                1 => "delete".to_owned(),
                _ => "do nothing".to_owned(),
            };
            let filter = composer.shaping(|composer| composer.condition(1));
            let key = *composer.dice.pick(&NEW_KEYS);
            format!(
                "merge into {} as a using {} as s on a.id = s.id when matched and {filter} then {matched} \
                 when not matched then insert (id, k) values (s.id + {key}, 2)",
                relation.name, source.name
            )
        });
        self.sources.pop();
        sql
    }

    fn write_in_with(&mut self) -> String {
        let relation = self.table();
        let inner = self.with_target(&relation, |composer| {
            let assignment = composer.assignment(&relation);
            let kind = composer.kind();
            let (shown, filter) = (composer.expression(kind, 2), composer.row_filter());
            format!(
                "update {} as a set {assignment} where {filter} returning a.id, {shown} as x",
                relation.name
            )
        });
        format!("with written as ({inner}) select * from written")
    }

    /// COPY … TO STDOUT.
    pub fn copy_out(&mut self) -> String {
        let options = *self.dice.pick(&[
            "",
            " with (format csv)",
            " with (format csv, header, force_quote *)",
            " with (format binary)",
        ]);
        if self.dice.chance(50) {
            return format!("copy ({}) to stdout{options}", self.query(None, DEPTH_MAX - 1).sql);
        }
        let relation = self.relation(|relation| relation.writing != Writing::Never);
        // A generated column cannot be copied.
        let names = relation.columns.iter().filter(|column| column.writing != Writing::Never);
        let shown: Vec<&Column> = names.filter(|column| self.may_touch() || !column.is_protected()).collect();
        self.touches |= shown.iter().any(|column| column.is_protected());
        let names: Vec<&str> = shown.iter().map(|column| column.name.as_str()).collect();
        format!("copy {} ({}) to stdout{options}", relation.name, names.join(", "))
    }

    /// COPY … FROM STDIN, and what is sent.
    pub fn copy_in(&mut self) -> (String, String) {
        let relation = self.table();
        let target = self.target(&relation).filter(|target| target.name != "k");
        let (name, value) = match &target {
            Some(target) => (format!(", {}", target.name), *self.dice.pick(target.kind.values())),
            None => (String::new(), ""),
        };
        let key = *self.dice.pick(&["901", "902", "903", "1", "x"]);
        let cell =
            if target.is_some() { format!("\t{}", value.replace('\\', "\\\\")) } else { String::new() };
        let data = format!("{key}\t1{cell}\n");
        (format!("copy {} (id, k{name}) from stdin", relation.name), data)
    }
}
