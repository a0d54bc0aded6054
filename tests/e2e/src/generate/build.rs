//! Makes worlds: tables with columns of random types, some protected, with keys, checks, partitions, children, generated
//! columns and views over them; and for each twin the rows.

use super::dice::Dice;
use super::expression::{Aim, Composer, Parameters};
use super::kind::{KINDS, Kind, ROWS_MAX, TYPES};
use super::world::{Column, Protection, Relation, World, Writing};

/// Fewest and most columns of a table beside its key.
const COLUMNS: [usize; 2] = [3, 6];

/// Most views.
const VIEWS_MAX: usize = 3;

/// A value for each twin; none for NULL, which both have in the same places.
type Cell = [Option<String>; 2];

/// A column being made: how it is defined, and a value for each row unless the server makes them.
#[derive(Clone)]
struct Planned {
    column: Column,
    definition: String,
    cells: Vec<Cell>,
}

struct Builder<'d> {
    dice: &'d mut Dice,
    relations: Vec<Relation>,
    definition: String,
    tables: Vec<String>,
    rows: [String; 2],
    refreshed: String,
    rules: Vec<String>,
    /// A unique column of the first table, to refer to.
    target: Option<Planned>,
}

impl World {
    /// A world made of choices.
    pub fn build(dice: &mut Dice) -> Self {
        let mut builder = Builder {
            dice,
            relations: Vec::new(),
            definition: TYPES.to_owned(),
            tables: Vec::new(),
            rows: Default::default(),
            refreshed: String::new(),
            rules: Vec::new(),
            target: None,
        };
        builder.tables();
        builder.views();
        builder.finish()
    }
}

