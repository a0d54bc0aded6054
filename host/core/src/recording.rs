//! What a recording of a plugin's inputs holds, as types; `grille_store` writes it, `grille replay` reads it. Reference:
//! docs/reference/observation.md.
//!
//! Nothing here holds a literal of a statement, a token, or a cell as it was before its treatment; who asked is a keyed hash.

use serde::{Deserialize, Serialize};

use crate::difference::Answer;
use crate::{Action, Object};

/// The version of the format. A reader refuses versions it does not know.
pub const RECORDING_VERSION: u32 = 1;

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingLine {
    /// When it was written: RFC 3339, UTC, milliseconds.
    pub at: String,
    /// What it says.
    #[serde(flatten)]
    pub entry: RecordingEntry,
}

/// What a line says. The first of a recording is [`RecordingEntry::Begun`], the last, unless Grille was killed,
/// [`RecordingEntry::Ended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingEntry {
    /// Of what this is a recording.
    Begun(RecordingBegun),
    /// A policy judged a statement.
    Statement(RecordedStatement),
    /// Cells were released to a client past a detector.
    Cells(RecordedCells),
    /// Nothing more follows.
    Ended(RecordingEnded),
}

/// See [`RecordingEntry::Begun`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingBegun {
    /// [`RECORDING_VERSION`].
    pub v: u32,
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// `policy` or `detector`.
    pub world: String,
    /// What the plugin calls itself.
    pub id: String,
    /// Its version.
    pub version: String,
}

/// Which revision of the plugin answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredBy {
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
    /// SHA-256 of its settings in canonical JSON, hexadecimal.
    pub settings: String,
}

/// Who asked, as far as it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAsker {
    /// The subject under a key that was drawn for this recording and is kept nowhere: equal for one principal.
    pub subject: String,
    /// `human`, `workload` or `agent`.
    pub kind: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// The role chosen.
    pub role: String,
    /// The upstream chosen.
    pub upstream: String,
    /// The upstream's database.
    pub target: String,
}

/// See [`RecordingEntry::Statement`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStatement {
    /// Who asked.
    pub asker: RecordedAsker,
    /// What was asked, without literals.
    pub action: RecordedAction,
    /// What the plugin answered.
    pub answer: Answer,
    /// Which revision.
    pub by: AnsweredBy,
}

/// An action in words: all that a policy is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAction {
    /// The command.
    pub kind: String,
    /// What it does.
    pub effects: Vec<String>,
    /// What it touches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<RecordedObject>,
    /// What is noteworthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The statement with its literals replaced by parameters.
    pub text: String,
    /// Hexadecimal; equal for statements that differ in literals only.
    pub fingerprint: String,
}

/// Something a statement touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedObject {
    /// `relation`, `function`, …
    pub kind: String,
    /// As the statement gives it.
    pub name: String,
    /// `read`, `drop`, …
    pub access: String,
}

/// See [`RecordingEntry::Cells`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCells {
    /// Who asked.
    pub asker: RecordedAsker,
    /// The columns that detectors looked at, in order.
    pub columns: Vec<RecordedColumn>,
    /// What all detectors of the role found in them and had treated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub treated: Vec<TreatedCount>,
    /// Which revision looked.
    pub by: AnsweredBy,
}

/// A column and some of its texts, as the client got them, without those in which a detector found anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedColumn {
    /// The name the client saw.
    pub name: String,
    /// `schema.table.column` where it is known, else empty.
    pub origin: String,
    /// `text`, `json`, …
    pub kind: String,
    /// The texts; a constant stands for each of a cell in which a detector found anything.
    pub texts: Vec<String>,
}

/// How often something was found in a column, and treated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreatedCount {
    /// The label.
    pub label: String,
    /// The column's name.
    pub column: String,
    /// How often.
    pub count: u64,
}

