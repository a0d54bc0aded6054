//! Expressions of a wanted type over the columns in sight.

use super::dice::Dice;
use super::kind::{KINDS, Kind};
use super::production::{AGGREGATES, Hole, PARTIAL, Part, Production, TOTAL, WINDOWED, parts};
use super::world::{Column, World};

/// How deep expressions and queries in them go.
pub const DEPTH_MAX: usize = 4;

/// What a statement is to do with protected columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Nothing: it must be answered as without Grille.
    Untouched,
    /// Show them and what is computed from them without ever failing: it should be answered, masked.
    Shown,
    /// Anything whatever: it may be refused.
    Anything,
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is shown.
    Output,
    /// It decides which rows come back, how many, or in which order.
    Shaping,
}

/// Whether expressions may fail for some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// They may not.
    Never,
    /// Some do.
    Sometimes,
}

/// A relation in sight under an alias.
#[derive(Clone, Debug)]
pub struct Source {
    /// The alias.
    pub alias: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// Whether values may be sent as parameters, and those sent so far.
#[derive(Clone, Debug)]
pub enum Parameters {
    /// The statement is sent without.
    None,
    /// The values of `$1`, `$2`, …, in text format.
    Of(Vec<String>),
}

/// One way to write an expression of a kind, so deep.
type Form<C> = fn(&mut C, Kind, usize) -> String;

/// Composes one statement.
pub struct Composer<'w> {
    /// Where choices come from.
    pub dice: &'w mut Dice,
    /// What there is.
    pub world: &'w World,
    /// What the statement is to do.
    pub aim: Aim,
    /// Where the expression that is being composed stands.
    pub place: Place,
    /// Whether expressions may fail.
    pub failing: Failing,
    /// What is in sight.
    pub sources: Vec<Source>,
    /// Named queries of WITH that may be read.
    pub named: Vec<Source>,
    /// Parameters.
    pub parameters: Parameters,
    /// Whether a protected column was mentioned since this was last put to false.
    pub touches: bool,
    names: usize,
}

impl<'w> Composer<'w> {
    /// Nothing composed yet.
    pub fn new(dice: &'w mut Dice, world: &'w World, aim: Aim, parameters: Parameters) -> Self {
        Self {
            dice,
            world,
            aim,
            place: Place::Output,
            failing: if aim == Aim::Shown { Failing::Never } else { Failing::Sometimes },
            sources: Vec::new(),
            named: Vec::new(),
            parameters,
            touches: false,
            names: 0,
        }
    }

    /// A template filled with the simplest expressions, by itself.
    pub fn example(dice: &'w mut Dice, world: &'w World, template: &str) -> String {
        Composer::new(dice, world, Aim::Untouched, Parameters::None).filled(template, 0)
    }

    /// A name that the statement does not have yet.
    pub fn fresh(&mut self, prefix: char) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// Whether a protected column may be mentioned here.
    pub fn may_touch(&self) -> bool {
        match (self.aim, self.place) {
            (Aim::Untouched, _) | (Aim::Shown, Place::Shaping) => false,
            (Aim::Shown, Place::Output) | (Aim::Anything, _) => true,
        }
    }

    /// Composes something that decides about rows.
    pub fn shaping<T>(&mut self, compose: impl FnOnce(&mut Self) -> T) -> T {
        let place = std::mem::replace(&mut self.place, Place::Shaping);
        let composed = compose(self);
        self.place = place;
        composed
    }

    /// Composes something, and tells whether it mentions a protected column.
    pub fn tracked<T>(&mut self, compose: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = std::mem::replace(&mut self.touches, false);
        let composed = compose(self);
        let touches = self.touches;
        self.touches |= before;
        (composed, touches)
    }

    /// Whether all columns of a source may be mentioned here.
    pub fn may_take_all(&self, columns: &[Column]) -> bool {
        self.may_touch() || !columns.iter().any(Column::is_protected)
    }

    /// Notes that all columns are mentioned.
    pub fn mention(&mut self, columns: &[Column]) {
        self.touches |= columns.iter().any(Column::is_protected);
    }

    /// Any kind.
    pub fn kind(&mut self) -> Kind {
        *self.dice.pick(&KINDS)
    }

    /// A kind with an equality operator.
    pub fn comparable_kind(&mut self) -> Kind {
        let kind = self.kind();
        if kind.has_equality() { kind } else { Kind::Text }
    }

    /// An expression of a kind.
    pub fn expression(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 {
            return self.leaf(kind);
        }
        let forms: &[(usize, Form<Self>)] = &[
            (6, |composer, kind, _| composer.leaf(kind)),
            (8, Self::produced),
            (1, Self::coalesced),
            (1, Self::cased),
            (1, Self::nulled),
            (1, Self::scalar_subquery),
        ];
        let form = *self.dice.weighted(forms);
        form(self, kind, depth - 1)
    }

    /// A condition.
    pub fn condition(&mut self, depth: usize) -> String {
        if depth > 0 && self.dice.chance(15) {
            self.subquery_condition()
        } else {
            self.expression(Kind::Bool, depth)
        }
    }

    /// A literal or parameter of the kind, or NULL.
    pub fn literal(&mut self, kind: Kind) -> String {
        if self.dice.chance(6) {
            return format!("NULL::{}", kind.name());
        }
        let value = *self.dice.pick(kind.values());
        if let Parameters::Of(values) = &mut self.parameters
            && self.dice.chance(30)
        {
            values.push(value.to_owned());
            return format!("${}::{}", values.len(), kind.name());
        }
        kind.literal(value)
    }

