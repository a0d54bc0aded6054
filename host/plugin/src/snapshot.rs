//! Snapshots: a component whose memories and globals begin as `configure` left them, so that an exchange's instance need
//! not be configured again.
//!
//! The rewriting is Wizer's. It takes a component apart without much care for what it cannot do, so it only ever runs
//! beside the compiler, in the compiler's process; here are its two halves ([`instrument`], [`rewrite`]) and the [`State`]
//! that travels between them. What a component must be like is said in docs/reference/plugin-performance.md.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmparser::{CanonicalFunction, Parser, Payload};
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentNamedList, Instance, Lift, WasmList};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::failure::host_text;
use crate::host_state::HostState;
use crate::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOT_VALUES_MAX};

/// The instance that an instrumented component exports: one function for each memory and each changeable global. No plugin
/// can have it, for a plugin's exports are those of its world and no other.
const ACCESS: &str = "wasmtime:wizer/access";

/// Why there is no snapshot: a property of the component, told to its author and the operator. The plugin works without.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSnapshot {
    /// Wizer cannot rewrite it; its own words.
    #[error("{0}")]
    Unsupported(String),
    /// It has handles, which live in the host and are not part of its memory.
    #[error("it uses resources, whose handles are not part of a snapshot")]
    Resources,
    /// Wizer gave up in a way of its own.
    #[error("it is built in a way that snapshots do not know")]
    Unknown,
    /// Its state could not be read, most often because its memory may not grow by the page that reading takes.
    #[error("its memory cannot be read after configure: {0}")]
    Unreadable(String),
    /// More memories and globals than are read.
    #[error("it has more than {} memories and globals", SNAPSHOT_VALUES_MAX)]
    TooMany,
    /// More memory than is kept.
    #[error("its memory is larger than {} bytes after configure", SNAPSHOT_BYTES_MAX)]
    TooLarge,
}

/// The first half: a component that works like the given one, and lets its state be read.
pub(crate) fn instrument(component: &[u8]) -> Result<Vec<u8>, NoSnapshot> {
    check_handles(component)?;
    guarded(|| wizer().instrument_component(component).map(|(_, instrumented)| instrumented))
}

/// The second half: a component that begins in `state`, which was read from an instance of [`instrument`]'s.
pub(crate) fn rewrite(component: &[u8], state: &State) -> Result<Vec<u8>, NoSnapshot> {
    guarded(|| {
        let wizer = wizer();
        let (context, _) = wizer.instrument_component(component)?;
        rewrite_in(&wizer, &context, state)
    })?
}

fn rewrite_in(
    wizer: &Wizer,
    context: &ComponentContext<'_>,
    state: &State,
) -> wasmtime::Result<Result<Vec<u8>, NoSnapshot>> {
    let mut replay = Replay { state, missing: None };
    let rewritten = match pin!(wizer.snapshot_component(context, &mut replay))
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(rewritten) => rewritten?,
        // It waits for nothing but the answers of `Replay`, which are there at once.
        Poll::Pending => return Ok(Err(NoSnapshot::Unknown)),
    };
    Ok(match replay.missing {
        None => Ok(rewritten),
        Some(name) => Err(NoSnapshot::Unreadable(format!("{name} is missing"))),
    })
}

/// Wizer takes an export away that it thinks was made for it; plugins have none.
fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    wizer.keep_init_func(true);
    wizer
}

/// Wizer asserts what it expects of a component instead of asking, so a panic is one of its answers.
fn guarded<T>(work: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, NoSnapshot> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(NoSnapshot::Unsupported(host_text(&error))),
        Err(_) => Err(NoSnapshot::Unknown),
    }
}

/// A handle made while configuring would be a number that means nothing in a restored instance.
fn check_handles(component: &[u8]) -> Result<(), NoSnapshot> {
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(unreadable)?;
        let Payload::ComponentCanonicalSection(functions) = payload else { continue };
        for function in functions {
            match function.map_err(unreadable)? {
                CanonicalFunction::Lift { .. } | CanonicalFunction::Lower { .. } => {}
                _ => return Err(NoSnapshot::Resources),
            }
        }
    }
    Ok(())
}

