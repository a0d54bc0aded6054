//! `grille/sql-guard`: denies or holds statements by what they do. The settings are data (`settings`), matching is in
//! `rules`, wording in `reason`; this file only puts them together.

mod pattern;
mod reason;
mod rules;
mod settings;

use grille_sdk::{Action, Approval, Decision, Diagnostic, Policy};
use rules::Rules;
use settings::{Base, Settings};

grille_sdk::policy!(SqlGuard);

/// The configured guard.
struct SqlGuard {
    base: Base,
    deny: Rules,
    hold: Rules,
    approval: Approval,
    hint: Option<String>,
}

impl Policy for SqlGuard {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        settings.check()?;
        let (base, approval) = (settings.base, settings.approval.into());
        let mut deny = base.rules();
        deny.extend(settings.deny);
        Ok(Self { base, deny, hold: settings.hold, approval, hint: settings.hint })
    }

    fn decide(&mut self, action: &Action) -> Decision {
        if let Some(cause) = self.deny.first_match(action).or_else(|| self.base.unknown_effect(action)) {
            return Decision::deny(reason::sentence(action, cause, self.hint.as_deref()));
        }
        match self.hold.first_match(action) {
            Some(cause) => {
                let reason = reason::sentence(action, cause, self.hint.as_deref());
                Decision::hold(Approval { reason, ..self.approval.clone() })
            }
            None => Decision::allow(),
        }
    }
}

#[cfg(test)]
mod tests {
    use grille_sdk::Verdict;
    use grille_sdk::testing::{Manifest, action, decide, policy};

    use super::*;

    fn guard(settings: &str) -> SqlGuard {
        policy(settings).unwrap_or_else(|diagnostics| panic!("{settings}: {diagnostics:?}"))
    }

    fn verdict(settings: &str, action: &Action) -> Verdict {
        decide(&mut guard(settings), action).verdict
    }

    #[test]
    fn the_test_vectors_hold() {
        Manifest::parse(include_str!("../plugin.toml")).check_policy::<SqlGuard>();
    }

    #[test]
    fn settings_that_name_unknown_things_are_refused() {
        let check = |settings: &str, pointer: &str| {
            let diagnostics = policy::<SqlGuard>(settings).err().expect("refused");
            assert_eq!(diagnostics[0].pointer, pointer, "{settings}: {diagnostics:?}");
        };
        check(r#"{"deny": {"effects": ["read", "defnie"]}}"#, "/deny/effects/1");
        check(r#"{"deny": {"features": ["no-wear"]}}"#, "/deny/features/0");
        check(r#"{"hold": {"objects": [{"name": "a", "access": ["look"]}]}}"#, "/hold/objects/0/access/0");
        check(r#"{"hold": {"objects": [{"name": ""}]}}"#, "/hold/objects/0/name");
        check(r#"{"hold": {"objects": [{"name": "public..a"}]}}"#, "/hold/objects/0/name");
        check(r#"{"hold": {"kinds": [""]}}"#, "/hold/kinds/0");
        check(r#"{"approval": {"ttl_s": 0}}"#, "/approval/ttl_s");
        check(r#"{"denny": {}}"#, "");
        check(r#"{"base": "some"}"#, "");
        check(r#"{"deny": {"objects": [{"access": ["read"]}]}}"#, "");
    }

    #[test]
    fn rules_add_to_the_base() {
        let delete = action("delete", &["delete"], &[("relation", "orders", "delete")], &["no-where"]);
        let create = action("create table", &["define"], &[("relation", "t", "define")], &[]);
        let settings = r#"{"deny": {"effects": ["define"]}}"#;
        for statement in [&delete, &create] {
            assert!(matches!(verdict(settings, statement), Verdict::Deny(_)), "{statement:?}");
        }
        assert_eq!(verdict("{}", &create), Verdict::Allow);
        assert_eq!(verdict(r#"{"base": "none"}"#, &delete), Verdict::Allow);
    }

    #[test]
    fn deny_comes_before_hold() {
        let drop = action("drop table", &["define"], &[("relation", "orders", "drop")], &[]);
        let hold = r#"{"hold": {"kinds": ["drop *"]}}"#;
        assert!(matches!(verdict(hold, &drop), Verdict::Deny(_)));
        let hold = r#"{"base": "none", "hold": {"kinds": ["drop *"]}}"#;
        assert!(matches!(verdict(hold, &drop), Verdict::Hold(_)));
    }

    #[test]
    fn a_hold_says_who_may_approve_and_how_long_it_stands() {
        let settings = r#"{
            "hold": {"objects": [{"name": "hr.*", "access": ["read"]}]},
            "approval": {"approvers": ["dba"], "ttl_s": 90},
            "hint": "ask #data"
        }"#;
        let select = action("select", &["read"], &[("relation", "hr.salaries", "read")], &[]);
        let expected = Approval::new("reading hr.salaries is restricted; ask #data")
            .approvers(["dba"])
            .stands_for(std::time::Duration::from_secs(90));
        assert_eq!(verdict(settings, &select), Verdict::Hold(expected));
    }

    #[test]
    fn an_effect_that_this_version_does_not_know_is_denied() {
        let odd = action("teleport", &["read", "teleport"], &[], &[]);
        assert!(matches!(verdict("{}", &odd), Verdict::Deny(reason) if reason.contains("`teleport`")));
        assert_eq!(verdict(r#"{"base": "none"}"#, &odd), Verdict::Allow);
    }

    #[test]
    fn the_schema_knows_the_words_the_settings_know() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../settings.schema.json")).expect("the schema is JSON");
        let check = |pointer: &str, words: &[&str]| {
            let listed = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is in the schema"));
            assert_eq!(listed, &serde_json::json!(words), "{pointer}");
        };
        check("/$defs/rules/properties/effects/items/enum", &settings::EFFECTS);
        check("/$defs/rules/properties/features/items/enum", &settings::FEATURES);
        check("/$defs/rules/properties/objects/items/properties/access/items/enum", &settings::ACCESSES);
    }
}
