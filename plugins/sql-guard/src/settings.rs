//! What the operator may set: data and its checks. `settings.schema.json` says the same.

use std::time::Duration;

use grille_sdk::{Action, Approval, Diagnostic};
use serde::Deserialize;

use crate::rules::{Cause, ObjectRule, Rules};

/// Every effect of interface version 0.1.
pub(crate) const EFFECTS: [&str; 13] = [
    "read",
    "insert",
    "update",
    "delete",
    "define",
    "grant",
    "transaction",
    "session",
    "maintain",
    "execute",
    "copy",
    "notify",
    "lock",
];

/// Every feature this version knows how to talk about.
pub(crate) const FEATURES: [&str; 17] = [
    "no-where",
    "constant-where",
    "copy-program",
    "copy-file",
    "copy-stream",
    "cascade",
    "select-into",
    "cte-write",
    "explain-analyze",
    "multiple-statements",
    "dangerous-function",
    "function-call",
    "set-config",
    "temporary",
    "set-role",
    "procedural",
    "truncate",
];

/// Every kind of access of interface version 0.1.
pub(crate) const ACCESSES: [&str; 11] =
    ["read", "insert", "update", "delete", "truncate", "define", "drop", "grant", "call", "lock", "set"];

/// How long a held statement waits for an approver, in seconds, unless the settings say otherwise.
const TTL_S_DEFAULT: u32 = 3600;

/// The plugin's settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What is denied before any rule below is looked at.
    pub(crate) base: Base,
    /// What is denied besides.
    pub(crate) deny: Rules,
    /// What needs approval, where it is not denied.
    pub(crate) hold: Rules,
    /// What an approver is asked.
    pub(crate) approval: ApprovalSettings,
    /// What to do next, added to every reason: `ask #data-platform`.
    pub(crate) hint: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base: Base::Guard,
            deny: Rules::default(),
            hold: Rules::default(),
            approval: ApprovalSettings::default(),
            hint: None,
        }
    }
}

/// Where the rules start from.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Base {
    /// From what hardly any client should do, and what cannot be judged.
    Guard,
    /// From nothing: only what the settings list is denied or held.
    None,
}

/// What an approver is asked.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ApprovalSettings {
    /// Groups that may approve; empty leaves it to the role.
    pub(crate) approvers: Vec<String>,
    /// How long the request stands.
    pub(crate) ttl_s: u32,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self { approvers: Vec::new(), ttl_s: TTL_S_DEFAULT }
    }
}

impl From<ApprovalSettings> for Approval {
    fn from(settings: ApprovalSettings) -> Self {
        let stands_for = Duration::from_secs(settings.ttl_s.into());
        Self::new(String::new()).approvers(settings.approvers).stands_for(stands_for)
    }
}

impl Base {
    /// What is denied. `execute` is in, because a DO block can do everything else here unseen. CREATE and ALTER are not:
    /// temporary tables are everyday work, and a role's statement classes leave `define` out where that is wanted.
    pub(crate) fn rules(self) -> Rules {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Self::None => Rules::default(),
            Self::Guard => Rules {
                features: words(&[
                    "no-where",
                    "constant-where",
                    "truncate",
                    "copy-program",
                    "copy-file",
                    "dangerous-function",
                ]),
                kinds: words(&["drop *", "truncate*", "alter system*", "load", "reassign owned"]),
                objects: vec![ObjectRule { name: "*".into(), access: words(&["drop", "truncate"]) }],
                effects: words(&["grant", "execute"]),
            },
        }
    }

    /// An effect that a later host knows and this version does not: it may be what a rule would deny.
    pub(crate) fn unknown_effect(self, action: &Action) -> Option<Cause<'_>> {
        match self {
            Self::None => None,
            Self::Guard => {
                let unknown = |effect: &&String| !EFFECTS.contains(&effect.as_str());
                action.effects.iter().find(unknown).map(|effect| Cause::UnknownEffect(effect))
            }
        }
    }
}

impl Settings {
    /// Everything that is wrong: a word nobody will ever match would leave a door open that looks closed.
    pub(crate) fn check(&self) -> Result<(), Vec<Diagnostic>> {
        let mut diagnostics = Vec::new();
        check_rules("/deny", &self.deny, &mut diagnostics);
        check_rules("/hold", &self.hold, &mut diagnostics);
        if self.approval.ttl_s == 0 {
            diagnostics.push(Diagnostic::new("/approval/ttl_s", "no time to approve anything"));
        }
        if diagnostics.is_empty() { Ok(()) } else { Err(diagnostics) }
    }
}

fn check_rules(pointer: &str, rules: &Rules, out: &mut Vec<Diagnostic>) {
    check_words(&format!("{pointer}/effects"), &rules.effects, &EFFECTS, out);
    check_words(&format!("{pointer}/features"), &rules.features, &FEATURES, out);
    for (index, kind) in rules.kinds.iter().enumerate() {
        if kind.is_empty() {
            out.push(Diagnostic::new(format!("{pointer}/kinds/{index}"), "an empty pattern matches nothing"));
        }
    }
    for (index, object) in rules.objects.iter().enumerate() {
        let pointer = format!("{pointer}/objects/{index}");
        check_words(&format!("{pointer}/access"), &object.access, &ACCESSES, out);
        if object.name.split('.').any(str::is_empty) {
            let message = "write a name as `table` or `schema.table`; `*` stands for anything";
            out.push(Diagnostic::new(format!("{pointer}/name"), message));
        }
    }
}

fn check_words(pointer: &str, words: &[String], known: &[&str], out: &mut Vec<Diagnostic>) {
    for (index, word) in words.iter().enumerate() {
        if !known.contains(&word.as_str()) {
            let message = format!("`{word}` is not one of: {}", known.join(", "));
            out.push(Diagnostic::new(format!("{pointer}/{index}"), message));
        }
    }
}
