//! From a statement's bytes to a decision: analysis, the role's own limits, the policy plugins, lineage, and the memory of
//! decisions that are a pure function of what they were made from.

mod reading;
mod role;

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use grille_core::decision::ReasonSource;
use grille_core::{Action, ClientMessage, Decision, Effect, ExchangeId, Obligation, Role, SqlState, Verdict};
use grille_plugin::{ExchangeContext, Plugin, SessionContext};
use grille_wire::postgres::value::Tokenizer;
use grille_wire::postgres::{Effort, Relay, Statement};
use grille_wire::sql::AnalyzeError;
use tokio::task::block_in_place;
use tracing::warn;

use crate::catalog::{Rules, Snapshot};
use crate::decisions::{ActionKey, AskerDigest, Footing, Judged, TextKey, names_something, weight};
use crate::generation::{ArmedRole, Generation};
use crate::lineage::{self, Behind, Names, RoundTrip, Traced, needs_catalogue, rests_on};
use crate::metrics::Metrics;
use crate::observation::{Observer, Occasion};
pub(crate) use reading::Reading;

/// Longer statements are judged each time: most are bulk inserts that never come again.
const CACHED_STATEMENT_BYTES_MAX: usize = 16 * 1024;
/// Statements of which more was understood are given to the policies each time.
const CACHED_ACTION_BYTES_MAX: usize = 64 * 1024;

/// Who asks, through what: everything beside the statement that a policy sees. Decisions are remembered under its digest.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) session: Arc<SessionContext>,
    digest: AskerDigest,
}

impl Asker {
    pub(crate) fn new(session: SessionContext) -> Self {
        Self { digest: digest(&session), session: Arc::new(session) }
    }

    /// The same under another role.
    pub(crate) fn under(&self, role: &Role) -> Self {
        Self::new(SessionContext { role: role.name.clone(), ..(*self.session).clone() })
    }

    pub(crate) fn context(&self, exchange: ExchangeId) -> ExchangeContext {
        ExchangeContext::new(exchange.0, &self.session)
    }

    /// The same for whoever observes.
    pub(crate) fn occasion(&self, exchange: ExchangeId) -> Occasion {
        Occasion { session: Arc::clone(&self.session), exchange }
    }
}

fn digest(session: &SessionContext) -> AskerDigest {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let principal = &session.principal;
    let fixed = [
        principal.issuer.as_str(),
        &principal.subject,
        principal.kind.as_str(),
        session.role.as_str(),
        session.upstream.as_str(),
        &session.target,
        &session.client,
    ];
    for text in fixed.into_iter().chain(principal.groups.iter().map(String::as_str)) {
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finish().as_ref().first_chunk().copied().expect("SHA-256 has 32 bytes")
}

/// A statement that could not be judged, so it is refused.
#[derive(Debug)]
pub(crate) enum Unjudged {
    /// Whatever else happens.
    Refused(Box<ClientMessage>),
    /// It names something that is not known, unless a statement under way makes it known.
    UnknownName(Box<ClientMessage>),
    /// What it means depends on the catalogue, which is not at hand.
    NoCatalogue,
}

/// What names mean: in the database, and in the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'g> {
    /// None where it has not been read, or is too old.
    pub(crate) snapshot: Option<&'g Snapshot>,
    pub(crate) names: &'g Names,
}

/// Judges for one exchange.
pub(crate) struct Judge<'j> {
    pub(crate) generation: &'j Generation,
    pub(crate) role: &'j ArmedRole,
    pub(crate) asker: &'j Asker,
    pub(crate) exchange: ExchangeId,
    pub(crate) metrics: &'j Metrics,
    pub(crate) observer: &'j Observer,
    pub(crate) tokens: &'j Tokenizer,
    pub(crate) ground: Ground<'j>,
}

