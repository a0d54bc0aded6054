//! The adapter for wit/v0.1: generated bindings, what each world may import and export, and the conversions between WIT's
//! shapes and ours. Another version of the interface becomes another file like this one; nothing outside it names a
//! generated type. Nothing is judged here: results leave as they came and go to [`crate::untrusted`].

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Instant;

use grille_core::Action;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Instance, InstancePre, Linker};

use crate::capability::{Capability, GuestRequest, Values};
use crate::context::{ExchangeContext, FieldInfo};
use crate::host_state::HostState;
use crate::untrusted::{CellBlock, RawDecision, RawEdits, RawFinding, RawVerdict};
use crate::words::{ActionWords, ObjectWords};
use crate::world::{World, WorldShape};

mod detector_world {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "detector-plugin",
    });
}

mod masker_world {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "masker-plugin",
        imports: { default: trappable },
        with: { "grille:plugin/types@0.1.0": super::detector_world::grille::plugin::types },
    });
}

mod policy_world {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "policy-plugin",
        imports: { default: trappable },
        with: { "grille:plugin/types@0.1.0": super::detector_world::grille::plugin::types },
    });
}

use detector_world::grille::plugin::types;
use policy_world::exports::grille::plugin::policy as wit_policy;

const TYPES: &str = "grille:plugin/types@0.1.0";
const LIFECYCLE: &str = "grille:plugin/lifecycle@0.1.0";

/// What each world is recognised by.
pub(crate) const WORLDS: [WorldShape; 3] = [
    WorldShape { world: World::Detector, exports: [LIFECYCLE, "grille:plugin/detector@0.1.0"] },
    WorldShape { world: World::Masker, exports: [LIFECYCLE, "grille:plugin/masker@0.1.0"] },
    WorldShape { world: World::Policy, exports: [LIFECYCLE, "grille:plugin/policy@0.1.0"] },
];

/// An import of a component: `types` holds no function, everything else is a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    Types,
    Capability(Capability),
}

impl Import {
    /// What the name stands for in this version of the interface.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            TYPES => Some(Self::Types),
            "grille:plugin/log@0.1.0" => Some(Self::Capability(Capability::Log)),
            "grille:plugin/clock@0.1.0" => Some(Self::Capability(Capability::Clock)),
            "grille:plugin/state@0.1.0" => Some(Self::Capability(Capability::State)),
            "grille:plugin/egress@0.1.0" => Some(Self::Capability(Capability::Egress)),
            "grille:plugin/keyed@0.1.0" => Some(Self::Capability(Capability::Keyed)),
            _ => None,
        }
    }
}

/// A component linked with the capabilities it imports, and nothing else.
#[derive(Clone)]
pub(crate) enum Linked {
    Detector(detector_world::DetectorPluginPre<HostState>),
    Masker(masker_world::MaskerPluginPre<HostState>),
    Policy(policy_world::PolicyPluginPre<HostState>),
}

impl Linked {
    /// Links a compiled component. Fails when its types are not those of the world.
    pub(crate) fn new(
        component: &wasmtime::component::Component,
        world: World,
        imports: &BTreeSet<Capability>,
    ) -> wasmtime::Result<Self> {
        let linker = linker(component.engine(), imports)?;
        let instance_pre: InstancePre<HostState> = linker.instantiate_pre(component)?;
        Ok(match world {
            World::Detector => Self::Detector(detector_world::DetectorPluginPre::new(instance_pre)?),
            World::Masker => Self::Masker(masker_world::MaskerPluginPre::new(instance_pre)?),
            World::Policy => Self::Policy(policy_world::PolicyPluginPre::new(instance_pre)?),
        })
    }