/// See [`RecordingEntry::Ended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingEnded {
    /// Why.
    pub why: RecordingEnd,
    /// How many inputs are recorded.
    pub inputs: u64,
    /// How many are not, because there was no room for them in memory.
    pub dropped: u64,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingEnd {
    /// Its time was over.
    Time,
    /// It has as many inputs as it may have.
    Inputs,
    /// Its file is as large as it may be.
    Bytes,
    /// An operator ended it.
    Stopped,
    /// The disk did not take it.
    Disk,
    /// Grille stopped.
    Shutdown,
}

/// A recording, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingStatus {
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// The file.
    pub file: String,
    /// How many inputs it has.
    pub inputs: u64,
    /// How many were left out.
    pub dropped: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// After how many seconds it ends by itself at the latest; 0 when it has ended.
    pub ends_in_s: u64,
    /// Why it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<RecordingEnd>,
}

impl RecordedAction {
    /// The words of an action.
    pub fn of(action: &Action) -> Self {
        Self {
            kind: action.kind.clone(),
            effects: action.effects.words().map(str::to_owned).collect(),
            objects: action.objects.iter().map(RecordedObject::of).collect(),
            features: action.features.iter().map(|feature| (*feature).to_owned()).collect(),
            text: action.text.clone(),
            fingerprint: format!("{:016x}", action.fingerprint),
        }
    }
}

impl RecordedObject {
    fn of(object: &Object) -> Self {
        let (kind, access) = (object.kind.as_str().to_owned(), object.access.as_str().to_owned());
        Self { kind, name: object.name.clone(), access }
    }
}

impl RecordingEnd {
    /// In a few words, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "its time is over",
            Self::Inputs => "it has as many inputs as it may have",
            Self::Bytes => "its file is as large as it may be",
            Self::Stopped => "an operator ended it",
            Self::Disk => "the disk did not take it",
            Self::Shutdown => "Grille stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::difference::VerdictWord;
    use crate::{Access, Effect, ObjectKind};

    #[test]
    fn a_line_is_one_object_with_its_time() {
        let ended = RecordingEnded { why: RecordingEnd::Inputs, inputs: 3, dropped: 1 };
        let line =
            RecordingLine { at: "2026-01-02T03:04:05.678Z".to_owned(), entry: RecordingEntry::Ended(ended) };
        let json = serde_json::to_string(&line).expect("JSON");
        assert_eq!(
            json,
            r#"{"at":"2026-01-02T03:04:05.678Z","ended":{"why":"inputs","inputs":3,"dropped":1}}"#
        );
        assert_eq!(serde_json::from_str::<RecordingLine>(&json).expect("the same"), line);
    }

    #[test]
    fn an_action_is_recorded_in_the_words_that_plugins_are_told() {
        let action = Action {
            kind: "delete".to_owned(),
            effects: Effect::READ | Effect::DELETE,
            objects: vec![Object {
                kind: ObjectKind::Relation,
                name: "orders".to_owned(),
                access: Access::Delete,
            }],
            features: vec!["no-where"],
            columns: vec!["id".to_owned()],
            text: "DELETE FROM orders".to_owned(),
            fingerprint: 0xab,
            names: None,
            inner: None,
            setting: None,
        };
        let answer =
            Answer { verdict: VerdictWord::Deny, reasons: vec!["no".to_owned()], obligations: vec![] };
        let (asker, by) = (RecordedAsker::default(), AnsweredBy::default());
        let statement = RecordedStatement { asker, action: RecordedAction::of(&action), answer, by };
        let json = serde_json::to_value(&statement).expect("JSON");
        assert_eq!(json["action"]["effects"], serde_json::json!(["read", "delete"]));
        let object = serde_json::json!({"kind": "relation", "name": "orders", "access": "delete"});
        assert_eq!(json["action"]["objects"], serde_json::json!([object]));
        assert_eq!(json["action"]["fingerprint"], "00000000000000ab");
        assert_eq!(json["answer"], serde_json::json!({"verdict": "deny", "reasons": ["no"]}));
        assert!(json["action"].get("columns").is_none(), "plugins are not told of columns");
    }
}
