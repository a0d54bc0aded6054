//! From a statement's bytes to a decision: analysis, the role's own limits, the policy plugins, and the memory of
//! decisions that are a pure function of what they were made from.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use grille_core::action::feature;
use grille_core::audit::StatementRecord;
use grille_core::decision::ReasonSource;
use grille_core::{
    Action, ClientMessage, Decision, Effect, ExchangeId, Object, ObjectKind, Role, SqlState, Verdict,
};
use grille_plugin::{ExchangeContext, Plugin, SessionContext};
use grille_wire::postgres::{Relay, Statement};
use grille_wire::sql::{self, AnalyzeError, EncodingError, TextEncoding};
use tokio::task::block_in_place;
use tracing::warn;

use crate::decisions::{ActionKey, AskerDigest, Judged, OwnedTextKey, TextKey, names_something, weight};
use crate::generation::{ArmedRole, Generation};
use crate::metrics::Metrics;

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
}

/// How the bytes of a statement are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'r> {
    pub(crate) encoding: &'r TextEncoding,
    pub(crate) standard_conforming_strings: bool,
}

/// Judges for one exchange.
pub(crate) struct Judge<'j> {
    pub(crate) generation: &'j Generation,
    pub(crate) role: &'j ArmedRole,
    pub(crate) asker: &'j Asker,
    pub(crate) exchange: ExchangeId,
    pub(crate) metrics: &'j Metrics,
}