fn unreadable(error: wasmparser::BinaryReaderError) -> NoSnapshot {
    NoSnapshot::Unsupported(error.to_string())
}

/// What an instance's memories and globals hold, each by the name of its accessor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    values: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    I32(i32),
    I64(i64),
    /// Floats as their bits: a NaN must stay the NaN it is.
    F32(u32),
    F64(u64),
    Memory(Vec<u8>),
}

impl State {
    /// Reads the state of an instance of an instrumented component. The instance must not be used afterwards: to be read,
    /// a memory grows by a page.
    pub(crate) fn read(store: &mut Store<HostState>, instance: &Instance) -> Result<Self, NoSnapshot> {
        // What is read is memory that is there already, and memory has a limit of its own.
        store.set_hostcall_fuel(usize::MAX);
        let accessors = accessors(store, instance);
        if accessors.len() > SNAPSHOT_VALUES_MAX {
            return Err(NoSnapshot::TooMany);
        }
        let mut reader = Reader { store, instance, bytes: 0 };
        let read = |(name, kind): (String, Kind)| reader.read(&name, kind).map(|value| (name, value));
        let values: Result<_, NoSnapshot> = accessors.into_iter().map(read).collect();
        Ok(Self { values: values? })
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let at = self.values.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        Some(&self.values[at].1)
    }
}

/// The accessors' names, sorted, with what each returns.
fn accessors(store: &Store<HostState>, instance: &Instance) -> Vec<(String, Kind)> {
    let engine = store.engine();
    let component = instance.instance_pre(store).component().component_type();
    let Some(access) = component.get_export(engine, ACCESS) else { return vec![] };
    let ComponentItem::ComponentInstance(access) = access.ty else { return vec![] };
    let kinds = access.exports(engine).filter_map(|(name, item)| {
        let ComponentItem::ComponentFunc(function) = item.ty else { return None };
        Some((name.to_owned(), Kind::of(&function.results().next()?)?))
    });
    let mut accessors: Vec<_> = kinds.collect();
    accessors.sort_by(|(one, _), (other, _)| one.cmp(other));
    accessors
}

#[derive(Clone, Copy)]
enum Kind {
    I32,
    I64,
    F32,
    F64,
    Memory,
}

impl Kind {
    fn of(result: &wasmtime::component::Type) -> Option<Self> {
        use wasmtime::component::Type;
        match result {
            Type::S32 => Some(Self::I32),
            Type::S64 => Some(Self::I64),
            Type::Float32 => Some(Self::F32),
            Type::Float64 => Some(Self::F64),
            Type::List(_) => Some(Self::Memory),
            // Left out; what is missing is noticed when it is asked for.
            _ => None,
        }
    }
}

struct Reader<'a> {
    store: &'a mut Store<HostState>,
    instance: &'a Instance,
    /// Of memories, so far.
    bytes: usize,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, kind: Kind) -> Result<Value, NoSnapshot> {
        let value = match kind {
            Kind::I32 => self.call(name).map(Value::I32),
            Kind::I64 => self.call(name).map(Value::I64),
            Kind::F32 => self.call(name).map(|float: f32| Value::F32(float.to_bits())),
            Kind::F64 => self.call(name).map(|float: f64| Value::F64(float.to_bits())),
            Kind::Memory => return self.memory(name),
        };
        value.map_err(|error| NoSnapshot::Unreadable(host_text(&error)))
    }

    fn memory(&mut self, name: &str) -> Result<Value, NoSnapshot> {
        let list: WasmList<u8> =
            self.call(name).map_err(|error| NoSnapshot::Unreadable(host_text(&error)))?;
        let bytes = list.as_le_slice(&*self.store);
        self.bytes += bytes.len();
        if self.bytes > SNAPSHOT_BYTES_MAX {
            return Err(NoSnapshot::TooLarge);
        }
        Ok(Value::Memory(bytes.to_vec()))
    }

    fn call<T>(&mut self, name: &str) -> wasmtime::Result<T>
    where
        (T,): ComponentNamedList + Lift + 'static,
    {
        let missing = || wasmtime::format_err!("{name} is missing");
        let access = self.instance.get_export_index(&mut *self.store, None, ACCESS).ok_or_else(missing)?;
        let index =
            self.instance.get_export_index(&mut *self.store, Some(&access), name).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (T,)>(&mut *self.store, index)?;
        Ok(function.call(&mut *self.store, ())?.0)
    }
}