    /// A fresh instance in `store`, with the whole component's exports beside the world's: those of an instrumented one
    /// that reads its state ([`crate::snapshot`]).
    pub(crate) fn instantiate_whole(
        &self,
        store: &mut Store<HostState>,
    ) -> wasmtime::Result<(Bindings, Instance)> {
        let pre = match self {
            Self::Detector(linked) => linked.instance_pre(),
            Self::Masker(linked) => linked.instance_pre(),
            Self::Policy(linked) => linked.instance_pre(),
        };
        let instance = pre.instantiate(&mut *store)?;
        let bindings = match self {
            Self::Detector(_) => Bindings::Detector(detector_world::DetectorPlugin::new(store, &instance)?),
            Self::Masker(_) => Bindings::Masker(masker_world::MaskerPlugin::new(store, &instance)?),
            Self::Policy(_) => Bindings::Policy(policy_world::PolicyPlugin::new(store, &instance)?),
        };
        Ok((bindings, instance))
    }

    /// A fresh instance in `store`.
    pub(crate) fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<Bindings> {
        Ok(match self {
            Self::Detector(linked) => Bindings::Detector(linked.instantiate(store)?),
            Self::Masker(linked) => Bindings::Masker(linked.instantiate(store)?),
            Self::Policy(linked) => Bindings::Policy(linked.instantiate(store)?),
        })
    }
}

fn linker(engine: &wasmtime::Engine, imports: &BTreeSet<Capability>) -> wasmtime::Result<Linker<HostState>> {
    use masker_world::grille::plugin::keyed;
    use policy_world::grille::plugin::{clock, egress, log, state};
    let mut linker = Linker::new(engine);
    for import in imports {
        match import {
            Capability::Log => log::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?,
            Capability::Clock => clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?,
            Capability::State => state::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?,
            Capability::Egress => egress::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?,
            Capability::Keyed => keyed::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?,
        }
    }
    Ok(linker)
}

/// What a capability answers: the outer error ends the call, the inner one is the plugin's to see.
type HostAnswer<T> = wasmtime::Result<Result<T, types::Failure>>;

fn failure(error: impl Display) -> types::Failure {
    types::Failure { message: error.to_string() }
}

impl policy_world::grille::plugin::log::Host for HostState {
    fn write(&mut self, level: u32, message: String) -> wasmtime::Result<()> {
        self.log(level, &message);
        Ok(())
    }
}

impl policy_world::grille::plugin::clock::Host for HostState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.now_ms()?)
    }
}

impl policy_world::grille::plugin::state::Host for HostState {
    fn get(&mut self, key: String) -> HostAnswer<Option<Vec<u8>>> {
        Ok(self.namespace()?.get(key, Instant::now()).map_err(failure))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: u32) -> HostAnswer<()> {
        Ok(self.namespace()?.set(key, value, ttl_ms, Instant::now()).map_err(failure))
    }

    fn add(&mut self, key: String, delta: i64, window_ms: u32) -> HostAnswer<i64> {
        Ok(self.namespace()?.add(key, delta, window_ms, Instant::now()).map_err(failure))
    }
}

impl policy_world::grille::plugin::egress::Host for HostState {
    fn fetch(
        &mut self,
        method: String,
        url: String,
        headers: Vec<types::Attribute>,
        body: Vec<u8>,
    ) -> HostAnswer<policy_world::grille::plugin::egress::Reply> {
        let headers = headers.into_iter().map(|header| (header.key, header.value)).collect();
        let reply = self.fetch(GuestRequest { method, url, headers, body })?;
        Ok(reply.map_err(failure).map(|reply| policy_world::grille::plugin::egress::Reply {
            status: reply.status,
            headers: reply.headers.iter().map(|(name, value)| attribute(name, value)).collect(),
            body: reply.body,
        }))
    }
}

impl masker_world::grille::plugin::keyed::Host for HostState {
    fn transform(
        &mut self,
        method: String,
        domain: String,
        input: masker_world::grille::plugin::keyed::Values,
    ) -> HostAnswer<masker_world::grille::plugin::keyed::Values> {
        let input = Values { offsets: input.offsets, data: input.data };
        let output = self.transform(&method, &domain, &input)?.map_err(failure);
        Ok(output
            .map(|Values { offsets, data }| masker_world::grille::plugin::keyed::Values { offsets, data }))
    }
}

