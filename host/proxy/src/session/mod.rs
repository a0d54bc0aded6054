//! One client, one upstream, and what is decided between them. A session is one task that owns both connections.

mod duplex;
mod report;
mod shield;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use grille_core::audit::{
    Event, ExchangeCompleted, ExchangeStarted, SessionClosed, SessionOpened, StatementRecord,
};
use grille_core::decision::ReasonSource;
use grille_core::{
    Clearance, ClientMessage, CorrelationId, Decision, Effect, ExchangeId, Fault, Permit, SessionId, SqlState,
};
use grille_plugin::SessionContext;
use grille_wire::postgres::{
    Ended, Field, Impossible, Limits, Relay, Request, Response, Rows, Run, Severity, Statement,
    TransactionStatus, Violation, notification, put_error, put_notification,
};
use grille_wire::sql::TextEncoding;
use prometheus_client::metrics::counter::Counter;
use tokio::task::block_in_place;
use tracing::{debug, error, info, warn};

use crate::cancel::Registration;
use crate::catalog::{self, Catalog};
use crate::decisions::Judged;
use crate::generation::{ArmedRole, Generation, RoleChoice};
use crate::handshake::Client;
use crate::judge::{Asker, Judge, Reading, Unjudged, refusal};
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::upstream::{CancelTarget, UpstreamConnection};
use duplex::{Broken, Duplex, Side, is_full};
use report::Reviewer;
use shield::{Outcome as Treated, Shield, Tools};

/// Most bytes of rows that are inspected at once.
const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// Longest time for the last words to both sides.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// A session under way.
pub(crate) struct Session {
    id: SessionId,
    shared: Arc<Shared>,
    duplex: Duplex,
    relay: Relay,
    generation: Arc<Generation>,
    role: Arc<ArmedRole>,
    catalog: Arc<Catalog>,
    asker: Asker,
    encoding: Arc<TextEncoding>,
    cancel: CancelTarget,
    exchanges: u64,
    running: VecDeque<Exchange>,
    counters: Counters,
    /// Something was defined in the transaction that is open.
    defined: bool,
    _registration: Registration,
}

/// Counters looked up once.
struct Counters {
    allowed: Counter,
    refused: Counter,
}

impl Counters {
    fn of(metrics: &Metrics, role: &ArmedRole) -> Self {
        let name = role.role.name.as_str();
        Self { allowed: metrics.statements(name, "allow"), refused: metrics.statements(name, "deny") }
    }
}

/// An execution under way.
struct Exchange {
    id: ExchangeId,
    started: Instant,
    shield: Option<Shield>,
    defines: bool,
    row_cap: Option<u64>,
}

/// Why a session ended.
#[derive(Debug)]
enum End {
    ClientClosed,
    UpstreamClosed,
    ClientBroken(std::io::Error),
    UpstreamBroken(std::io::Error),
    ClientViolation(Violation),
    UpstreamViolation(Violation),
    RoleWithdrawn,
    Shutdown,
    OriginUnknown,
}