impl Judge<'_> {
    /// Judges a message's text. Calls plugins: the caller says so to the runtime.
    pub(crate) fn judge_text(
        &self,
        text: &Bytes,
        reading: Reading<'_>,
        relay: &Relay,
    ) -> Result<Arc<Judged>, Unjudged> {
        // ASCII reads the same in every encoding the server has; what is not is analysed anew, as rare as it is.
        let reads_alike =
            reading.standard_conforming_strings && (reading.encoding.is_utf8() || text.is_ascii());
        if reads_alike && let Some(judged) = self.recall(text) {
            return Ok(judged);
        }
        self.judge_and_remember(Arc::new(reading::analyze(text, reading)?), relay)
    }

    /// Judges a FunctionCall by the statement that calls the same function. It is not remembered: a Query with that text
    /// is another thing.
    pub(crate) fn judge_call(&self, sql: &'static str, relay: &Relay) -> Result<Arc<Judged>, Unjudged> {
        self.judge_statement(Arc::new(reading::call(sql)?), relay).map(Arc::new)
    }

    /// Judges a statement that was understood before: its text may still be remembered.
    pub(crate) fn judge_known(
        &self,
        statement: &Arc<Statement>,
        relay: &Relay,
    ) -> Result<Arc<Judged>, Unjudged> {
        // The same bytes can have been another statement in another encoding.
        if let Some(judged) =
            self.recall(&statement.text).filter(|judged| Arc::ptr_eq(&judged.statement, statement))
        {
            return Ok(judged);
        }
        self.judge_and_remember(Arc::clone(statement), relay)
    }

    /// What the same asker was told of the same text on the same ground.
    fn recall(&self, text: &Bytes) -> Option<Arc<Judged>> {
        if text.len() > CACHED_STATEMENT_BYTES_MAX || !self.ground.names.are_certain() {
            return None;
        }
        self.generation.decisions.statements.get(&self.key(text))
    }

    fn key<'k>(&self, text: &'k Bytes) -> TextKey<'k> {
        let catalogue = self.ground.snapshot.map_or(0, Snapshot::version);
        TextKey { asker: self.asker.digest, catalogue, path: self.ground.names.digest(), text }
    }

    fn remember(&self, judged: &Arc<Judged>) {
        let statement = &judged.statement;
        let reads_alike = statement.reads_alike();
        let is_short = statement.text.len() <= CACHED_STATEMENT_BYTES_MAX;
        let rests_on_session = names_something(statement) || !self.ground.names.are_certain();
        // Under a statement that was read before, the server may run an older plan than others get.
        let is_of_now = self
            .ground
            .snapshot
            .is_none_or(|snapshot| snapshot.appeared_since(statement.read_at).next().is_none());
        let may_come_again = judged.is_repeatable && self.is_pure();
        if reads_alike && is_short && !rests_on_session && is_of_now && may_come_again {
            let key = self.key(&statement.text).to_owned();
            self.generation.decisions.statements.insert(key, Arc::clone(judged));
        }
    }

    fn judge_and_remember(&self, statement: Arc<Statement>, relay: &Relay) -> Result<Arc<Judged>, Unjudged> {
        let judged = Arc::new(self.judge_statement(statement, relay)?);
        self.remember(&judged);
        Ok(judged)
    }

    fn judge_statement(&self, statement: Arc<Statement>, relay: &Relay) -> Result<Judged, Unjudged> {
        let behind = resolve(&statement, relay)?;
        let (mut decision, mut failures) = (Decision::allow(), 0);
        let others = behind.iter().flat_map(|behind| &behind.statement.actions);
        for action in statement.actions.iter().chain(others) {
            decision = decision.merge(self.decide(action, &mut failures));
        }
        if let Some(cap) = self.role.role.row_cap {
            decision = decision.with(Obligation::RowCap(cap));
        }
        if decision.row_cap().is_some() && writes_beside_others(&statement) {
            let text = "several statements in one message may only read where rows are capped";
            decision = decision.merge(Decision::deny(ReasonSource::Host, text));
        }
        let records = Arc::new(statement.actions.iter().map(reading::record).collect());
        let rules = Rules::of(&self.role.role, &decision);
        let is_restricted = self.role.role.masks() || !rules.is_empty();
        let mut judged = Judged {
            statement,
            behind,
            decision,
            records,
            is_repeatable: failures == 0,
            is_restricted,
            rules,
            traced: None,
            footing: Footing::Nothing,
            round_trip: RoundTrip::default(),
            refusal: None,
        };
        if is_restricted && *judged.decision.verdict() != Verdict::Deny {
            self.restrict(&mut judged)?;
        }
        Ok(judged)
    }

    /// What a role whose results are masked may not do: go past the mask by a class of statements, or use protected columns
    /// for more than their masked selves.
    fn restrict(&self, judged: &mut Judged) -> Result<(), Unjudged> {
        let others = judged.behind.iter().flat_map(|behind| &behind.statement.actions);
        for action in judged.statement.actions.iter().chain(others) {
            judged.decision = judged.decision.clone().merge(role::restrict(&self.role.role, action));
        }
        if *judged.decision.verdict() == Verdict::Deny || !needs_catalogue(&judged.statement) {
            return Ok(());
        }
        let snapshot = self.ground.snapshot.ok_or(Unjudged::NoCatalogue)?;
        let traced = Arc::new(self.trace(judged, snapshot)?);
        judged.footing = match self.ground.names.are_unsure() {
            true => Footing::Unsure,
            false => Footing::Names(Arc::new(rests_on(judged.actions(), self.ground.names.search_path()))),
        };
        let role = &self.role.role;
        judged.round_trip = RoundTrip::of(role, &traced, &judged.statement, snapshot, self.tokens);
        if let Some(refusal) = lineage::refuse(role, &traced, &judged.round_trip, snapshot) {
            judged.decision = judged.decision.clone().merge(refusal.decision.clone());
            judged.refusal = Some(refusal);
        }
        judged.traced = Some(traced);
        Ok(())
    }

    /// The lineage of what was judged, under a catalogue that may be a newer one. Parses: other sessions of this worker go
    /// on meanwhile.
    pub(crate) fn trace(&self, judged: &Judged, snapshot: &Snapshot) -> Result<Traced, Unjudged> {
        let (names, rules) = (self.ground.names, &judged.rules);
        let trace = || Traced::of(&judged.statement, &judged.behind, snapshot, names, rules);
        let mut statements =
            std::iter::once(&judged.statement).chain(judged.behind.iter().map(|one| &one.statement));
        // What takes some tens of µs, as much as analysis has just taken, is traced on the worker itself: handing its other
        // sessions over to another thread would take longer.
        let is_brief = statements.all(|statement| statement.effort == Effort::Brief);
        let traced = if is_brief { trace() } else { block_in_place(trace) };
        traced.map_err(|error| untraceable(&error))
    }

    fn is_pure(&self) -> bool {
        self.role.policies.iter().all(|policy| policy.is_pure())
    }

    /// Counts the policies that could not judge.
    fn decide(&self, action: &Action, failures: &mut usize) -> Decision {
        let own = role::decide(&self.role.role, action);
        if *own.verdict() == Verdict::Deny {
            return own;
        }
        self.role
            .policies
            .iter()
            .fold(own, |decision, policy| decision.merge(self.decide_by_policy(policy, action, failures)))
    }

    fn decide_by_policy(&self, policy: &Arc<Plugin>, action: &Action, failures: &mut usize) -> Decision {
        let memory = &self.generation.decisions.actions;
        let key = ActionKey { asker: self.asker.digest, policy: policy.id(), action };
        let remembers = policy.is_pure() && weight(action) <= CACHED_ACTION_BYTES_MAX;
        if remembers && let Some(known) = memory.get(&key) {
            return known;
        }
        let watch = self.observer.watch(policy, self.role.shadow_of(policy.id()));
        let answer = block_in_place(|| policy.decide(&self.asker.context(self.exchange), action, &[]));
        if let Some(watch) = watch {
            watch.judged(self.asker.occasion(self.exchange), action, &answer);
        }
        match answer {
            Ok(decision) => {
                if remembers {
                    memory.insert(key.to_owned(), decision.clone());
                }
                decision
            }
            Err(failure) => {
                *failures += 1;
                self.metrics.plugin_failed(&failure);
                warn!(plugin = %policy.id(), exchange = self.exchange.0, %failure, "policy failed: denied");
                let source = ReasonSource::Plugin(policy.id().clone());
                Decision::deny(source, "the policy could not judge the statement")
            }
        }
    }
}