/// The exports of one instance.
pub(crate) enum Bindings {
    Detector(detector_world::DetectorPlugin),
    Masker(masker_world::MaskerPlugin),
    Policy(policy_world::PolicyPlugin),
}

/// A call of what the instance's world does not have; [`crate::Plugin`] asks for the world first.
#[derive(Debug, thiserror::Error)]
#[error("not exported by this world")]
struct NotExported;

/// What a call returns: the outer error is a trap or an unreadable result, the inner one the plugin's own refusal.
pub(crate) type Answer<T, E = String> = wasmtime::Result<Result<T, E>>;

impl Bindings {
    /// `lifecycle.configure`; the refusal is a list of JSON pointers with messages.
    pub(crate) fn configure(
        &self,
        store: &mut Store<HostState>,
        settings: &str,
    ) -> Answer<(), Vec<(String, String)>> {
        let answer = match self {
            Self::Detector(plugin) => plugin.grille_plugin_lifecycle().call_configure(store, settings),
            Self::Masker(plugin) => plugin.grille_plugin_lifecycle().call_configure(store, settings),
            Self::Policy(plugin) => plugin.grille_plugin_lifecycle().call_configure(store, settings),
        }?;
        Ok(answer.map_err(|list| list.into_iter().map(|one| (one.pointer, one.message)).collect()))
    }

    /// `lifecycle.begin`.
    pub(crate) fn begin(
        &self,
        store: &mut Store<HostState>,
        context: &ExchangeContext,
        fields: &[FieldInfo],
    ) -> Answer<()> {
        let exchange = &exchange(context);
        let fields: Vec<types::Field> = fields.iter().map(field).collect();
        let answer = match self {
            Self::Detector(plugin) => plugin.grille_plugin_lifecycle().call_begin(store, exchange, &fields),
            Self::Masker(plugin) => plugin.grille_plugin_lifecycle().call_begin(store, exchange, &fields),
            Self::Policy(plugin) => plugin.grille_plugin_lifecycle().call_begin(store, exchange, &fields),
        }?;
        Ok(answer.map_err(|failure| failure.message))
    }

    /// `detector.inspect`.
    pub(crate) fn inspect(
        &self,
        store: &mut Store<HostState>,
        block: &mut CellBlock,
    ) -> Answer<Vec<RawFinding>> {
        let Self::Detector(plugin) = self else { return Err(NotExported.into()) };
        let answer = lend(block, |block| plugin.grille_plugin_detector().call_inspect(store, block));
        answer.map(|answer| match answer {
            Ok(findings) => Ok(findings.into_iter().map(raw_finding).collect()),
            Err(failure) => Err(failure.message),
        })
    }

    /// `masker.mask`.
    pub(crate) fn mask(&self, store: &mut Store<HostState>, block: &mut CellBlock) -> Answer<RawEdits> {
        let Self::Masker(plugin) = self else { return Err(NotExported.into()) };
        let answer = lend(block, |block| plugin.grille_plugin_masker().call_mask(store, block));
        answer.map(|answer| match answer {
            Ok(edits) => Ok(RawEdits { cells: edits.cells, offsets: edits.offsets, data: edits.data }),
            Err(failure) => Err(failure.message),
        })
    }

    /// `policy.decide`.
    pub(crate) fn decide(
        &self,
        store: &mut Store<HostState>,
        action: &Action,
        attributes: &[(&str, &str)],
    ) -> Answer<RawDecision> {
        let Self::Policy(plugin) = self else { return Err(NotExported.into()) };
        let action = wit_action(action, attributes);
        let answer = plugin.grille_plugin_policy().call_decide(store, &action);
        answer.map(|answer| match answer {
            Ok(decision) => Ok(raw_decision(decision)),
            Err(failure) => Err(failure.message),
        })
    }
}

impl Bindings {
    /// `policy.decide` on an action in words.
    pub(crate) fn decide_words(
        &self,
        store: &mut Store<HostState>,
        words: &ActionWords,
    ) -> Answer<RawDecision> {
        let Self::Policy(plugin) = self else { return Err(NotExported.into()) };
        let answer = plugin.grille_plugin_policy().call_decide(store, &wit_words(words));
        answer.map(|answer| answer.map(raw_decision).map_err(|failure| failure.message))
    }
}