    /// A column of the kind that is in sight and may be mentioned.
    pub fn column(&mut self, kind: Kind) -> Option<String> {
        self.column_where(|column| column.kind == kind).map(|(name, _)| name)
    }

    /// A column that is in sight, may be mentioned, and is as wanted. Protected ones come up more often.
    pub fn column_where(&mut self, wanted: impl Fn(&Column) -> bool) -> Option<(String, Column)> {
        let may_touch = self.may_touch();
        let fitting = self.sources.iter().flat_map(|source| {
            let columns = source.columns.iter().filter(|column| wanted(column));
            columns.map(|column| (format!("{}.{}", source.alias, column.name), column))
        });
        let weighted: Vec<(usize, (String, Column))> = fitting
            .filter(|(_, column)| may_touch || !column.is_protected())
            .map(|(name, column)| (if column.is_protected() { 4 } else { 1 }, (name, column.clone())))
            .collect();
        if weighted.is_empty() {
            return None;
        }
        let (name, column) = self.dice.weighted(&weighted).clone();
        self.touches |= column.is_protected();
        Some((name, column))
    }

    /// An aggregate over what is in sight.
    pub fn aggregate(&mut self, depth: usize) -> (String, Kind) {
        let (kind, template) = *self.dice.pick(AGGREGATES);
        (self.filled(template, depth), kind)
    }

    /// A window function with its window.
    pub fn windowed(&mut self, depth: usize) -> (String, Kind) {
        let (kind, template) = *self.dice.pick(WINDOWED);
        let call = self.filled(template, depth);
        let window = self.shaping(|composer| {
            let partition = composer.column_where(|column| column.kind.has_equality());
            let order = composer.column(Kind::Int4).unwrap_or_else(|| "1".to_owned());
            match partition {
                Some((partition, _)) => format!("partition by {partition} order by {order}"),
                None => format!("order by {order}"),
            }
        });
        (format!("{call} over ({window})"), kind)
    }

    /// A template with its holes filled.
    pub fn filled(&mut self, template: &str, depth: usize) -> String {
        let mut same = None;
        let mut filled = String::new();
        for part in parts(template) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Hole(hole) => {
                    let kind = self.kind_of(hole, &mut same);
                    filled.push_str(&self.expression(kind, depth));
                }
            }
        }
        filled
    }

    fn kind_of(&mut self, hole: Hole, same: &mut Option<Kind>) -> Kind {
        match hole {
            Hole::Of(kind) => kind,
            Hole::Any => self.visible_kind(|_| true).unwrap_or_else(|| self.kind()),
            Hole::Same => *same.get_or_insert_with(|| {
                self.visible_kind(Kind::has_equality).unwrap_or_else(|| self.comparable_kind())
            }),
        }
    }

    /// The kind of some column in sight, so that what may have any kind is a column often. Protected ones come up more often.
    pub fn visible_kind(&mut self, wanted: impl Fn(Kind) -> bool) -> Option<Kind> {
        let may_touch = self.may_touch();
        let columns = self.sources.iter().flat_map(|source| &source.columns);
        let kinds: Vec<(usize, Kind)> = columns
            .filter(|column| (may_touch || !column.is_protected()) && wanted(column.kind))
            .map(|column| (if column.is_protected() { 4 } else { 1 }, column.kind))
            .collect();
        if kinds.is_empty() { None } else { Some(*self.dice.weighted(&kinds)) }
    }

    fn leaf(&mut self, kind: Kind) -> String {
        if self.dice.chance(85) {
            if let Some(column) = self.column(kind) {
                return column;
            }
            if kind == Kind::Text
                && let Some((column, _)) = self.column_where(|_| true)
            {
                return format!("{column}::text");
            }
        }
        self.literal(kind)
    }

    fn produced(&mut self, kind: Kind, depth: usize) -> String {
        let may_fail = self.failing == Failing::Sometimes && self.dice.chance(30);
        let of_kind = |table: &'static [Production]| -> Vec<&'static str> {
            table.iter().filter(|(made, _)| *made == kind).map(|(_, template)| *template).collect()
        };
        let mut templates = of_kind(if may_fail { PARTIAL } else { TOTAL });
        if templates.is_empty() {
            templates = of_kind(TOTAL);
        }
        if templates.is_empty() {
            return self.leaf(kind);
        }
        let template = *self.dice.pick(&templates);
        self.filled(template, depth)
    }

    fn coalesced(&mut self, kind: Kind, depth: usize) -> String {
        format!("coalesce({}, {})", self.expression(kind, depth), self.expression(kind, depth))
    }

    fn cased(&mut self, kind: Kind, depth: usize) -> String {
        let condition = self.expression(Kind::Bool, depth);
        let (then, otherwise) = (self.expression(kind, depth), self.expression(kind, depth));
        format!("case when {condition} then {then} else {otherwise} end")
    }

    fn nulled(&mut self, kind: Kind, depth: usize) -> String {
        if !kind.has_equality() {
            return self.leaf(kind);
        }
        format!("nullif({}, {})", self.expression(kind, depth), self.expression(kind, depth))
    }
}