/// What stands behind the names of EXECUTE and FETCH. Statements of the same message count, in their order.
fn resolve(statement: &Arc<Statement>, relay: &Relay) -> Result<Vec<Behind>, Unjudged> {
    let mut behind = Vec::new();
    for (index, action) in statement.actions.iter().enumerate() {
        let Some(name) = action.names.as_deref() else { continue };
        let found = match action.kind.as_str() {
            "execute" => {
                let found = declared(statement, index, "prepare", name).or_else(|| relay.prepared(name));
                Some(found.ok_or_else(|| unknown_prepared(name))?)
            }
            "fetch" => declared(statement, index, "declare cursor", name).or_else(|| relay.cursor(name)),
            _ => None,
        };
        behind.extend(found.map(|statement| Behind { index, statement }));
    }
    Ok(behind)
}

/// Whether reaching a row cap would come too late to take back what the rest of the message did.
fn writes_beside_others(statement: &Statement) -> bool {
    let harmless = Effect::READ | Effect::TRANSACTION | Effect::SESSION | Effect::LOCK;
    statement.actions.len() > 1 && statement.actions.iter().any(|action| !harmless.contains(action.effects))
}

/// What an earlier statement of the message puts under the name.
fn declared(statement: &Arc<Statement>, before: usize, kind: &str, name: &str) -> Option<Arc<Statement>> {
    let is_it = |action: &Action| action.kind == kind && action.names.as_deref() == Some(name);
    let index = statement.actions[..before].iter().rposition(is_it)?;
    Statement::inner(statement, index).map(Arc::new)
}