impl Judge<'_> {
    /// Judges a message's text. Calls plugins: the caller says so to the runtime.
    pub(crate) fn judge_text(
        &self,
        text: &Bytes,
        reading: Reading<'_>,
        names: &Relay,
    ) -> Result<Arc<Judged>, Unjudged> {
        let key = TextKey { asker: self.asker.digest, text };
        // ASCII reads the same in every encoding the server has; what is not is analysed anew, as rare as it is.
        let cacheable = text.len() <= CACHED_STATEMENT_BYTES_MAX
            && reading.standard_conforming_strings
            && (reading.encoding.is_utf8() || text.is_ascii());
        if cacheable && let Some(judged) = self.generation.decisions.statements.get(&key) {
            return Ok(judged);
        }
        let statement = Arc::new(analyze(text, reading)?);
        let judged = self.judge_statement(statement, names)?;
        if cacheable && judged.behind.is_empty() && !names_something(&judged.statement) && self.is_pure() {
            let owned = OwnedTextKey { asker: self.asker.digest, text: judged.statement.text.clone() };
            self.generation.decisions.statements.insert(owned, Arc::clone(&judged));
        }
        Ok(judged)
    }

    /// Judges a statement that was understood before: its text may still be remembered.
    pub(crate) fn judge_known(
        &self,
        statement: &Arc<Statement>,
        names: &Relay,
    ) -> Result<Arc<Judged>, Unjudged> {
        let key = TextKey { asker: self.asker.digest, text: &statement.text };
        let known = self.generation.decisions.statements.get(&key);
        // The same bytes can have been another statement in another encoding.
        if let Some(judged) = known.filter(|judged| Arc::ptr_eq(&judged.statement, statement)) {
            return Ok(judged);
        }
        self.judge_statement(Arc::clone(statement), names)
    }

    fn judge_statement(&self, statement: Arc<Statement>, names: &Relay) -> Result<Arc<Judged>, Unjudged> {
        let behind = self.resolve(&statement, names)?;
        let mut decision = Decision::allow();
        for action in statement.actions.iter().chain(behind.iter().flat_map(|behind| &behind.actions)) {
            decision = decision.merge(self.decide(action));
        }
        if let Some(cap) = self.role.role.row_cap {
            decision = decision.with(grille_core::Obligation::RowCap(cap));
        }
        if decision.row_cap().is_some() && writes_beside_others(&statement) {
            let text = "several statements in one message may only read where rows are capped";
            decision = decision.merge(Decision::deny(ReasonSource::Host, text));
        }
        let records = Arc::new(statement.actions.iter().map(record).collect());
        Ok(Arc::new(Judged { statement, behind, decision, records }))
    }

    fn is_pure(&self) -> bool {
        self.role.policies.iter().all(|policy| policy.is_pure())
    }

    /// What stands behind the names of EXECUTE and FETCH. Statements of the same message count, in their order.
    fn resolve(&self, statement: &Statement, names: &Relay) -> Result<Vec<Arc<Statement>>, Unjudged> {
        let mut behind = Vec::new();
        for (index, action) in statement.actions.iter().enumerate() {
            let Some(name) = action.names.as_deref() else { continue };
            let earlier = &statement.actions[..index];
            match action.kind.as_str() {
                "execute" => {
                    let found = declared(earlier, "prepare", name).or_else(|| names.prepared(name));
                    behind.push(found.ok_or_else(|| unknown_prepared(name))?);
                }
                "fetch" => {
                    let found = declared(earlier, "declare cursor", name).or_else(|| names.cursor(name));
                    behind.extend(found);
                }
                _ => {}
            }
        }
        Ok(behind)
    }

    fn decide(&self, action: &Action) -> Decision {
        let own = self.decide_by_role(action);
        if *own.verdict() == Verdict::Deny {
            return own;
        }
        self.role
            .policies
            .iter()
            .fold(own, |decision, policy| decision.merge(self.decide_by_policy(policy, action)))
    }

    fn decide_by_policy(&self, policy: &Plugin, action: &Action) -> Decision {
        let memory = &self.generation.decisions.actions;
        let key = ActionKey { asker: self.asker.digest, policy: policy.id(), action };
        let remembers = policy.is_pure() && weight(action) <= CACHED_ACTION_BYTES_MAX;
        if remembers && let Some(known) = memory.get(&key) {
            return known;
        }
        // Other sessions of this worker go on meanwhile.
        match block_in_place(|| policy.decide(&self.asker.context(self.exchange), action, &[])) {
            Ok(decision) => {
                if remembers {
                    memory.insert(key.to_owned(), decision.clone());
                }
                decision
            }
            Err(failure) => {
                self.metrics.plugin_failed(&failure);
                warn!(plugin = %policy.id(), exchange = self.exchange.0, %failure, "policy failed: denied");
                let source = ReasonSource::Plugin(policy.id().clone());
                Decision::deny(source, "the policy could not judge the statement")
            }
        }
    }

    fn masks(&self) -> bool {
        self.role.role.masks()
    }

    /// What needs no plugin to be refused.
    fn decide_by_role(&self, action: &Action) -> Decision {
        if action.effects.contains(Effect::COPY) {
            return Decision::deny(ReasonSource::Host, "COPY is not supported yet");
        }
        if let Some(way) = way_around_masking(action).filter(|_| self.masks()) {
            return Decision::deny(ReasonSource::Host, way);
        }
        let missing = action.effects.difference(self.role.role.statements);
        if missing.is_empty() {
            return Decision::allow();
        }
        let words: Vec<&str> = missing.words().collect();
        let text = format!(
            "role {} may not run {}: it lacks {}",
            self.role.role.name,
            action.kind.to_ascii_uppercase(),
            words.join(", ")
        );
        Decision::deny(ReasonSource::Role, text)
    }
}

/// Relations and functions of the server that hold values or statements of others: samples of columns, texts of running
/// statements. Sorted.
const QUOTING: [&str; 10] = [
    "pg_mcv_list_items",
    "pg_stat_activity",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_stat_statements",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
];

/// Why a role whose results are masked may not run the statement: it would carry values past the mask.
fn way_around_masking(action: &Action) -> Option<&'static str> {
    let reads = action.objects.iter().any(|object| object.kind == ObjectKind::Relation);
    // What is set is reported to the client, outside any result.
    if action.has(feature::SET_CONFIG) && reads {
        return Some(
            "a statement that reads relations and changes settings is refused where results are masked",
        );
    }
    let quotes = action.objects.iter().any(|object| {
        let name = object.name.rsplit('.').next().unwrap_or(&object.name);
        QUOTING.contains(&name.trim_matches('"'))
    });
    quotes.then_some("the server's statistics quote values, so they are refused where results are masked")
}

