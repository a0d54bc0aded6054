//! Which statements a set of rules means.

use grille_sdk::{Action, Object};
use serde::Deserialize;

use crate::pattern;

/// A statement is meant if any one entry means it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rules {
    /// Words of `action.features`.
    pub(crate) features: Vec<String>,
    /// Patterns for `action.kind`.
    pub(crate) kinds: Vec<String>,
    /// Things that must not be touched.
    pub(crate) objects: Vec<ObjectRule>,
    /// Words of `action.effects`.
    pub(crate) effects: Vec<String>,
}

/// Something that must not be touched.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRule {
    /// `table` or `schema.table`, with `*`.
    pub(crate) name: String,
    /// The ways that are meant; empty means all.
    #[serde(default)]
    pub(crate) access: Vec<String>,
}

/// Why a statement is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause<'a> {
    /// It has the feature.
    Feature(&'a str),
    /// It is of a kind.
    Kind,
    /// It touches the object.
    Object(&'a Object),
    /// It has the effect.
    Effect(&'a str),
    /// It has an effect that no rule can name.
    UnknownEffect(&'a str),
}

impl Rules {
    /// Adds more rules.
    pub(crate) fn extend(&mut self, more: Self) {
        self.features.extend(more.features);
        self.kinds.extend(more.kinds);
        self.objects.extend(more.objects);
        self.effects.extend(more.effects);
    }

    /// The cause that explains most: a feature before a kind, an object before an effect.
    pub(crate) fn first_match<'a>(&'a self, action: &'a Action) -> Option<Cause<'a>> {
        self.feature(action)
            .or_else(|| self.kind(action))
            .or_else(|| self.object(action))
            .or_else(|| self.effect(action))
    }

    fn feature(&self, action: &Action) -> Option<Cause<'_>> {
        self.features
            .iter()
            .find(|feature| action.has_feature(feature))
            .map(|feature| Cause::Feature(feature))
    }

    fn kind(&self, action: &Action) -> Option<Cause<'_>> {
        self.kinds.iter().any(|kind| pattern::matches(kind, &action.kind)).then_some(Cause::Kind)
    }

    fn object<'a>(&self, action: &'a Action) -> Option<Cause<'a>> {
        let meant = |object: &&Object| self.objects.iter().any(|rule| rule.means(object));
        action.objects.iter().find(meant).map(Cause::Object)
    }

    fn effect(&self, action: &Action) -> Option<Cause<'_>> {
        self.effects.iter().find(|effect| action.has_effect(effect)).map(|effect| Cause::Effect(effect))
    }
}

impl ObjectRule {
    fn means(&self, object: &Object) -> bool {
        (self.access.is_empty() || self.access.contains(&object.access))
            && pattern::may_mean(&self.name, &object.name)
    }
}

#[cfg(test)]
mod tests {
    use grille_sdk::testing::action;

    use super::*;

    fn rules(json: &str) -> Rules {
        serde_json::from_str(json).expect("rules")
    }

    #[test]
    fn nothing_is_meant_by_no_rules() {
        let drop = action("drop table", &["define"], &[("relation", "t", "drop")], &["cascade"]);
        assert_eq!(Rules::default().first_match(&drop), None);
    }

    #[test]
    fn any_one_entry_means_a_statement() {
        let delete =
            action("delete", &["read", "delete"], &[("relation", "orders", "delete")], &["no-where"]);
        let check = |json: &str, expected| assert_eq!(rules(json).first_match(&delete), expected, "{json}");
        check(r#"{"features": ["truncate", "no-where"]}"#, Some(Cause::Feature("no-where")));
        check(r#"{"kinds": ["insert", "del*"]}"#, Some(Cause::Kind));
        check(r#"{"objects": [{"name": "public.orders"}]}"#, Some(Cause::Object(&delete.objects[0])));
        check(r#"{"effects": ["insert", "delete"]}"#, Some(Cause::Effect("delete")));
        check(r#"{"features": ["truncate"], "kinds": ["drop *"], "effects": ["insert"]}"#, None);
    }

    #[test]
    fn an_object_is_meant_for_the_listed_ways_only() {
        let select = action("select", &["read"], &[("relation", "hr.salaries", "read")], &[]);
        let check =
            |json: &str, expected| assert_eq!(rules(json).first_match(&select).is_some(), expected, "{json}");
        check(r#"{"objects": [{"name": "salaries", "access": ["update", "read"]}]}"#, true);
        check(r#"{"objects": [{"name": "salaries", "access": ["update"]}]}"#, false);
        check(r#"{"objects": [{"name": "salaries", "access": []}]}"#, true);
        check(r#"{"objects": [{"name": "people"}, {"name": "hr.*", "access": ["read"]}]}"#, true);
    }

    #[test]
    fn the_cause_that_explains_most_comes_first() {
        let delete = action("delete", &["delete"], &[("relation", "orders", "delete")], &["no-where"]);
        let all = rules(r#"{"effects": ["delete"], "kinds": ["delete"], "features": ["no-where"]}"#);
        assert_eq!(all.first_match(&delete), Some(Cause::Feature("no-where")));
    }
}
