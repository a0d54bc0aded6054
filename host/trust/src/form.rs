//! The forms of signatures, and where they lie.

/// A form of signatures, which is also the name of a file beside the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// minisign's.
    Minisign,
    /// A sigstore bundle.
    Sigstore,
}

impl Form {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Minisign, Self::Sigstore];

    /// What the signature's file has behind the component's name: `guard.wasm` and `guard.wasm.minisig`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Minisign => ".minisig",
            Self::Sigstore => ".sigstore.json",
        }
    }
}