impl Builder<'_> {
    fn tables(&mut self) {
        let first = self.columns(Protection::Protected);
        self.target = first.iter().find(|planned| planned.definition.ends_with(" UNIQUE")).cloned();
        self.table("t0", &first);
        if self.dice.chance(60) {
            self.referring("t1");
        }
        if self.dice.chance(60) {
            let columns = self.columns(Protection::Protected);
            self.table("t2", &columns);
        }
        if self.dice.chance(50) {
            self.partitioned("p");
        }
        if self.dice.chance(40) {
            self.child("h");
        }
        let columns = self.columns(Protection::Free);
        self.table("free", &columns);
    }

    fn finish(self) -> World {
        let tables = self.tables.join(", ");
        let rows = self.rows.map(|rows| format!("TRUNCATE {tables} CASCADE;\n{rows}{}", self.refreshed));
        World { relations: self.relations, definition: self.definition, rows, rules: self.rules }
    }

    /// Columns beside the key. With `Protected`, some of them are, and at least one.
    fn columns(&mut self, protection: Protection) -> Vec<Planned> {
        let count = COLUMNS[0] + self.dice.below(COLUMNS[1] - COLUMNS[0] + 1);
        let mut columns: Vec<Planned> = (0..count)
            .map(|index| {
                let is_protected =
                    protection == Protection::Protected && (index == 0 || self.dice.chance(40));
                self.stored(
                    &format!("c{index}"),
                    if is_protected { protection } else { Protection::Free },
                    index,
                )
            })
            .collect();
        if self.dice.chance(35) {
            columns.extend(generated(&columns));
        }
        columns
    }

    /// Texts come up in every table, other kinds as they fall.
    fn stored(&mut self, name: &str, protection: Protection, index: usize) -> Planned {
        let kind = if index == 1 { Kind::Text } else { *self.dice.pick(&KINDS) };
        let is_unique = kind.may_be_unique() && self.dice.chance(25);
        let cells =
            if is_unique { self.unequal_cells(kind, protection) } else { self.cells(kind, protection) };
        let is_protected = protection == Protection::Protected;
        let writing = if is_unique && is_protected { Writing::Probes } else { Writing::Free };
        let unique = if is_unique { " UNIQUE" } else { "" };
        let definition = format!("{name} {}{unique}", kind.column_type());
        Planned { column: Column { name: name.to_owned(), kind, protection, writing }, definition, cells }
    }

    fn cells(&mut self, kind: Kind, protection: Protection) -> Vec<Cell> {
        (0..ROWS_MAX)
            .map(|_| {
                if self.dice.chance(12) {
                    return [None, None];
                }
                let left = *self.dice.pick(kind.values());
                let right = match protection {
                    Protection::Free => left,
                    Protection::Protected => *self.dice.pick(kind.values()),
                };
                [Some(left.to_owned()), Some(right.to_owned())]
            })
            .collect()
    }

    /// No value twice in a column, and none the same for both twins where it is protected.
    fn unequal_cells(&mut self, kind: Kind, protection: Protection) -> Vec<Cell> {
        let values = kind.values();
        let left = self.dice.below(values.len());
        let right = match protection {
            Protection::Free => left,
            Protection::Protected => left + 1 + self.dice.below(values.len() - 1),
        };
        let value = |at: usize| Some(values[at % values.len()].to_owned());
        (0..ROWS_MAX).map(|row| [value(left + row), value(right + row)]).collect()
    }

    /// A table with a column that refers to a unique one of the first table.
    fn referring(&mut self, name: &str) {
        let mut columns = self.columns(Protection::Protected);
        if let Some(target) = self.target.clone() {
            columns.push(self.reference(&target));
        }
        self.table(name, &columns);
    }

    fn reference(&mut self, target: &Planned) -> Planned {
        let action = *self.dice.pick(&["", " ON DELETE CASCADE", " ON DELETE SET NULL"]);
        let Column { kind, name: target_name, protection, .. } = &target.column;
        let protection = *protection;
        let definition = format!("{REFERENCE} {} REFERENCES t0 ({target_name}){action}", kind.column_type());
        let cells = (0..ROWS_MAX).map(|_| {
            let left = self.dice.below(target.cells.len());
            let right =
                if protection == Protection::Protected { self.dice.below(target.cells.len()) } else { left };
            [target.cells[left][0].clone(), target.cells[right][1].clone()]
        });
        let cells = cells.collect();
        if protection == Protection::Protected {
            // Deleting or changing what is referred to fails, or changes rows here.
            probe_by_everything(&mut self.relations[0]);
        }
        let writing = if protection == Protection::Protected { Writing::Probes } else { Writing::Free };
        Planned {
            column: Column { name: REFERENCE.into(), kind: *kind, protection, writing },
            definition,
            cells,
        }
    }

    /// Creates a table and plans its rows. Some have a check on a protected and a free column.
    fn table(&mut self, name: &str, columns: &[Planned]) {
        let protected =
            columns.iter().find(|planned| planned.column.is_protected() && !planned.cells.is_empty());
        let check = match protected {
            Some(planned) if self.dice.chance(15) => {
                format!(", CHECK (k < 100 + length({}::text))", planned.column.name)
            }
            _ => String::new(),
        };
        let definitions = definitions(columns);
        self.definition.push_str(&format!("CREATE TABLE {name} ({KEY}{definitions}{check});\n"));
        self.rules.extend(rules(name, columns));
        let mut relation = relation(name, columns);
        if !check.is_empty() {
            probe_by_everything(&mut relation);
        }
        self.relations.push(relation);
        self.tables.push(name.to_owned());
        self.fill(name, columns, 1);
    }

    /// Rows with keys from `first` on.
    fn fill(&mut self, table: &str, columns: &[Planned], first: usize) {
        let stored: Vec<&Planned> = columns.iter().filter(|planned| !planned.cells.is_empty()).collect();
        let names: String = stored.iter().map(|planned| format!(", {}", planned.column.name)).collect();
        for row in 0..ROWS_MAX {
            let k = self.dice.below(4);
            for twin in 0..2 {
                let cells = stored.iter().map(|planned| match &planned.cells[row][twin] {
                    Some(value) => format!(", {}", planned.column.kind.literal(value)),
                    None => ", NULL".to_owned(),
                });
                let cells: String = cells.collect();
                let key = first + row;
                self.rows[twin]
                    .push_str(&format!("INSERT INTO {table} (id, k{names}) VALUES ({key}, {k}{cells});\n"));
            }
        }
    }

    /// A table in two partitions. The rules name its columns, or those of one partition only.
    fn partitioned(&mut self, name: &str) {
        let mut columns = self.columns(Protection::Protected);
        for planned in &mut columns {
            planned.definition = planned.definition.replace(" UNIQUE", "");
            if planned.column.writing == Writing::Probes {
                planned.column.writing = Writing::Free;
            }
        }
        let parts = [format!("{name}_a"), format!("{name}_b")];
        let definitions = definitions(&columns);
        self.definition.push_str(&format!(
            "CREATE TABLE {name} ({KEY}{definitions}) PARTITION BY RANGE (id);\n\
             CREATE TABLE {} PARTITION OF {name} FOR VALUES FROM (MINVALUE) TO (4);\n\
             CREATE TABLE {} PARTITION OF {name} FOR VALUES FROM (4) TO (1000);\n",
            parts[0], parts[1]
        ));
        let ruled = *self.dice.pick(&[name, &parts[0], &parts[1]]);
        self.rules.extend(rules(ruled, &columns));
        for name in [name, &parts[0], &parts[1]] {
            self.relations.push(relation(name, &columns));
        }
        self.tables.push(name.to_owned());
        self.fill(name, &columns, 1);
    }

    /// A table that inherits from the first one.
    fn child(&mut self, name: &str) {
        self.definition.push_str(&format!("CREATE TABLE {name} (extra text) INHERITS (t0);\n"));
        let mut columns = self.relations[0].columns.clone();
        columns.push(Column {
            name: "extra".into(),
            kind: Kind::Text,
            protection: Protection::Free,
            writing: Writing::Free,
        });
        self.relations.push(Relation {
            name: name.into(),
            columns,
            writing: self.relations[0].writing,
            query: None,
        });
        self.tables.push(name.to_owned());
        for twin in &mut self.rows {
            twin.push_str(&format!(
                "INSERT INTO {name} (id, k, extra) VALUES (21, 1, 'more'), (22, 2, NULL);\n"
            ));
        }
    }

    fn views(&mut self) {
        for index in 0..self.dice.below(VIEWS_MAX + 1) {
            let is_stored = self.dice.chance(40);
            let name = format!("{}{index}", if is_stored { 'm' } else { 'v' });
            let aim = *self.dice.pick(&[Aim::Shown, Aim::Untouched]);
            let world = World {
                relations: self.relations.clone(),
                definition: String::new(),
                rows: Default::default(),
                rules: Vec::new(),
            };
            // Its author let it fail or not: a view that fails for a value is none of the client's doing.
            let mut composer = Composer::new(self.dice, &world, aim, Parameters::None);
            composer.failing = super::expression::Failing::Never;
            let query = composer.query(None, 2);
            let form = if is_stored { "MATERIALIZED VIEW" } else { "VIEW" };
            self.definition.push_str(&format!("CREATE {form} {name} AS {};\n", query.sql));
            if is_stored {
                self.refreshed.push_str(&format!("REFRESH MATERIALIZED VIEW {name};\n"));
            }
            self.relations.push(Relation {
                name,
                columns: query.columns,
                writing: Writing::Never,
                query: Some(query.sql),
            });
        }
    }
}