/// Lends the block's buffers to the shape that lowering wants, and takes them back: no copy, and they are used again.
fn lend<T>(block: &mut CellBlock, call: impl FnOnce(&types::Block) -> T) -> T {
    let lent = types::Block {
        rows: block.rows,
        fields: std::mem::take(&mut block.fields),
        offsets: std::mem::take(&mut block.offsets),
        data: std::mem::take(&mut block.data),
    };
    let result = call(&lent);
    *block = CellBlock { rows: lent.rows, fields: lent.fields, offsets: lent.offsets, data: lent.data };
    result
}

/// An exchange in the interface's shape.
fn exchange(context: &ExchangeContext) -> types::Exchange {
    let session = &context.session;
    types::Exchange {
        id: context.id,
        protocol: session.protocol.to_owned(),
        principal: session.principal.subject.clone(),
        principal_kind: session.principal.kind.as_str().to_owned(),
        groups: session.principal.groups.clone(),
        role: session.role.as_str().to_owned(),
        upstream: session.upstream.as_str().to_owned(),
        target: session.target.clone(),
        client: session.client.clone(),
        attributes: vec![attribute("issuer", &session.principal.issuer)],
    }
}

fn field(field: &FieldInfo) -> types::Field {
    types::Field { name: field.name.clone(), origin: field.origin.clone(), kind: field.kind.clone() }
}

fn attribute(key: &str, value: &str) -> types::Attribute {
    types::Attribute { key: key.to_owned(), value: value.to_owned() }
}

fn wit_action(action: &Action, attributes: &[(&str, &str)]) -> wit_policy::Action {
    wit_policy::Action {
        kind: action.kind.clone(),
        effects: action.effects.words().map(str::to_owned).collect(),
        objects: action.objects.iter().map(wit_object).collect(),
        features: action.features.iter().map(|feature| (*feature).to_owned()).collect(),
        text: action.text.clone(),
        fingerprint: action.fingerprint,
        attributes: attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
    }
}

fn wit_object(object: &grille_core::Object) -> wit_policy::Object {
    wit_policy::Object {
        kind: object.kind.as_str().to_owned(),
        name: object.name.clone(),
        access: object.access.as_str().to_owned(),
    }
}

fn wit_words(words: &ActionWords) -> wit_policy::Action {
    let object = |object: &ObjectWords| wit_policy::Object {
        kind: object.kind.clone(),
        name: object.name.clone(),
        access: object.access.clone(),
    };
    wit_policy::Action {
        kind: words.kind.clone(),
        effects: words.effects.clone(),
        objects: words.objects.iter().map(object).collect(),
        features: words.features.clone(),
        text: words.text.clone(),
        fingerprint: words.fingerprint,
        attributes: vec![],
    }
}

fn raw_finding(finding: types::Finding) -> RawFinding {
    RawFinding {
        cell: finding.cell,
        start: finding.start,
        end: finding.end,
        label: finding.label,
        score: finding.score,
        support: finding.support,
    }
}

fn raw_decision(decision: wit_policy::Decision) -> RawDecision {
    let verdict = match decision.verdict {
        wit_policy::Verdict::Allow => RawVerdict::Allow,
        wit_policy::Verdict::Deny(reason) => RawVerdict::Deny(reason),
        wit_policy::Verdict::Hold(approval) => {
            RawVerdict::Hold { reason: approval.reason, approvers: approval.approvers, ttl_s: approval.ttl_s }
        }
        wit_policy::Verdict::Rewrite(text) => RawVerdict::Rewrite(text),
        wit_policy::Verdict::Extension((name, _body)) => RawVerdict::Extension(name),
    };
    let obligations = decision.obligations.into_iter().map(|pair| (pair.key, pair.value)).collect();
    RawDecision { verdict, obligations }
}
