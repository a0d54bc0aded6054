//! Inputs that a plugin must survive: what data and statements can look like at their worst. A plugin survives by answering
//! within its deadline, with an answer that the host takes; or by refusing in words of its own.

use grille_core::untrusted::CellBlock;
use grille_plugin::{ActionWords, ObjectWords};

/// Cells of one column.
pub(super) struct HostileCells {
    /// What is hostile about them.
    pub(super) name: &'static str,
    cells: Vec<String>,
}

/// The largest text that the data plane gives to a detector.
const TEXT_BYTES: usize = 1 << 20;

/// The most cells that it gives at once.
const CELLS: usize = 8 * 1024;

/// Most bytes of a statement's text that a policy is given.
const STATEMENT_BYTES: usize = 8 << 10;

/// The most objects: far more than a statement within the data plane's limits names.
const OBJECTS: usize = 10_000;

impl HostileCells {
    /// As the plugin is given them. None of them is larger than a block may be.
    pub(super) fn block(&self) -> CellBlock {
        CellBlock::of_column(0, self.cells.iter().map(String::as_str)).unwrap_or_default()
    }
}

/// What detectors and maskers must survive.
pub(super) fn cells() -> Vec<HostileCells> {
    let one = |name, cell: String| HostileCells { name, cells: vec![cell] };
    let every_char = || (0..0x1_1000).filter_map(char::from_u32).collect::<String>();
    vec![
        HostileCells { name: "no cells", cells: vec![] },
        one("an empty cell", String::new()),
        one("a huge cell of letters", "a".repeat(TEXT_BYTES)),
        one("a huge cell of digits", "4".repeat(TEXT_BYTES)),
        one("a huge cell of separators", "-@.: ".repeat(TEXT_BYTES / 5)),
        one("a huge cell that is not ASCII", "é😀\u{301}ß".repeat(TEXT_BYTES / 10)),
        one("every character", every_char()),
        one(
            "control characters and NUL",
            (0..0x20_u8).map(char::from).chain(['\u{7f}', '\u{feff}']).collect(),
        ),
        one("right-to-left and combining marks", "\u{202e}\u{5d0}\u{5d1}\u{301}\u{302}\u{200d}".repeat(100)),
        one("something that looks like JSON", "{\"a\":[".repeat(10_000)),
        HostileCells { name: "many empty cells", cells: vec![String::new(); CELLS] },
        HostileCells {
            name: "many short cells",
            cells: (0..CELLS).map(|index| format!("é{index}-@")).collect(),
        },
    ]
}

/// What policies must survive.
pub(super) fn actions() -> Vec<(&'static str, ActionWords)> {
    let object = |kind: &str, name: String, access: &str| ObjectWords {
        kind: kind.to_owned(),
        name,
        access: access.to_owned(),
    };
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let kind = |kind: &str| ActionWords { kind: kind.to_owned(), ..ActionWords::default() };
    let many = (0..OBJECTS).map(|index| object("relation", format!("s{index}.t{index}"), "read")).collect();
    vec![
        ("nothing at all", ActionWords::default()),
        ("an unknown command", kind("teleport")),
        ("an unknown effect", ActionWords { effects: words(&["teleport", "", "réad"]), ..kind("select") }),
        ("an unknown feature", ActionWords { features: words(&["no-gravity", ""]), ..kind("select") }),
        (
            "an unknown kind of object and access",
            ActionWords { objects: vec![object("planet", "mars".to_owned(), "visit")], ..kind("select") },
        ),
        (
            "names that are not ASCII, empty, or full of dots and quotes",
            ActionWords {
                objects: ["", ".", "..", "a.b.c.d.e", "\"a\".b", "é.😀", "\u{0}", "%"]
                    .map(|name| object("relation", name.to_owned(), "read"))
                    .into(),
                ..kind("select")
            },
        ),
        (
            "a huge name",
            ActionWords { objects: vec![object("relation", "x".repeat(TEXT_BYTES), "drop")], ..kind("drop") },
        ),
        ("many objects", ActionWords { objects: many, effects: words(&["read"]), ..kind("select") }),
        ("a long text", ActionWords { text: "SELECT ($1) ".repeat(STATEMENT_BYTES / 12), ..kind("select") }),
        (
            "every effect at once",
            ActionWords {
                effects: grille_core::action::EFFECT_WORDS.map(|(_, word)| word.to_owned()).into(),
                ..kind("do")
            },
        ),
    ]
}