/// A column that refers to another table.
const REFERENCE: &str = "ref";

/// What every table begins with.
const KEY: &str = "id int4 PRIMARY KEY, k int4 NOT NULL CHECK (k < 1000)";

fn definitions(columns: &[Planned]) -> String {
    columns.iter().map(|planned| format!(", {}", planned.definition)).collect()
}

/// A rule for each protected column that is stored; what is generated from one, or refers to one, is to be known without.
fn rules(table: &str, columns: &[Planned]) -> Vec<String> {
    let is_known = |planned: &&Planned| planned.cells.is_empty() || planned.column.name == REFERENCE;
    let stored = columns.iter().filter(|planned| !is_known(planned) && planned.column.is_protected());
    stored.map(|planned| format!("public.{table}.{}", planned.column.name)).collect()
}

fn relation(name: &str, columns: &[Planned]) -> Relation {
    let key = ["id", "k"].map(|name| Column {
        name: name.to_owned(),
        kind: Kind::Int4,
        protection: Protection::Free,
        writing: Writing::Free,
    });
    let columns = key.into_iter().chain(columns.iter().map(|planned| planned.column.clone())).collect();
    Relation { name: name.to_owned(), columns, writing: Writing::Free, query: None }
}

/// Whatever is written to it compares protected values.
fn probe_by_everything(relation: &mut Relation) {
    relation.writing = Writing::Probes;
    for column in relation.columns.iter_mut().filter(|column| column.writing != Writing::Never) {
        column.writing = Writing::Probes;
    }
}

/// A column that the server computes from one of these.
fn generated(columns: &[Planned]) -> Option<Planned> {
    let (source, kind, expression) = columns.iter().find_map(|planned| {
        let name = &planned.column.name;
        let (kind, expression) = match planned.column.kind {
            Kind::Text | Kind::Varchar | Kind::Code => (Kind::Text, format!("upper({name})")),
            Kind::Int4 => (Kind::Int8, format!("{name}::int8 + 1")),
            Kind::Jsonb => (Kind::Text, format!("{name} ->> 'a'")),
            _ => return None,
        };
        Some((planned, kind, expression))
    })?;
    let column =
        Column { name: "g".to_owned(), kind, protection: source.column.protection, writing: Writing::Never };
    let definition = format!("g {} GENERATED ALWAYS AS ({expression}) STORED", kind.column_type());
    Some(Planned { column, definition, cells: Vec::new() })
}
