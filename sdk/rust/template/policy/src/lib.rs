//! `{{id}}`: denies changes to the tables it is told to protect.

use grille_sdk::{Action, Decision, Diagnostic, Policy};

grille_sdk::policy!(Protect);

/// What the operator may set; `settings.schema.json` says the same.
#[derive(serde::Deserialize)]
struct Settings {
    #[serde(default = "protected_by_default")]
    protected: Vec<String>,
}

fn protected_by_default() -> Vec<String> {
    vec!["audit_log".to_owned()]
}

struct Protect {
    tables: Vec<String>,
}

impl Policy for Protect {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self { tables: settings.protected })
    }

    fn decide(&mut self, action: &Action) -> Decision {
        for object in action.objects.iter().filter(|object| object.access != "read") {
            let table = object.name.rsplit('.').next().unwrap_or(&object.name);
            if self.tables.iter().any(|protected| protected == table) {
                return Decision::deny(format!("{table} may only be read"));
            }
        }
        Decision::allow()
    }
}

#[cfg(test)]
mod tests {
    use grille_sdk::testing::{Manifest, action, decide, policy};

    use super::*;

    #[test]
    fn plugin_toml_says_the_truth() {
        Manifest::parse(include_str!("../plugin.toml")).check_policy::<Protect>();
    }

    #[test]
    fn protected_tables_are_only_read() {
        let mut protect = policy::<Protect>(r#"{"protected": ["salaries"]}"#).expect("good settings");
        let update = action("update", &["update"], &[("relation", "hr.salaries", "update")], &[]);
        assert_eq!(decide(&mut protect, &update), Decision::deny("salaries may only be read"));
        let select = action("select", &["read"], &[("relation", "salaries", "read")], &[]);
        assert_eq!(decide(&mut protect, &select), Decision::allow());
    }
}
