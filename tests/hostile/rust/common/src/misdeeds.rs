//! What a Rust plugin of any world can do wrong: ways not to come back, and what its language offers to reach beyond it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, process};

use grille_sdk::Exchange;

/// What the operator may set; `settings.schema.json` says the same.
#[derive(serde::Deserialize)]
pub struct Settings {
    #[serde(default)]
    mode: String,
}

impl Settings {
    /// Misbehaves at once if it is to.
    pub fn configured(self) -> Self {
        match self.mode.as_str() {
            "spin-in-configure" => commit("spin"),
            "crash-in-configure" => commit("crash"),
            _ => {}
        }
        self
    }

    /// What to do in an exchange; empty for nothing wrong.
    pub fn misdeed(&self, exchange: &Exchange) -> String {
        let of_client = exchange.client.strip_prefix("misdeed:").unwrap_or_default();
        let misdeed = if self.mode.is_empty() { of_client } else { &self.mode };
        misdeed.to_owned()
    }
}

/// Does not come back from these; the others are not known here.
pub fn commit(misdeed: &str) {
    match misdeed {
        "spin" => spin(),
        "allocate" => allocate(),
        "crash" => panic!("a crash that was asked for"),
        "exit" => process::exit(0),
        "recurse" => {
            black_box(recurse(0));
        }
        _ => {}
    }
}

fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn allocate() {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![0xaa_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "the misdeed")]
fn recurse(depth: u64) -> u64 {
    let place = black_box([depth; 16]);
    recurse(black_box(depth + 1)) + place[3]
}

/// The message of a failure that nobody should have to read.
pub fn failure(misdeed: &str) -> Option<String> {
    match misdeed {
        "giant-failure" => Some("x".repeat(1 << 30)),
        "long-failure" => Some("x".repeat(4 << 20)),
        "control-characters" => Some("line\nERROR: forged\u{1b}[31m\u{202e}\u{0}".to_owned()),
        _ => None,
    }
}

/// What the language gives of what lies outside, in words; `None` for what is no such thing.
pub fn reached(misdeed: &str) -> Option<String> {
    let reached = match misdeed {
        "clock" => format!("{:?}", SystemTime::now().duration_since(UNIX_EPOCH)),
        "random" => RandomState::new().hash_one(7).to_string(),
        "environment" => format!(
            "{:?} {:?} {:?}",
            env::vars().collect::<Vec<_>>(),
            env::args().collect::<Vec<_>>(),
            env::current_dir().map_err(|error| error.kind())
        ),
        "files" => format!(
            "{:?} {:?}",
            fs::read("/etc/hostname").map_err(|error| error.kind()),
            fs::write("/grille-hostile", "planted").map_err(|error| error.kind())
        ),
        "network" => {
            format!("{:?}", TcpStream::connect("127.0.0.1:5432").map(drop).map_err(|error| error.kind()))
        }
        _ => return None,
    };
    Some(format!("{misdeed}: {reached}"))
}

static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

std::thread_local! {
    static KEPT_BY_THREAD: RefCell<HashSet<String>> = RefCell::new(HashSet::new());
}

/// Keeps a text wherever one can be kept; all that was kept before.
pub fn keep(text: &str) -> String {
    let mut kept = KEPT.lock().expect("there is one thread");
    let of_thread: Vec<String> = KEPT_BY_THREAD.with_borrow_mut(|kept| {
        let before = kept.iter().cloned().collect();
        kept.insert(text.to_owned());
        before
    });
    let before = kept.iter().cloned().chain(of_thread).collect();
    kept.push(text.to_owned());
    Box::leak(text.to_owned().into_boxed_str());
    before
}

/// `planted-marker`, so written that it is nowhere in memory unless somebody else brought it there.
const MARKER: [u8; 14] = [5, 25, 20, 27, 1, 16, 17, 88, 24, 20, 7, 30, 16, 7];
const MASK: u8 = 0x75;

/// Looks through all of the instance's memory for the marker, free and forgotten places included: how often it is there.
pub fn search() -> usize {
    let end = core::arch::wasm32::memory_size(0) * 65536 - MARKER.len();
    (1..end)
        .filter(|at| MARKER.iter().enumerate().all(|(index, byte)| byte_at(at + index) == byte ^ MASK))
        .count()
}

fn byte_at(address: usize) -> u8 {
    // SAFETY: it is inside of the memory there is, and any byte is a `u8`. That nothing of ours lives at some of these places, and
    // something else at others, is what is looked into: a compiler must not know better, so the read is volatile.
    unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}