impl End {
    /// For the audit record.
    fn reason(&self) -> &'static str {
        match self {
            Self::ClientClosed => "client closed",
            Self::UpstreamClosed => "upstream closed",
            Self::ClientBroken(_) => "client connection lost",
            Self::UpstreamBroken(_) => "upstream connection lost",
            Self::ClientViolation(_) => "client broke the protocol",
            Self::UpstreamViolation(_) => "upstream broke the protocol",
            Self::RoleWithdrawn => "role withdrawn",
            Self::Shutdown => "shutdown",
            Self::OriginUnknown => "origin of protected columns unknown",
        }
    }

    /// The last words to the client, if it is still there to hear them.
    fn client_message(&self) -> Option<ClientMessage> {
        let message = match self {
            Self::ClientClosed | Self::ClientBroken(_) => return None,
            Self::UpstreamClosed | Self::UpstreamBroken(_) => {
                ClientMessage::new(SqlState::ConnectionFailure, "the upstream closed the connection")
            }
            Self::ClientViolation(violation) => {
                ClientMessage::new(SqlState::ProtocolViolation, format!("protocol violation: {violation}"))
            }
            Self::UpstreamViolation(Violation::TooLong { limit, .. }) => ClientMessage::new(
                SqlState::ProgramLimitExceeded,
                format!("the upstream sent a value over the limit of {limit} bytes for inspected results"),
            ),
            Self::UpstreamViolation(_) => ClientMessage::new(
                SqlState::ConnectionFailure,
                "the upstream sent what cannot be let through",
            ),
            Self::RoleWithdrawn => {
                ClientMessage::new(SqlState::InvalidAuthorization, "your role was withdrawn")
                    .hint("Connect again; if that is refused, ask an operator.")
            }
            Self::Shutdown => {
                ClientMessage::new(SqlState::AdminShutdown, "Grille is shutting down").hint("Connect again.")
            }
            Self::OriginUnknown => ClientMessage::new(
                SqlState::SystemError,
                "the origin of the result's columns cannot be told, so nothing of it is let through",
            ),
        };
        Some(message)
    }

    fn fault(&self) -> Fault {
        match self {
            Self::ClientClosed | Self::ClientBroken(_) | Self::ClientViolation(_) => Fault::Client,
            Self::UpstreamClosed
            | Self::UpstreamBroken(_)
            | Self::UpstreamViolation(_)
            | Self::OriginUnknown => Fault::Upstream,
            Self::RoleWithdrawn | Self::Shutdown => Fault::Operator,
        }
    }

    fn log(&self, session: SessionId) {
        match self {
            Self::ClientClosed | Self::Shutdown | Self::RoleWithdrawn => {
                info!(%session, reason = self.reason(), "session ended");
            }
            Self::ClientBroken(error) | Self::UpstreamBroken(error) => {
                info!(%session, reason = self.reason(), %error, "session ended");
            }
            Self::ClientViolation(violation) | Self::UpstreamViolation(violation) => {
                warn!(%session, reason = self.reason(), %violation, "session ended");
            }
            Self::UpstreamClosed | Self::OriginUnknown => {
                warn!(%session, reason = self.reason(), "session ended");
            }
        }
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Client(error) => Self::ClientBroken(error),
            Broken::Upstream(error) => Self::UpstreamBroken(error),
        }
    }
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) id: SessionId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) role: Arc<ArmedRole>,
    pub(crate) client: Client,
    pub(crate) upstream: UpstreamConnection,
    pub(crate) registration: Registration,
    pub(crate) catalog: Arc<Catalog>,
}