/// Answers Wizer from a state that was read before.
struct Replay<'a> {
    state: &'a State,
    /// The first name that was asked for and is not there, or is of another kind.
    missing: Option<String>,
}

impl<'a> Replay<'a> {
    fn answer<T: Default>(&mut self, name: &str, pick: impl FnOnce(&'a Value) -> Option<T>) -> T {
        let picked = self.state.value(name).and_then(pick);
        picked.unwrap_or_else(|| {
            self.missing.get_or_insert_with(|| name.to_owned());
            T::default()
        })
    }
}

impl ComponentInstanceState for Replay<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        _instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        contents(self.answer(func, |value| match value {
            Value::Memory(bytes) => Some(bytes.as_slice()),
            Value::I32(_) | Value::I64(_) | Value::F32(_) | Value::F64(_) => None,
        }));
    }

    async fn call_func_ret_s32(&mut self, _instance: &str, func: &str) -> i32 {
        self.answer(func, |value| if let Value::I32(number) = value { Some(*number) } else { None })
    }

    async fn call_func_ret_s64(&mut self, _instance: &str, func: &str) -> i64 {
        self.answer(func, |value| if let Value::I64(number) = value { Some(*number) } else { None })
    }

    async fn call_func_ret_f32(&mut self, _instance: &str, func: &str) -> u32 {
        self.answer(func, |value| if let Value::F32(bits) = value { Some(*bits) } else { None })
    }

    async fn call_func_ret_f64(&mut self, _instance: &str, func: &str) -> u64 {
        self.answer(func, |value| if let Value::F64(bits) = value { Some(*bits) } else { None })
    }
}

/// A state on its way to the compiler's process. Each value: its kind, the length of its name, the name, the length of its
/// content, the content. Lengths are `u32`; all numbers are little-endian.
impl State {
    /// Appends the state's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.values {
            let number;
            let (kind, content): (u8, &[u8]) = match value {
                Value::I32(value) => (0, {
                    number = u64::from(value.cast_unsigned()).to_le_bytes();
                    &number
                }),
                Value::I64(value) => (1, {
                    number = value.to_le_bytes();
                    &number
                }),
                Value::F32(bits) => (2, {
                    number = u64::from(*bits).to_le_bytes();
                    &number
                }),
                Value::F64(bits) => (3, {
                    number = bits.to_le_bytes();
                    &number
                }),
                Value::Memory(bytes) => (4, bytes),
            };
            out.push(kind);
            put(out, name.as_bytes());
            put(out, content);
        }
    }

    /// Reads what [`State::encode`] wrote; `None` when it is anything else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut values = vec![];
        while let Some((kind, rest)) = bytes.split_first() {
            bytes = rest;
            let name = String::from_utf8(take(&mut bytes)?.to_vec()).ok()?;
            let content = take(&mut bytes)?;
            values.push((name, Value::decode(*kind, content)?));
        }
        Some(Self { values })
    }
}

impl Value {
    fn decode(kind: u8, content: &[u8]) -> Option<Self> {
        let number = || content.try_into().ok().map(u64::from_le_bytes);
        let short = || u32::try_from(number()?).ok();
        Some(match kind {
            0 => Self::I32(short()?.cast_signed()),
            1 => Self::I64(number()?.cast_signed()),
            2 => Self::F32(short()?),
            3 => Self::F64(number()?),
            4 => Self::Memory(content.to_vec()),
            _ => return None,
        })
    }
}

