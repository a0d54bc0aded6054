//! What a database does by itself when a statement writes: triggers, rules, and functions in defaults. Nobody looks into
//! them, so that what they store or say may be anything, unless the operator vouches for the function.

use std::collections::BTreeMap;

use grille_core::Effect;

use super::call::Reach;
use super::context::Traced;
use super::created;
use super::taint::Taint;
use super::tracer::Tracer;
use crate::sql::name;
use crate::sql::schema::{Act, Firing, Follower, FunctionName, Relation, RelationKind};

/// The writes of rows.
const ROWS: Effect = Effect::INSERT.union(Effect::UPDATE).union(Effect::DELETE);

/// Which columns the statement gives values for, so that their defaults are not asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'g> {
    /// All that it writes.
    All,
    /// Those of these names.
    Only(&'g [&'g str]),
}

impl Given<'_> {
    fn has(self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&column),
        }
    }
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// Notes what happens beside the write, and gives what may have gone into the rows by that.
    pub(super) fn fire(&mut self, relations: &[&'t Relation], on: Effect, given: Given<'_>) -> Traced<Taint> {
        let mut beside = Taint::default();
        if !self.context.anything_is_protected() {
            return Ok(beside);
        }
        for relation in relations.iter().filter(|relation| created::is_created(relation)) {
            match relation.kind {
                RelationKind::View => {
                    beside.absorb(&self.fires_unseen(&format!("(under view {})", relation.name)))
                }
                RelationKind::Table | RelationKind::Materialized | RelationKind::Foreign => {}
            }
        }
        let given = if self.findings.asks_for_default { Given::Only(&[]) } else { given };
        let mut seen: BTreeMap<u32, Effect> = BTreeMap::new();
        let mut ahead: Vec<(u32, Effect, Given<'_>)> =
            relations.iter().filter(|of| !created::is_created(of)).map(|of| (of.oid, on, given)).collect();
        while let Some((oid, on, given)) = ahead.pop() {
            self.context.spend(1)?;
            let done = seen.entry(oid).or_insert(Effect::empty());
            if done.contains(on) {
                continue;
            }
            *done |= on;
            let schema = self.context.schema;
            for firing in schema.firings_of(oid).iter().filter(|firing| firing.on.intersects(on)) {
                beside.absorb(&self.fires(firing, given)?);
            }
            ahead.extend(schema.followers_of(oid).iter().filter_map(|follower| follow(*follower, on)));
            // An UPDATE can move a row from one partition to another.
            let on = if on.contains(Effect::UPDATE) { ROWS } else { on };
            ahead.extend(schema.children_of(oid).map(|child| (child.oid, on, given)));
        }
        Ok(beside)
    }

    /// Event triggers are called by definitions, and may say what they like. They change no rows of the statement's.
    pub(super) fn fire_event_triggers(&mut self) {
        for firing in self.context.schema.firings_of(0) {
            let Act::Trigger { calls, .. } = &firing.act else { continue };
            if !self.context.protection.is_vouched_for(&calls.schema, &calls.name) {
                self.findings.touched.unknown = true;
                self.unknown_function(&name::qualified([&*calls.schema, &*calls.name]), false);
            }
        }
    }

    fn fires(&mut self, firing: &'s Firing, given: Given<'_>) -> Traced<Taint> {
        let relation: Option<&'s Relation> = self.context.schema.relation(firing.relation);
        let written = relation.map_or_else(String::new, |of| name::qualified([&*of.schema, &*of.name]));
        match &firing.act {
            Act::Trigger { name, calls } => {
                if self.context.protection.is_vouched_for(&calls.schema, &calls.name) {
                    // It is given the row, and may say what is in it.
                    let held = self.held_by(relation.as_slice())?;
                    self.findings.may_quote |= self.context.counts(&held);
                    return Ok(Taint::default());
                }
                let function = name::qualified([&*calls.schema, &*calls.name]);
                Ok(self.fires_unseen(&format!("{function} (trigger {name} of {written})")))
            }
            Act::Rule { name } => Ok(self.fires_unseen(&format!("(rule {name} of {written})"))),
            Act::Default { column, calls } => {
                let column = relation
                    .and_then(|of| of.columns.iter().find(|known| known.number == *column))
                    .map_or("", |column| &*column.name);
                if given.has(column) {
                    Ok(Taint::default())
                } else {
                    Ok(self.defaults(&written, column, calls))
                }
            }
        }
    }

    fn fires_unseen(&mut self, what: &str) -> Taint {
        self.unknown_function(what, true);
        self.findings.touched.unknown = true;
        Taint::unknown()
    }

    /// A column gets what a function gives.
    fn defaults(&mut self, written: &str, column: &str, calls: &FunctionName) -> Taint {
        let candidates = self.context.schema.functions_named(&calls.name);
        let same = candidates.iter().filter(|function| function.schema == calls.schema);
        let worst = same.map(|function| Reach::from(function.volatility)).max();
        if self.context.protection.is_vouched_for(&calls.schema, &calls.name) {
            return Taint::default();
        }
        match worst {
            Some(Reach::Total | Reach::Computes) => Taint::default(),
            Some(Reach::Reads) => {
                self.findings.touched.unknown = true;
                self.launder(&Taint::unknown(), &format!("{written}.{column} (by its default)"));
                Taint::unknown()
            }
            Some(Reach::Anything) | None => {
                let function = name::qualified([&*calls.schema, &*calls.name]);
                self.fires_unseen(&format!("{function} (default of {written}.{column})"))
            }
        }
    }
}

/// What is written next; its columns have other names.
fn follow(follower: Follower, on: Effect) -> Option<(u32, Effect, Given<'static>)> {
    match follower {
        Follower::Refers(oid) if on.contains(Effect::DELETE) => {
            Some((oid, Effect::UPDATE | Effect::DELETE, Given::All))
        }
        Follower::Refers(oid) if on.contains(Effect::UPDATE) => Some((oid, Effect::UPDATE, Given::All)),
        Follower::Refers(_) => None,
        Follower::Underlies(oid) => Some((oid, on, Given::Only(&[]))),
    }
}