impl Session {
    /// A session whose client has been told ReadyForQuery.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { id, shared, generation, role, client, upstream, registration, catalog } = parts;
        let limits =
            Limits { message_bytes_max: shared.settings.message_bytes_max, block_bytes_max: BLOCK_BYTES_MAX };
        let parameters = upstream.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut relay = Relay::new(limits, parameters);
        relay.feed_upstream(&upstream.leftover);
        let application = client.startup.parameter("application_name").unwrap_or_default();
        let target = generation.upstreams.get(&client.upstream).map(|upstream| &upstream.settings().database);
        let asker = Asker::new(SessionContext {
            protocol: "postgres",
            principal: (*client.principal).clone(),
            role: role.role.name.clone(),
            upstream: client.upstream.clone(),
            target: target.cloned().unwrap_or_default(),
            client: application.to_owned(),
        });
        let counters = Counters::of(&shared.metrics, &role);
        Self {
            id,
            encoding: Arc::new(TextEncoding::new(relay.client_encoding())),
            catalog,
            duplex: Duplex { client: Side::new(client.stream), upstream: Side::new(upstream.stream) },
            relay,
            generation,
            role,
            asker,
            cancel: upstream.cancel,
            exchanges: 0,
            running: VecDeque::new(),
            counters,
            defined: false,
            shared,
            _registration: registration,
        }
    }

    /// The record of its beginning.
    pub(crate) fn opened(id: SessionId, client: &Client, role: &ArmedRole) -> Event {
        let principal = &client.principal;
        Event::SessionOpened(SessionOpened {
            session: id.to_string(),
            protocol: "postgres".into(),
            client: client.address.to_string(),
            application: client
                .startup
                .parameter("application_name")
                .unwrap_or_default()
                .chars()
                .take(128)
                .collect(),
            issuer: principal.issuer.clone(),
            principal: principal.subject.clone(),
            principal_kind: principal.kind.to_string(),
            groups: principal.groups.clone(),
            token_id: principal.token_id.clone(),
            role: role.role.name.to_string(),
            upstream: client.upstream.to_string(),
            tls: client.stream.is_encrypted(),
        })
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self) {
        self.shared.metrics.sessions.inc();
        self.inspect_reports();
        let end = self.serve().await;
        self.shared.metrics.sessions.dec();
        self.close(&end).await;
    }

    async fn serve(&mut self) -> End {
        let drain = self.shared.drain.clone();
        loop {
            if let Err(end) = self.work().await {
                return end;
            }
            self.pass_on_end();
            if let Some(end) = self.ended() {
                return end;
            }
            tokio::select! {
                biased;
                turn = self.duplex.turn(&mut self.relay) => {
                    if let Err(broken) = turn {
                        return broken.into();
                    }
                }
                () = drain.cancelled(), if self.is_at_rest() => return End::Shutdown,
            }
        }
    }

    /// Whether nothing is under way, not even a transaction.
    fn is_at_rest(&self) -> bool {
        self.relay.is_idle() && self.relay.transaction() == TransactionStatus::Idle
    }

    fn ended(&self) -> Option<End> {
        let client_ended = self.duplex.client.ended;
        // A client that says goodbye does not wait; one that only closes its half may wait for answers.
        if self.relay.is_terminated() && !client_ended && self.relay.to_upstream.is_empty() {
            return Some(End::ClientClosed);
        }
        if self.duplex.upstream.ended && self.relay.to_client.is_empty() {
            return Some(if self.relay.is_terminated() { End::ClientClosed } else { End::UpstreamClosed });
        }
        None
    }

    /// A client may send its last statements, close its half and wait for the answers. The upstream is told of the end as
    /// the server would notice it: once all that came before has been sent.
    fn pass_on_end(&mut self) {
        if self.duplex.client.ended && !self.relay.is_terminated() && !self.relay.has_client_work() {
            self.relay.say_goodbye();
        }
    }

    /// Judges and treats all that has come, as far as there is room for what comes of it.
    async fn work(&mut self) -> Result<(), End> {
        loop {
            // Answers first: they make waiting requests ready, also those answers that nobody is told of.
            let answered = self.take_responses().await?;
            let judged = self.judge_requests().await?;
            if !judged && !answered {
                if self.relay.is_idle() {
                    self.relay.shrink();
                }
                return Ok(());
            }
        }
    }

    async fn judge_requests(&mut self) -> Result<bool, End> {
        let mut any = false;
        while !is_full(&self.relay.to_upstream) {
            let Some(request) = self.relay.next_request().map_err(End::ClientViolation)? else { break };
            if !self.answer(request).await? {
                break;
            }
            any = true;
        }
        Ok(any)
    }

    async fn take_responses(&mut self) -> Result<bool, End> {
        let mut any = false;
        while !is_full(&self.relay.to_client) {
            let Some(response) = self.relay.next_response().map_err(End::UpstreamViolation)? else { break };
            self.take(response).await?;
            any = true;
        }
        Ok(any)
    }

    // --- requests

    /// Answers one request; false if it must wait for answers from the upstream.
    async fn answer(&mut self, request: Request) -> Result<bool, End> {
        self.follow_generation()?;
        match request {
            Request::Impossible(why) => {
                self.exchanges += 1;
                let unjudged = Unjudged::Refused(Box::new(impossible(why)));
                self.refuse_unjudged(ExchangeId(self.exchanges), unjudged).await;
            }
            Request::Query { sql } => match self.judge(Text::New(&sql)) {
                None => return Ok(false),
                Some(judged) => self.execute_or_refuse(judged).await,
            },
            Request::Parse { sql } => match self.judge(Text::New(&sql)) {
                None => return Ok(false),
                Some(judged) => return self.clear_or_refuse(judged).await,
            },
            Request::Bind { statement } => match self.judge(Text::Known(&statement)) {
                None => return Ok(false),
                Some(judged) => return self.clear_or_refuse(judged).await,
            },
            Request::Execute { statement } => match self.judge(Text::Known(&statement)) {
                None => return Ok(false),
                Some(judged) => self.execute_or_refuse(judged).await,
            },
        }
        Ok(true)
    }

    /// Every request is judged under the current generation, also one that was prepared under an earlier one.
    fn follow_generation(&mut self) -> Result<(), End> {
        let current = self.shared.generation.load();
        if current.id == self.generation.id {
            return Ok(());
        }
        let current = arc_swap::Guard::into_inner(current);
        let upstream = self.asker.session.upstream.clone();
        let Some(catalog) = current.catalog(&upstream) else { return Err(End::RoleWithdrawn) };
        match current.role_for(&self.asker.session.principal, &upstream) {
            RoleChoice::Role(role) => {
                self.asker = self.asker.under(&role.role);
                self.catalog = catalog;
                self.counters = Counters::of(&self.shared.metrics, &role);
                self.role = role;
                self.generation = current;
                self.inspect_reports();
                Ok(())
            }
            RoleChoice::NotThere | RoleChoice::None => Err(End::RoleWithdrawn),
        }
    }

    /// Errors and notices of an exchange with a shield are looked at, also when its role is no longer one that masks.
    fn inspect_reports(&mut self) {
        let shielded = self.running.iter().any(|exchange| exchange.shield.is_some());
        self.relay.inspect_reports(shielded || self.role.role.masks());
    }

    /// None when names that the statement uses are not settled yet.
    fn judge(&mut self, text: Text<'_>) -> Option<Result<Arc<Judged>, Unjudged>> {
        if self.encoding.name() != self.relay.client_encoding() {
            self.encoding = Arc::new(TextEncoding::new(self.relay.client_encoding()));
        }
        let exchange = ExchangeId(self.exchanges + 1);
        let judge = Judge {
            generation: &self.generation,
            role: &self.role,
            asker: &self.asker,
            exchange,
            metrics: &self.shared.metrics,
        };
        let reading = Reading {
            encoding: &self.encoding,
            standard_conforming_strings: self.relay.standard_conforming_strings(),
        };
        let judged = match text {
            Text::New(sql) => judge.judge_text(sql, reading, &self.relay),
            Text::Known(statement) => judge.judge_known(statement, &self.relay),
        };
        let rests_on_names = match &judged {
            Ok(judged) => judged.uses_names(),
            Err(Unjudged::UnknownName(_)) => true,
            Err(Unjudged::Refused(_)) => false,
        };
        if rests_on_names && !self.relay.is_idle() {
            self.relay.wait_until_idle();
            return None;
        }
        Some(judged)
    }

    async fn execute_or_refuse(&mut self, judged: Result<Arc<Judged>, Unjudged>) {
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        let judged = match judged {
            Ok(judged) => judged,
            Err(unjudged) => return self.refuse_unjudged(exchange, unjudged).await,
        };
        let clearance = match Clearance::of([&judged.decision]) {
            Ok(clearance) => clearance,
            Err(_) => return self.refuse(exchange, &judged).await,
        };
        let started = self.started(exchange, &judged.decision, Arc::clone(&judged.records));
        let recorded = match self.shared.audit.append(Event::ExchangeStarted(started)).await {
            Ok(recorded) => recorded,
            Err(failure) => {
                error!(session = %self.id, exchange = exchange.0, error = %failure, "no audit record, so nothing runs");
                let message =
                    ClientMessage::new(SqlState::SystemError, "refused: the audit trail cannot be written")
                        .hint("Tell an operator; statements run again once it can.")
                        .correlated(CorrelationId::new(self.id, exchange));
                return self.relay.refuse(&message);
            }
        };
        self.counters.allowed.inc();
        let shield = Shield::for_exchange(&self.role, &self.asker, exchange, &judged);
        let run = Run {
            exchange,
            statement: Arc::clone(&judged.statement),
            rows: if shield.is_some() { Rows::Inspect } else { Rows::Pass },
            row_cap: judged.decision.row_cap(),
        };
        let mut statements = std::iter::once(&judged.statement).chain(&judged.behind);
        let defines = statements
            .any(|statement| statement.actions.iter().any(|action| action.effects.contains(Effect::DEFINE)));
        let row_cap = run.row_cap;
        self.running.push_back(Exchange { id: exchange, started: Instant::now(), shield, defines, row_cap });
        self.inspect_reports();
        self.relay.permit(Permit::issue(clearance, recorded), run);
    }

    /// For Parse and Bind, which run nothing and so leave no record unless they are refused.
    async fn clear_or_refuse(&mut self, judged: Result<Arc<Judged>, Unjudged>) -> Result<bool, End> {
        let refused = match judged {
            Ok(judged) => match Clearance::of([&judged.decision]) {
                Ok(clearance) => {
                    self.relay.clear(clearance, &judged.statement).map_err(End::ClientViolation)?;
                    return Ok(true);
                }
                Err(_) => Ok(judged),
            },
            Err(unjudged) => Err(unjudged),
        };
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        match refused {
            Ok(judged) => self.refuse(exchange, &judged).await,
            Err(unjudged) => self.refuse_unjudged(exchange, unjudged).await,
        }
        Ok(true)
    }

    async fn refuse(&mut self, exchange: ExchangeId, judged: &Judged) {
        let record = self.started(exchange, &judged.decision, Arc::clone(&judged.records));
        self.record_refusal(record).await;
        self.relay.refuse(&refusal(judged).correlated(CorrelationId::new(self.id, exchange)));
    }

    async fn refuse_unjudged(&mut self, exchange: ExchangeId, unjudged: Unjudged) {
        let (Unjudged::Refused(message) | Unjudged::UnknownName(message)) = unjudged;
        let reason = format!("could not be judged ({})", message.state.code());
        let decision = Decision::deny(ReasonSource::Host, reason);
        let record = self.started(exchange, &decision, Arc::default());
        self.record_refusal(record).await;
        self.relay.refuse(&message.correlated(CorrelationId::new(self.id, exchange)));
    }

    /// What was refused did not happen, so a record that cannot be written keeps nobody from refusing.
    async fn record_refusal(&self, record: ExchangeStarted) {
        self.counters.refused.inc();
        if let Err(failure) = self.shared.audit.append(Event::ExchangeRefused(record)).await {
            error!(session = %self.id, error = %failure, "a refusal was not recorded");
        }
    }

    fn started(
        &self,
        exchange: ExchangeId,
        decision: &Decision,
        statements: Arc<Vec<StatementRecord>>,
    ) -> ExchangeStarted {
        ExchangeStarted {
            session: self.id.to_string(),
            exchange: exchange.0,
            generation: self.generation.id.0,
            verdict: decision.verdict().as_str().to_owned(),
            reasons: decision.reasons().map(|reason| format!("{}: {}", reason.source, reason.text)).collect(),
            statements,
            plugins: Arc::clone(&self.role.records),
        }
    }

    // --- responses

    async fn take(&mut self, response: Response) -> Result<(), End> {
        match response {
            Response::Rows { exchange, fields } => self.treat_rows(exchange, &fields).await?,
            Response::Report { exchange } => self.review_report(exchange),
            Response::CapReached { exchange } => self.stop_at_cap(exchange).await,
            Response::Ended(ended) => self.complete(ended),
        }
        Ok(())
    }

    async fn treat_rows(&mut self, id: ExchangeId, fields: &Arc<[Field]>) -> Result<(), End> {
        let needs_origins = self.shield(id).is_some_and(|shield| shield.needs_origins(fields));
        if needs_origins
            && self.catalog.is_stale_for(fields)
            && let Err(failure) = self.catalog.refresh(fields).await
        {
            catalog::log_failure(&self.asker.session.upstream, &failure);
            if !self.catalog.knows(fields) {
                return Err(End::OriginUnknown);
            }
        }
        let Some(exchange) = self.running.iter_mut().find(|exchange| exchange.id == id) else {
            return Err(End::UpstreamViolation(Violation::RowsUndescribed));
        };
        let Some(shield) = &mut exchange.shield else {
            self.relay.pass();
            return Ok(());
        };
        let tools =
            Tools { tokens: &self.shared.tokens, encoding: &self.encoding, metrics: &self.shared.metrics };
        let (rows, catalog) = (self.relay.head(), &self.catalog);
        let treated = block_in_place(|| shield.treat(fields, rows, catalog, &tools));
        match treated.map_err(End::UpstreamViolation)? {
            Treated::Unchanged => self.relay.pass(),
            Treated::Rewritten(rows) => self.relay.replace(&rows),
        }
        Ok(())
    }

    fn shield(&self, id: ExchangeId) -> Option<&Shield> {
        self.running.iter().find(|exchange| exchange.id == id)?.shield.as_ref()
    }

    fn review_report(&mut self, exchange: Option<ExchangeId>) {
        let touches_protected = match exchange {
            Some(id) => self.shield(id).is_some_and(Shield::touches_protected),
            None => !self.role.role.columns.is_empty(),
        };
        let reviewer = Reviewer {
            role: &self.role,
            asker: &self.asker,
            exchange: exchange.unwrap_or(ExchangeId(self.exchanges)),
            tokens: &self.shared.tokens,
            metrics: &self.shared.metrics,
            touches_protected,
        };
        let message = self.relay.head();
        let instead = block_in_place(|| match notification(message) {
            None => reviewer.review(message),
            Some(notification) => {
                let payload = reviewer.review_payload(notification.payload)?;
                let mut out = BytesMut::new();
                put_notification(&mut out, &notification, payload.as_bytes());
                Some(out)
            }
        });
        match instead {
            None => self.relay.pass(),
            Some(instead) => self.relay.replace(&instead),
        }
    }

    async fn stop_at_cap(&mut self, exchange: ExchangeId) {
        let running = self.running.iter().find(|running| running.id == exchange);
        let cap = running.and_then(|running| running.row_cap).unwrap_or_default();
        let message = ClientMessage::new(
            SqlState::ProgramLimitExceeded,
            format!("the result has more rows than may be read at once ({cap})"),
        )
        .hint("Add a LIMIT, or ask for fewer rows.")
        .correlated(CorrelationId::new(self.id, exchange));
        self.relay.stop(&message);
        // Waited for, so that it cannot hit a later statement.
        if let Err(failure) = self.cancel.send().await {
            warn!(session = %self.id, error = %failure, "a stopped statement could not be canceled upstream");
        }
    }

    fn complete(&mut self, ended: Ended) {
        let Some(index) = self.running.iter().position(|exchange| exchange.id == ended.exchange) else {
            return;
        };
        let Some(exchange) = self.running.remove(index) else { return };
        self.note_definition(exchange.defines);
        let latency = exchange.started.elapsed();
        self.shared.metrics.rows.inc_by(ended.rows);
        self.shared.metrics.latency_seconds.observe(latency.as_secs_f64());
        let treated = exchange.shield.map(|shield| shield.treated()).unwrap_or_default();
        for (label, count) in &treated {
            self.shared.metrics.treated(label, *count);
        }
        self.shared.audit.append_completion(Event::ExchangeCompleted(ExchangeCompleted {
            session: self.id.to_string(),
            exchange: ended.exchange.0,
            outcome: ended.outcome,
            state: ended.state.map(|state| String::from_utf8_lossy(&state).into_owned()),
            rows: ended.rows,
            bytes: ended.bytes,
            treated,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
        }));
    }

    /// What was defined is seen by others, the catalogue's connection among them, once it is committed.
    fn note_definition(&mut self, defines: bool) {
        self.defined |= defines;
        if self.defined {
            self.catalog.expire();
            self.defined = self.relay.transaction() != TransactionStatus::Idle;
        }
    }

    // --- the end

    async fn close(mut self, end: &End) {
        end.log(self.id);
        for lost in self.relay.lose_pending() {
            self.complete(lost);
        }
        // In the middle of a message it would be read as a part of it.
        if let Some(message) = end.client_message().filter(|_| !self.relay.is_mid_message()) {
            put_error(&mut self.relay.to_client, Severity::Fatal, &message);
        }
        if !self.relay.is_terminated() && !self.duplex.upstream.ended {
            self.relay.say_goodbye();
        }
        if tokio::time::timeout(GOODBYE_TIMEOUT, self.duplex.drain(&mut self.relay)).await.is_err() {
            debug!(session = %self.id, "a side did not take the last words");
        }
        self.duplex.shutdown(GOODBYE_TIMEOUT).await;
        debug!(session = %self.id, fault = end.fault().as_str(), "session closed");
        let closed = SessionClosed {
            session: self.id.to_string(),
            reason: end.reason().to_owned(),
            exchanges: self.exchanges,
        };
        self.shared.audit.append_completion(Event::SessionClosed(closed));
    }
}

/// A statement to judge.
enum Text<'t> {
    /// As it came.
    New(&'t Bytes),
    /// Understood before.
    Known(&'t Arc<Statement>),
}

fn impossible(why: Impossible) -> ClientMessage {
    match why {
        Impossible::UnknownStatement => ClientMessage::new(
            SqlState::InvalidStatementName,
            "the prepared statement does not exist, or was not prepared in this session",
        ),
        Impossible::UnknownPortal => ClientMessage::new(
            SqlState::InvalidCursorName,
            "the portal does not exist, or was not opened by Bind",
        )
        .hint("Read a cursor declared in SQL with FETCH."),
        Impossible::Name => ClientMessage::new(
            SqlState::FeatureNotSupported,
            "names of prepared statements and portals have at most 63 bytes here, all of them ASCII",
        ),
        Impossible::ReadingOpen => ClientMessage::new(
            SqlState::FeatureNotSupported,
            "after a change of client_encoding or standard_conforming_strings a Sync must come before the next statement",
        ),
        Impossible::FunctionCall => {
            ClientMessage::new(SqlState::FeatureNotSupported, "the function call message is not supported")
                .hint("Call the function with SELECT.")
        }
    }
}