/// Appends bytes after their length. Names and memories are far below 4 GiB ([`SNAPSHOT_BYTES_MAX`]).
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(body: &str) -> Vec<u8> {
        wat::parse_str(format!("(component {body})")).expect("the text is a component")
    }

    fn state() -> State {
        let values = [
            ("global0", Value::I32(-7)),
            ("global1", Value::I64(i64::MIN)),
            ("global2", Value::F32(f32::NAN.to_bits() | 1)),
            ("global3", Value::F64(f64::NAN.to_bits() | 1)),
            ("memory4", Value::Memory(vec![0, 1, 2])),
            ("memory5", Value::Memory(vec![])),
        ];
        State { values: values.map(|(name, value)| (name.to_owned(), value)).into() }
    }

    #[test]
    fn a_state_survives_the_way_to_the_compiler() {
        let mut bytes = vec![];
        state().encode(&mut bytes);
        assert_eq!(State::decode(&bytes), Some(state()));
        assert_eq!(State::decode(&[]), Some(State::default()));
    }

    #[test]
    fn a_state_cut_short_or_damaged_is_refused() {
        let mut bytes = vec![];
        state().encode(&mut bytes);
        let whole: Vec<usize> = ends(&bytes);
        for cut in (0..bytes.len()).filter(|cut| !whole.contains(cut)) {
            assert_eq!(State::decode(&bytes[..cut]), None, "{cut}");
        }
        bytes[0] = 9;
        assert_eq!(State::decode(&bytes), None, "no such kind");
    }

    /// Where one value ends and the next begins.
    fn ends(bytes: &[u8]) -> Vec<usize> {
        let mut rest = bytes;
        let mut ends = vec![0];
        while let Some((_, after)) = rest.split_first() {
            rest = after;
            take(&mut rest).and_then(|_| take(&mut rest)).expect("it is whole");
            ends.push(bytes.len() - rest.len());
        }
        ends
    }

    #[test]
    fn what_cannot_be_rewritten_is_named() {
        let check = |body: &str, expected: &str| {
            let error = instrument(&component(body)).expect_err(body).to_string();
            assert!(error.contains(expected), "{body}: {error}");
        };
        check(
            "(core module (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))))",
            "table.set",
        );
        check("(component (core module))", "nested components with modules");
        check("(core module $m) (core instance (instantiate $m)) (core instance (instantiate $m))", "once");
        check("(type $r (resource (rep i32))) (core func (canon resource.new $r))", "resources");
    }

    #[test]
    fn a_panic_of_the_rewriters_is_an_answer() {
        // Without an export section no reader is added for the memory, which the second half then asserts.
        let odd = component("(core module $m (memory 1)) (core instance (instantiate $m))");
        instrument(&odd).expect("the first half does not notice");
        assert!(matches!(rewrite(&odd, &State::default()), Err(NoSnapshot::Unknown)));
    }

    #[test]
    fn a_state_that_lacks_a_value_is_refused() {
        let module =
            "(core module $m (memory (export \"m\") 1) (global (export \"g\") (mut i32) (i32.const 1)))";
        let whole = component(&format!("{module} (core instance (instantiate $m))"));
        let error = rewrite(&whole, &State::default()).expect_err("nothing was read").to_string();
        assert!(error.contains("global0 is missing"), "{error}");
        let value = |name: &str, value| (name.to_owned(), value);
        let memory = || value("memory1", Value::Memory(vec![0; 65536]));
        let swapped = State { values: vec![value("global0", Value::I64(1)), memory()] };
        assert!(rewrite(&whole, &swapped).is_err(), "a value of another kind");
        let read = State { values: vec![value("global0", Value::I32(1)), memory()] };
        rewrite(&whole, &read).expect("all is there");
    }
}
