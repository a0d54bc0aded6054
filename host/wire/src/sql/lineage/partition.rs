//! Tables that are partitioned by protected columns: in which table a row lies tells of them, and so does the order in which
//! rows come. What is written is not looked at here.

use super::taint::Taint;
use super::tracer::{Author, Tracer};
use crate::sql::schema::{ColumnId, Relation, Schema};

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// Notes that rows are looked for in one partition, which has them or not.
    pub(super) fn show_bounds(&mut self, relations: &[&'t Relation]) {
        let taint = self.placing(relations, Schema::bounded_by);
        self.place(&taint, "the bounds of a partition");
    }

    /// Notes that rows come partition by partition. An ORDER BY seldom hides it: rows that it takes for equal keep that
    /// order, and which columns are unique in a partitioned table depends on the key.
    pub(super) fn show_division(&mut self, relations: &[&'t Relation]) {
        let taint = self.placing(relations, Schema::divided_by);
        self.place(&taint, "the order of partitions");
    }

    /// Notes what decides where the rows of a view lie.
    pub(super) fn read_placed(&mut self, placed: &Taint) {
        self.place(placed, "partitions under a view");
    }

    /// What `tableoid` tells of the relation's rows.
    pub(super) fn table_of_row(&self, relations: &[&'t Relation]) -> Taint {
        let bounds = self.placing(relations, Schema::bounded_by);
        let division = self.placing(relations, Schema::divided_by);
        Taint::union([&bounds, &division])
    }

    fn placing(&self, relations: &[&'t Relation], by: fn(&Schema, u32) -> &[ColumnId]) -> Taint {
        let keys = relations.iter().flat_map(|relation| by(self.context.schema, relation.oid));
        let columns = keys.copied().filter(|key| self.context.protection.is_protected(*key)).collect();
        Taint { columns, unknown: false }
    }

    fn place(&mut self, taint: &Taint, clause: &'static str) {
        match self.author {
            Author::Client => self.shape(taint, clause),
            Author::View => self.findings.placed.absorb(taint),
        }
    }
}