/// Whether reaching a row cap would come too late to take back what the rest of the message did.
fn writes_beside_others(statement: &Statement) -> bool {
    let harmless = Effect::READ | Effect::TRANSACTION | Effect::SESSION | Effect::LOCK;
    statement.actions.len() > 1 && statement.actions.iter().any(|action| !harmless.contains(action.effects))
}

fn declared(earlier: &[Action], kind: &str, name: &str) -> Option<Arc<Statement>> {
    let action = earlier.iter().rev().find(|a| a.kind == kind && a.names.as_deref() == Some(name))?;
    let actions = action.inner.iter().map(|inner| (**inner).clone()).collect();
    Some(Arc::new(Statement { text: Bytes::new(), actions }))
}

fn unknown_prepared(name: &str) -> Unjudged {
    let name: String = name.chars().take(63).collect();
    let message = format!("prepared statement \"{name}\" was not prepared in this session");
    Unjudged::UnknownName(Box::new(ClientMessage::new(SqlState::InvalidStatementName, message)))
}

fn analyze(text: &Bytes, reading: Reading<'_>) -> Result<Statement, Unjudged> {
    if !reading.standard_conforming_strings && text.contains(&b'\\') {
        let message = "a statement with a backslash is refused while standard_conforming_strings is off";
        let message = ClientMessage::new(SqlState::FeatureNotSupported, message)
            .hint("SET standard_conforming_strings TO on, and write escapes as E'…'.");
        return Err(Unjudged::Refused(Box::new(message)));
    }
    let decoded = reading.encoding.decode(text).map_err(|error| unreadable(&error))?;
    let actions = sql::analyze(&decoded).map_err(|error| unparsable(&error))?;
    // A copy: what came in one read would otherwise live as long as the statement does.
    Ok(Statement { text: Bytes::copy_from_slice(text), actions })
}

fn unreadable(error: &EncodingError) -> Unjudged {
    let message = ClientMessage::new(SqlState::CharacterNotInRepertoire, error.to_string())
        .hint("SET client_encoding TO 'UTF8', or keep such statements to ASCII.");
    Unjudged::Refused(Box::new(message))
}

fn unparsable(error: &AnalyzeError) -> Unjudged {
    let (state, position) = match error {
        AnalyzeError::Syntax { position, .. } => (SqlState::SyntaxError, *position),
        AnalyzeError::TooLong | AnalyzeError::TooDeep => (SqlState::ProgramLimitExceeded, None),
        AnalyzeError::Nul => (SqlState::CharacterNotInRepertoire, None),
        AnalyzeError::Unsupported => (SqlState::FeatureNotSupported, None),
        AnalyzeError::Internal { .. } => (SqlState::SystemError, None),
    };
    Unjudged::Refused(Box::new(ClientMessage::new(state, error.to_string()).at(position)))
}

fn record(action: &Action) -> StatementRecord {
    StatementRecord {
        kind: action.kind.clone(),
        text: action.text.clone(),
        fingerprint: format!("{:016x}", action.fingerprint),
        effects: action.effects.words().map(str::to_owned).collect(),
        objects: action.objects.iter().map(object).collect(),
        features: action.features.iter().map(|feature| (*feature).to_owned()).collect(),
    }
}

fn object(object: &Object) -> String {
    format!("{} {} {}", object.access, object.kind, object.name)
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
        Verdict::Deny | Verdict::Allow if copies(&judged.statement) => {
            ClientMessage::new(SqlState::FeatureNotSupported, format!("refused: {}", reasons()))
        }
        Verdict::Deny | Verdict::Allow => {
            ClientMessage::new(SqlState::InsufficientPrivilege, format!("refused: {}", reasons()))
        }
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

fn copies(statement: &Statement) -> bool {
    statement
        .actions
        .iter()
        .any(|action| action.effects.contains(Effect::COPY) || action.has(feature::COPY_STREAM))
}