fn unknown_prepared(name: &str) -> Unjudged {
    let name: String = name.chars().take(63).collect();
    let message = format!("prepared statement \"{name}\" does not exist");
    Unjudged::UnknownName(Box::new(ClientMessage::new(SqlState::InvalidStatementName, message)))
}

/// What a client is told whose statement cannot be judged for want of the catalogue.
pub(crate) fn no_catalogue() -> ClientMessage {
    let message =
        "refused: the database's catalogue cannot be read, so it cannot be told what the statement touches";
    ClientMessage::new(SqlState::SystemError, message)
        .hint("Try again. A transaction can be ended meanwhile; if it stays so, tell an operator.")
}

fn untraceable(error: &AnalyzeError) -> Unjudged {
    let message = format!("refused: it cannot be told where the result comes from: {error}");
    Unjudged::Refused(Box::new(ClientMessage::new(SqlState::SystemError, message)))
}

/// What a client is told about a decision that is not allow.
pub(crate) fn refusal(judged: &Judged) -> ClientMessage {
    let reasons = || {
        let mut text = String::new();
        for reason in judged.decision.reasons() {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{} ({})", reason.text, reason.source);
        }
        text
    };
    match judged.decision.verdict() {
        Verdict::Deny | Verdict::Allow => match (&judged.refusal, &judged.footing) {
            (Some(_), Footing::Unsure) => ClientMessage::new(
                SqlState::LockNotAvailable,
                format!("refused while another session defines what the statement names: {}", reasons()),
            )
            .hint("Try again once that session's transaction is over."),
            (Some(refusal), Footing::Nothing | Footing::Names(_)) => {
                ClientMessage::new(SqlState::InsufficientPrivilege, format!("refused: {}", reasons()))
                    .hint(refusal.hint)
            }
            (None, Footing::Nothing | Footing::Names(_) | Footing::Unsure) => {
                ClientMessage::new(SqlState::InsufficientPrivilege, format!("refused: {}", reasons()))
            }
        },
        Verdict::Hold(approval) => ClientMessage::new(
            SqlState::InsufficientPrivilege,
            format!(
                "refused: the statement needs approval ({}), and approvals are not available yet",
                approval.reason
            ),
        )
        .hint("Ask an operator to run it, or to change the policy."),
        Verdict::Rewrite(_) => ClientMessage::new(
            SqlState::FeatureNotSupported,
            format!(
                "refused: a policy asked to rewrite the statement, which is not available yet; {}",
                reasons()
            ),
        ),
    }
}
