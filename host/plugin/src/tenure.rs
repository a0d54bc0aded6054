//! Whether a plugin has its place, or is tried for it.

/// Whether a plugin has its place in the configuration, or is tried for it. What it keeps (`state`) and what is counted of it
/// are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tenure {
    /// It has its place. What it keeps is the place's: the next to have it goes on with that.
    Active,
    /// It is a candidate. What it keeps is this revision's alone, and gone when nobody tries it any more.
    Trial,
}

impl Tenure {
    /// The word used as metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trial => "trial",
        }
    }
}
