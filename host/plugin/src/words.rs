//! An action as plugins see it: words, also those that this version's parser never says. For vectors and tests of plugins; what
//! comes from a client is an [`grille_core::Action`].

/// One statement in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionWords {
    /// The command: `select`, `drop table`.
    pub kind: String,
    /// What it does.
    pub effects: Vec<String>,
    /// What it touches.
    pub objects: Vec<ObjectWords>,
    /// What is noteworthy about it.
    pub features: Vec<String>,
    /// The statement, its literals replaced.
    pub text: String,
    /// Equal for statements that differ in literals only.
    pub fingerprint: u64,
}

/// Something a statement touches, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectWords {
    /// `relation`, `function`, …
    pub kind: String,
    /// As the statement gives it.
    pub name: String,
    /// `read`, `drop`, …
    pub access: String,
}
