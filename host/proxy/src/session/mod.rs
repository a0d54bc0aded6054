//! One client, one upstream, and what is decided between them. A session is one task that owns both connections.

mod copy;
mod duplex;
mod encoding;
mod lifetime;
mod patience;
mod report;
mod shield;
mod tokens;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use grille_core::audit::{
    self, Event, ExchangeCompleted, ExchangeStarted, SessionClosed, SessionOpened, StatementRecord,
};
use grille_core::decision::ReasonSource;
use grille_core::{
    Clearance, ClientMessage, CorrelationId, Decision, ExchangeId, Fault, Permit, SessionId, SqlState,
};
use grille_plugin::SessionContext;
use grille_wire::postgres::{
    Ended, Field, Format, Impossible, Limits, Relay, Request, Response, Rows, Run, Severity, Statement,
    TransactionStatus, Violation, notification, put_error, put_notification,
};
use grille_wire::sql::TextEncoding;
use grille_wire::sql::lineage::Outputs;
use grille_wire::sql::schema::ColumnId;
use prometheus_client::metrics::counter::Counter;
use tracing::{debug, error, info, warn};

use crate::cancel::Registration;
use crate::catalog::{Catalog, Defined, Gid, Mark, Participant, Rules, Snapshot, Standing};
use crate::decisions::{Footing, Judged};
use crate::generation::{ArmedRole, Generation, RoleChoice};
use crate::handshake::Client;
use crate::identity::TokenExpiry;
use crate::judge::{Asker, Ground, Judge, Reading, Unjudged, no_catalogue, refusal};
use crate::lineage::{self, Names, SearchPath};
use crate::live::{KillOrder, Place};
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::upstream::{CancelTarget, UpstreamConnection};
use duplex::{Broken, Duplex, Side, is_full};
use lifetime::{Lifetime, Over};
use patience::{DEFINITION_PATIENCE, Patience, STATEMENT_PATIENCE};
use report::{Reviewer, Sender};
use shield::{Outcome as Treated, Shield, Sources, Tools};
use tokens::Step;

/// Most bytes of rows that are inspected at once.
const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// What a client is told whose token is not good any more.
const TOKEN_EXPIRED: &str = "your token has expired";
/// Longest time that a session's last definitions are watched, once it is over, until the server has ended its connection.
const LINGER_MAX: Duration = Duration::from_secs(600);
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
    /// In which the database holds texts.
    server_encoding: Box<str>,
    cancel: CancelTarget,
    exchanges: u64,
    running: VecDeque<Exchange>,
    counters: Counters,
    names: Names,
    participant: Participant,
    /// Taken before the statement at hand was judged.
    mark: Mark,
    patience: Patience,
    two_phase: Option<TwoPhase>,
    lifetime: Lifetime,
    /// A generation may be new.
    is_told: bool,
    /// Something ran that could put protected values into notifications.
    may_have_told: bool,
    registration: Registration,
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

/// What runs has to do with a transaction that outlives its session, and has a name, where that is known.
enum TwoPhase {
    Prepares(Option<Gid>),
    Ends(Option<Gid>),
}

/// What stands between a statement and its permit.
enum Way {
    Free,
    /// Something has been defined since it was judged.
    Changed,
    /// Others come first.
    Blocked,
    /// Others have come first for too long.
    Closed,
}

/// An execution under way.
struct Exchange {
    id: ExchangeId,
    started: Instant,
    judged: Arc<Judged>,
    shield: Option<Shield>,
    /// The catalogue as it was known when it began, for what the shield asks of it.
    snapshot: Option<Arc<Snapshot>>,
    /// The columns of a COPY under way, with the number of its statement.
    copied: Option<(usize, Arc<[Field]>)>,
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
    TokenExpired,
    Killed { order: KillOrder, record: String },
}

impl End {
    /// For the audit record.
    fn reason(&self) -> &str {
        match self {
            Self::ClientClosed => "client closed",
            Self::UpstreamClosed => "upstream closed",
            Self::ClientBroken(_) => "client connection lost",
            Self::UpstreamBroken(_) => "upstream connection lost",
            Self::ClientViolation(_) => "client broke the protocol",
            Self::UpstreamViolation(_) => "upstream broke the protocol",
            Self::RoleWithdrawn => "role withdrawn",
            Self::Shutdown => "shutdown",
            Self::TokenExpired => "token expired",
            Self::Killed { record, .. } => record,
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
            Self::TokenExpired => ClientMessage::new(SqlState::InvalidAuthorization, TOKEN_EXPIRED)
                .hint("Connect again with a new token."),
            Self::Killed { order, .. } => ClientMessage::new(
                SqlState::AdminShutdown,
                match order.reason() {
                    Some(reason) => format!("an operator ended your session: {reason}"),
                    None => "an operator ended your session".to_owned(),
                },
            ),
        };
        Some(message)
    }

    fn fault(&self) -> Fault {
        match self {
            Self::ClientClosed | Self::ClientBroken(_) | Self::ClientViolation(_) | Self::TokenExpired => {
                Fault::Client
            }
            Self::UpstreamClosed | Self::UpstreamBroken(_) | Self::UpstreamViolation(_) => Fault::Upstream,
            Self::RoleWithdrawn | Self::Shutdown | Self::Killed { .. } => Fault::Operator,
        }
    }

    fn log(&self, session: SessionId) {
        match self {
            Self::ClientClosed
            | Self::Shutdown
            | Self::RoleWithdrawn
            | Self::TokenExpired
            | Self::Killed { .. } => {
                info!(%session, reason = self.reason(), "session ended");
            }
            Self::ClientBroken(error) | Self::UpstreamBroken(error) => {
                info!(%session, reason = self.reason(), %error, "session ended");
            }
            Self::ClientViolation(violation) | Self::UpstreamViolation(violation) => {
                warn!(%session, reason = self.reason(), %violation, "session ended");
            }
            Self::UpstreamClosed => {
                warn!(%session, reason = self.reason(), "session ended");
            }
        }
    }
}

impl End {
    /// Whether what runs upstream is stopped too: nobody waits for it, and it may not be meant to go on.
    fn stops_what_runs(&self) -> bool {
        match self {
            Self::TokenExpired | Self::Killed { .. } => true,
            // As the server would take it.
            Self::ClientClosed
            | Self::UpstreamClosed
            | Self::ClientBroken(_)
            | Self::UpstreamBroken(_)
            | Self::ClientViolation(_)
            | Self::UpstreamViolation(_)
            | Self::RoleWithdrawn
            | Self::Shutdown => false,
        }
    }
}

impl From<Over> for End {
    fn from(over: Over) -> Self {
        match over {
            Over::Expired => Self::TokenExpired,
            Over::Killed(order) => Self::Killed { record: order.record(), order },
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
    pub(crate) expiry: TokenExpiry,
    pub(crate) place: Place,
    pub(crate) path: SearchPath,
}

impl Session {
    /// A session whose client has been told ReadyForQuery.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            id,
            shared,
            generation,
            role,
            client,
            upstream,
            registration,
            catalog,
            expiry,
            place,
            path,
        } = parts;
        let limits =
            Limits { message_bytes_max: shared.settings.message_bytes_max, block_bytes_max: BLOCK_BYTES_MAX };
        let parameters = upstream.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let server_encoding = parameters.clone().find(|(name, _)| *name == "server_encoding");
        let server_encoding = server_encoding.map_or("UTF8", |(_, value)| value).into();
        let mut relay = Relay::new(limits, parameters);
        relay.feed_upstream(&upstream.leftover);
        let application = client.startup.parameter("application_name").unwrap_or_default();
        let target = generation.upstream(&client.upstream).map(|upstream| &upstream.settings().database);
        let asker = Asker::new(SessionContext {
            protocol: "postgres",
            principal: (*client.principal).clone(),
            role: role.role.name.clone(),
            upstream: client.upstream.clone(),
            target: target.cloned().unwrap_or_default(),
            client: application.to_owned(),
        });
        let counters = Counters::of(&shared.metrics, &role);
        let participant = catalog.enter();
        Self {
            id,
            encoding: Arc::new(TextEncoding::new(relay.client_encoding())),
            server_encoding,
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
            names: Names::new(path),
            mark: participant.mark(),
            participant,
            patience: Patience::default(),
            two_phase: None,
            lifetime: Lifetime::new(expiry, place),
            is_told: false,
            may_have_told: false,
            shared,
            registration,
        }
    }

    /// The record of its beginning.
    pub(crate) fn opened(id: SessionId, client: &Client, role: &ArmedRole) -> SessionOpened {
        let principal = &client.principal;
        SessionOpened {
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
        }
    }

    /// Runs it to its end. Boxed, because a future that owns a session has room for two: before and after its first step.
    pub(crate) async fn run(mut self: Box<Self>) {
        self.shared.metrics.sessions.inc();
        self.inspect_reports();
        let end = self.serve().await;
        self.shared.metrics.sessions.dec();
        Box::pin(self.close(&end)).await;
        let drain = self.shared.drain.clone();
        let (participant, upstream) = self.remains();
        tokio::select! {
            () = linger(participant, upstream) => {}
            () = drain.cancelled() => {}
        }
    }

    /// What of a closed session is still of interest.
    fn remains(self) -> (Participant, Side) {
        (self.participant, self.duplex.upstream)
    }

    async fn serve(&mut self) -> End {
        let drain = self.shared.drain.clone();
        loop {
            if let Some(over) = self.lifetime.over() {
                return over.into();
            }
            // Boxed: the room that it takes to work would else be in the task while there is nothing to do.
            if let Err(end) = Box::pin(self.work()).await {
                return end;
            }
            self.pass_on_end();
            if let Some(end) = self.ended() {
                return end;
            }
            if let Err(end) = self.let_go_of_the_past() {
                return end;
            }
            tokio::select! {
                biased;
                turn = self.duplex.turn(&mut self.relay) => {
                    if let Err(broken) = turn {
                        return broken.into();
                    }
                }
                () = self.lifetime.changed() => self.is_told = true,
                () = self.registration.canceled(), if self.patience.is_waiting() => self.patience.cancel(),
                () = self.patience.over(), if self.patience.is_waiting() => {}
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
        if self.relay.is_cut_short() {
            return Some(End::ClientClosed);
        }
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
            self.settle_names();
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
            let Some(request) = self.relay.next_request().map_err(End::ClientViolation)? else {
                self.stop_waiting();
                break;
            };
            if !self.answer(request).await? {
                break;
            }
            self.stop_waiting();
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
            Request::Query { sql } => match self.judge_to_run(Text::New(&sql)).await {
                None => return Ok(false),
                Some(judged) => {
                    let judged = self.turn_back(judged, Step::Query);
                    self.execute_or_refuse(judged).await;
                }
            },
            Request::FunctionCall { sql } => match self.judge_to_run(Text::Call(sql)).await {
                None => return Ok(false),
                Some(judged) => self.execute_or_refuse(judged).await,
            },
            Request::Parse { sql } => match self.judge(Text::New(&sql)).await {
                None => return Ok(false),
                Some(judged) => {
                    let judged = self.turn_back(judged, Step::Parse);
                    return self.clear_or_refuse(judged).await;
                }
            },
            Request::Bind { statement } => match self.judge(Text::Known(&statement)).await {
                None => return Ok(false),
                Some(judged) => {
                    let judged = self.turn_back(judged, Step::Bind);
                    return self.clear_or_refuse(judged).await;
                }
            },
            Request::Execute { statement } => match self.judge_to_run(Text::Known(&statement)).await {
                None => return Ok(false),
                Some(judged) => self.execute_or_refuse(judged).await,
            },
        }
        Ok(true)
    }

    /// Turns back the tokens in the request at hand, where the role's may come back.
    fn turn_back(
        &mut self,
        judged: Result<Arc<Judged>, Unjudged>,
        step: Step,
    ) -> Result<Arc<Judged>, Unjudged> {
        let judged = judged?;
        tokens::turn_back(&judged, step, &mut self.relay, &self.encoding, &self.shared.tokens)
            .map_err(Unjudged::Refused)?;
        Ok(judged)
    }

    /// A session that waits for its client must not keep a generation of before in being, with all its plugins, nor go on
    /// hearing notifications under a role that it has no more.
    fn let_go_of_the_past(&mut self) -> Result<(), End> {
        if !self.is_told || !self.relay.is_idle() || !self.running.is_empty() {
            return Ok(());
        }
        self.is_told = false;
        self.follow_generation()
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
        let Some(expiry) = current.verifier.expiry(&self.asker.session.principal) else {
            return Err(End::RoleWithdrawn);
        };
        self.lifetime.follow(expiry);
        match current.role_for(&self.asker.session.principal, &upstream) {
            RoleChoice::Role(role) => {
                self.asker = self.asker.under(&role.role);
                // A connection stays where it is: the catalogue of another database says nothing about what its names mean.
                if catalog.is_of_what(&self.catalog) {
                    self.catalog = catalog;
                }
                self.counters = Counters::of(&self.shared.metrics, &role);
                self.role = role;
                self.generation = current;
                self.inspect_reports();
                Ok(())
            }
            RoleChoice::NotThere | RoleChoice::None => Err(End::RoleWithdrawn),
        }
    }

    /// Errors and notices of an exchange under a mask are looked at, also when the role is no longer one that masks.
    fn inspect_reports(&mut self) {
        let masked = self.running.iter().any(|exchange| exchange.judged.is_restricted);
        self.relay.inspect_reports(masked || self.role.role.masks());
    }

    /// Judges what is to run next. None while it must wait: for names of this session's, or for what others define.
    async fn judge_to_run(&mut self, text: Text<'_>) -> Option<Result<Arc<Judged>, Unjudged>> {
        loop {
            let judged = self.judge(text).await?;
            let Ok(allowed) = &judged else { return Some(judged) };
            if Clearance::of([&allowed.decision]).is_err() {
                return Some(judged);
            }
            match self.make_way(allowed) {
                Way::Free => return Some(judged),
                Way::Changed => {
                    self.begin_waiting();
                    if self.patience.is_left(STATEMENT_PATIENCE) {
                        self.patience.again();
                        return None;
                    }
                    self.patience.give_up();
                }
                Way::Blocked => return None,
                Way::Closed => return Some(Err(Unjudged::Refused(Box::new(others_rest_on_it())))),
            }
        }
    }

    /// Tells other sessions what the statement is about to define, and what it rests on.
    fn make_way(&mut self, judged: &Judged) -> Way {
        let mut defined = lineage::defined(judged.actions());
        if let Some(TwoPhase::Ends(Some(gid))) = two_phase(judged)
            && self.participant.knows_prepared(&gid)
        {
            // What it brings into force was let go when it was defined.
            defined = Defined::default();
        }
        if !defined.is_nothing() && !self.participant.let_go(&defined) {
            let just_begun = self.begin_waiting();
            if !just_begun || !self.participant.let_go(&defined) {
                if self.patience.is_left(DEFINITION_PATIENCE) {
                    return Way::Blocked;
                }
                self.shared.metrics.definition_conflict("refused");
                self.participant.refused();
                return Way::Closed;
            }
        }
        match &judged.footing {
            Footing::Names(rests) if !self.participant.rest(rests, self.mark) => Way::Changed,
            Footing::Names(_) | Footing::Nothing | Footing::Unsure => Way::Free,
        }
    }

    /// Whether what others define may change what a judgement rests on.
    fn standing(&mut self, judged: &Judged) -> Standing {
        let Footing::Names(rests) = &judged.footing else { return Standing::Firm };
        if self.patience.has_given_up() {
            return Standing::Shaken;
        }
        let standing = self.participant.standing(rests);
        if standing == Standing::Firm || !self.begin_waiting() {
            return standing;
        }
        self.participant.standing(rests)
    }

    /// Whether it was not waiting before: what is in the way may have gone in between.
    fn begin_waiting(&mut self) -> bool {
        let begins = self.patience.begin(&self.participant);
        if begins {
            self.shared.metrics.definition_conflict("waited");
        }
        begins
    }

    /// The request is answered, or is none any more.
    fn stop_waiting(&mut self) {
        if self.patience.is_waiting() {
            self.patience.end();
            self.participant.withdraw();
        }
    }

    /// None when names that the statement uses are not settled yet, or while another session defines them.
    async fn judge(&mut self, text: Text<'_>) -> Option<Result<Arc<Judged>, Unjudged>> {
        if self.patience.is_canceled() {
            return Some(Err(Unjudged::Refused(Box::new(canceled()))));
        }
        if !self.names.are_certain() && self.must_wait_for_names() {
            return None;
        }
        if self.encoding.name() != self.relay.client_encoding() {
            self.encoding = Arc::new(TextEncoding::new(self.relay.client_encoding()));
        }
        self.mark = self.participant.mark();
        let mut snapshot = if self.role.may_mask() { self.catalog.current() } else { None };
        let mut judged = self.judge_under(snapshot.as_deref(), &self.names, text);
        if matches!(judged, Err(Unjudged::NoCatalogue)) {
            // A failure is logged where it is met; the statement is then refused.
            if let Ok(fresh) = rare(self.catalog.fresh(&self.shared.metrics)).await {
                judged = self.judge_under(Some(&fresh), &self.names, text);
                snapshot = Some(fresh);
            }
        }
        let standing = match &judged {
            Ok(judged) => self.standing(judged),
            Err(_) => Standing::Firm,
        };
        match standing {
            Standing::Firm => {}
            Standing::Queued | Standing::Shaken if self.patience.is_left(STATEMENT_PATIENCE) => return None,
            // It goes first: the other will wait for it.
            Standing::Queued => {}
            Standing::Shaken => {
                self.shared.metrics.definition_conflict("unsure");
                judged = self.judge_under(snapshot.as_deref(), &self.names.unsure(), text);
            }
        }
        let waits = match &judged {
            // Whether rows of a COPY can be taken apart depends on what is under way.
            Ok(judged) => judged.uses_names() || copy::sends_rows(&judged.statement) && self.inspects(judged),
            Err(Unjudged::UnknownName(_)) => true,
            Err(Unjudged::Refused(_) | Unjudged::NoCatalogue) => false,
        };
        if waits && !self.relay.is_idle() {
            self.relay.wait_until_idle();
            return None;
        }
        Some(judged)
    }

    fn judge_under(
        &self,
        snapshot: Option<&Snapshot>,
        names: &Names,
        text: Text<'_>,
    ) -> Result<Arc<Judged>, Unjudged> {
        let judge = self.judge_for(ExchangeId(self.exchanges + 1), Ground { snapshot, names });
        let reading = Reading {
            encoding: &self.encoding,
            standard_conforming_strings: self.relay.standard_conforming_strings(),
            bytes_max: self.shared.settings.statement_bytes_max,
        };
        match text {
            Text::New(sql) => judge.judge_text(sql, reading, &self.relay),
            Text::Call(sql) => judge.judge_call(sql, &self.relay),
            Text::Known(statement) => judge.judge_known(statement, &self.relay),
        }
    }

    fn judge_for<'j>(&'j self, exchange: ExchangeId, ground: Ground<'j>) -> Judge<'j> {
        Judge {
            generation: &self.generation,
            role: &self.role,
            asker: &self.asker,
            exchange,
            metrics: &self.shared.metrics,
            observer: &self.shared.observer,
            tokens: &self.shared.tokens,
            ground,
        }
    }

    /// What was defined is seen by others, the catalogue's connection among them, once it is committed.
    fn settle_names(&mut self) {
        // Not even the transaction is open that a segment of the extended protocol is by itself.
        if self.relay.is_settled() {
            self.patience.renew();
        }
        let is_over = self.relay.is_settled() && self.relay.transaction() == TransactionStatus::Idle;
        if is_over {
            self.names.path().settle();
            self.settle_definitions();
        }
        if !self.names.are_certain() && is_over {
            // What others cannot see is of interest to lineage of this session's statements only.
            if self.names.show() || self.role.may_mask() {
                self.catalog.expire();
            }
            self.names.settle();
        } else if self.relay.is_settled() {
            self.names.catch_up();
        }
    }

    /// What the session rested on is of no more interest, and what it defined is there or gone, unless somebody else says so
    /// later.
    fn settle_definitions(&mut self) {
        self.participant.rest_no_more();
        match self.two_phase.take() {
            None => self.participant.settle(),
            Some(TwoPhase::Prepares(gid)) => self.participant.prepare(gid),
            Some(TwoPhase::Ends(gid)) => {
                self.participant.settle();
                self.participant.settle_prepared(gid.as_ref());
            }
        }
    }

    /// Outside a transaction it does not take long until what was defined is committed.
    fn must_wait_for_names(&mut self) -> bool {
        let waits = self.relay.transaction() == TransactionStatus::Idle && !self.relay.is_idle();
        if waits {
            self.relay.wait_until_idle();
        }
        waits
    }

    async fn execute_or_refuse(&mut self, judged: Result<Arc<Judged>, Unjudged>) {
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        let judged = match judged {
            Ok(judged) => judged,
            Err(unjudged) => return self.refuse_unjudged(exchange, unjudged).await,
        };
        if self.is_too_late_for(&judged) {
            return self.refuse_expired(exchange, &judged).await;
        }
        let clearance = match Clearance::of([&judged.decision]) {
            Ok(clearance) => clearance,
            Err(_) => return self.refuse(exchange, &judged).await,
        };
        if let Some(message) =
            copy::refuse_uninspectable(&judged.statement, &self.relay).filter(|_| self.inspects(&judged))
        {
            return self.refuse_unjudged(exchange, Unjudged::Refused(Box::new(message))).await;
        }
        let client_encoding = self.relay.client_encoding();
        if let Some(message) = encoding::refuse_unwritable(&judged, client_encoding, &self.server_encoding) {
            return self.refuse_unjudged(exchange, Unjudged::Refused(Box::new(message))).await;
        }
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
        self.may_have_told |= judged.may_notify(self.catalog.latest().as_deref());
        let is_first = self.running.is_empty() && !self.relay.has_run();
        let is_alone = is_first && self.relay.transaction() == TransactionStatus::Idle;
        self.two_phase = two_phase(&judged).or(self.two_phase.take());
        self.names.note(judged.actions(), judged.traced.as_deref());
        if let ([action], true) = (&judged.statement.actions[..], is_alone) {
            self.names.path().note_alone(action);
        }
        let snapshot = if shield.is_some() { self.catalog.latest() } else { None };
        let (started, copied) = (Instant::now(), None);
        self.running.push_back(Exchange { id: exchange, started, judged, shield, snapshot, copied });
        self.inspect_reports();
        self.relay.permit(Permit::issue(clearance, recorded), run);
    }

    /// Whether its rows are looked at.
    fn inspects(&self, judged: &Judged) -> bool {
        !judged.passes(&self.role.role)
    }

    /// For Parse and Bind, which run nothing and so leave no record unless they are refused.
    async fn clear_or_refuse(&mut self, judged: Result<Arc<Judged>, Unjudged>) -> Result<bool, End> {
        let refused = match judged {
            Ok(judged) if self.is_too_late_for(&judged) => {
                self.exchanges += 1;
                self.refuse_expired(ExchangeId(self.exchanges), &judged).await;
                return Ok(true);
            }
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
        for purpose in judged.refusal.iter().flat_map(|refusal| &refusal.purposes) {
            self.shared.metrics.lineage_refused(purpose);
        }
        let record = self.started(exchange, &judged.decision, Arc::clone(&judged.records));
        self.record_refusal(record).await;
        self.relay.refuse(&refusal(judged).correlated(CorrelationId::new(self.id, exchange)));
    }

    /// Whether the token has expired and the statement is none by which what it was good for is brought to an end.
    fn is_too_late_for(&self, judged: &Judged) -> bool {
        self.lifetime.refuses_statements() && !judged.statement.ends_transaction()
    }

    async fn refuse_expired(&mut self, exchange: ExchangeId, judged: &Judged) {
        let decision = Decision::deny(ReasonSource::Host, "the token has expired");
        let record = self.started(exchange, &decision, Arc::clone(&judged.records));
        self.record_refusal(record).await;
        let message = ClientMessage::new(SqlState::InvalidAuthorization, TOKEN_EXPIRED)
            .hint("Commit or roll back, and connect again with a new token.")
            .correlated(CorrelationId::new(self.id, exchange));
        self.relay.refuse(&message);
    }

    async fn refuse_unjudged(&mut self, exchange: ExchangeId, unjudged: Unjudged) {
        let message = match unjudged {
            Unjudged::Refused(message) | Unjudged::UnknownName(message) => message,
            Unjudged::NoCatalogue => Box::new(no_catalogue()),
        };
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
            Response::Rows { exchange, statement, fields } => {
                self.treat_rows(exchange, statement, &fields).await?;
            }
            Response::CopyRows { exchange, statement, columns, format } => {
                if let Some(fields) = self.copied_fields(exchange, statement, columns, format) {
                    self.treat_rows(exchange, statement, &fields).await?;
                } else {
                    return Err(End::UpstreamViolation(Violation::RowsUndescribed));
                }
            }
            Response::Report { exchange, statement } => self.review_report(exchange, statement.as_ref()),
            Response::CapReached { exchange } => self.stop_at_cap(exchange).await,
            Response::Ended(ended) => self.complete(ended),
        }
        Ok(())
    }

    /// The columns of a COPY under way, the same while it lasts.
    fn copied_fields(
        &mut self,
        id: ExchangeId,
        statement: usize,
        columns: usize,
        format: Format,
    ) -> Option<Arc<[Field]>> {
        let exchange = self.running_mut(id)?;
        match &exchange.copied {
            Some((index, fields)) if *index == statement => Some(Arc::clone(fields)),
            Some(_) | None => {
                let outputs = exchange.judged.traced.as_ref().map(|traced| traced.outputs(statement));
                let fields = copy::fields(outputs.unwrap_or(&Outputs::Unknown), columns, format);
                exchange.copied = Some((statement, Arc::clone(&fields)));
                Some(fields)
            }
        }
    }

    async fn treat_rows(
        &mut self,
        id: ExchangeId,
        statement: usize,
        fields: &Arc<[Field]>,
    ) -> Result<(), End> {
        if self.shield(id).is_some_and(|shield| shield.needs_plan(fields)) {
            let sources = self.sources(id, statement, fields).await;
            let shield = self.running_mut(id).and_then(|exchange| exchange.shield.as_mut());
            if let (Some(shield), Some(sources)) = (shield, sources) {
                shield.plan(fields, &sources);
            }
        }
        let Some(exchange) = self.running.iter_mut().find(|exchange| exchange.id == id) else {
            return Err(End::UpstreamViolation(Violation::RowsUndescribed));
        };
        let Some(shield) = &mut exchange.shield else {
            self.relay.pass();
            return Ok(());
        };
        let Shared { tokens, metrics, observer, .. } = &*self.shared;
        let tools = Tools { tokens, metrics, observer };
        match shield.treat(self.relay.head(), &tools).map_err(End::UpstreamViolation)? {
            Treated::Unchanged => self.relay.pass(),
            Treated::Rewritten(rows) => self.relay.replace(&rows),
        }
        Ok(())
    }

    /// Where the columns of a result come from: by a catalogue that has their tables, if there is one, and by the lineage
    /// under that.
    async fn sources(&self, id: ExchangeId, statement: usize, fields: &[Field]) -> Option<Sources> {
        let exchange = self.running(id)?;
        let judged = &exchange.judged;
        let known = exchange.snapshot.clone().unwrap_or_default();
        let snapshot = if judged.rules.is_empty() {
            known
        } else {
            rare(self.catalog.with_tables_of(fields, &known, &self.shared.metrics)).await
        };
        let traced = match &judged.traced {
            Some(traced) if traced.version == snapshot.version() => Some(Arc::clone(traced)),
            // What cannot be traced is of unknown origin.
            _ => {
                let unsure = matches!(judged.footing, Footing::Unsure).then(|| self.names.unsure());
                let ground = Ground { snapshot: None, names: unsure.as_ref().unwrap_or(&self.names) };
                self.judge_for(id, ground).trace(judged, &snapshot).ok().map(Arc::new)
            }
        };
        let encoding = copy::encoding(&judged.statement, statement);
        let encoding = encoding.unwrap_or_else(|| Arc::clone(&self.encoding));
        Some(Sources { snapshot, traced, statement, encoding })
    }

    fn running(&self, id: ExchangeId) -> Option<&Exchange> {
        self.running.iter().find(|exchange| exchange.id == id)
    }

    fn running_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.running.iter_mut().find(|exchange| exchange.id == id)
    }

    fn shield(&self, id: ExchangeId) -> Option<&Shield> {
        self.running(id)?.shield.as_ref()
    }

    /// Whether what the server says of a statement that does not run yet may quote protected values. It was judged before it
    /// was sent, so mostly that is remembered.
    fn may_quote(&self, statement: &Arc<Statement>) -> bool {
        let judged = self.judge_under(self.catalog.current().as_deref(), &self.names, Text::Known(statement));
        judged.map_or(self.role.role.protects(), |judged| judged.touches_protected())
    }

    /// Whether the report names a table with protected columns, or one that is not known: a foreign key's action writes to
    /// tables that no statement mentions, and what fails there quotes whole rows.
    fn is_about_protected_table(&self, exchange: Option<ExchangeId>) -> bool {
        let Some((schema, table)) = report::table_of(self.relay.head()) else { return false };
        let rules = match exchange.and_then(|id| self.running(id)) {
            Some(exchange) => exchange.judged.rules.clone(),
            None => Rules::of(&self.role.role, &Decision::allow()),
        };
        if rules.is_empty() {
            return false;
        }
        let Some(snapshot) = self.catalog.latest() else { return true };
        let Ok(protected) = snapshot.protected(&rules) else { return true };
        let named = snapshot.schema().relations_named(&table).find(|relation| *relation.schema == *schema);
        named.is_none_or(|relation| {
            let id = |number| ColumnId { relation: relation.oid, number };
            relation.columns.iter().any(|column| protected.rule(id(column.number)).is_some())
        })
    }

    fn review_report(&mut self, exchange: Option<ExchangeId>, statement: Option<&Arc<Statement>>) {
        let touches_protected = match (exchange.and_then(|id| self.running(id)), statement) {
            (Some(exchange), _) => exchange.judged.touches_protected(),
            (None, Some(statement)) => self.may_quote(statement),
            (None, None) => self.role.role.protects(),
        };
        let touches_protected = touches_protected || self.is_about_protected_table(exchange);
        let reviewer = Reviewer {
            role: &self.role,
            asker: &self.asker,
            exchange: exchange.unwrap_or(ExchangeId(self.exchanges)),
            tokens: &self.shared.tokens,
            metrics: &self.shared.metrics,
            touches_protected,
        };
        let message = self.relay.head();
        let instead = match notification(message) {
            None => reviewer.review(message),
            Some(notification) => {
                let sender = self.sender(notification.process);
                reviewer.review_payload(notification.payload, sender).map(|payload| {
                    let mut out = BytesMut::new();
                    put_notification(&mut out, &notification, payload.as_bytes());
                    out
                })
            }
        };
        match instead {
            None => self.relay.pass(),
            Some(instead) => self.relay.replace(&instead),
        }
    }

    fn sender(&self, process: u32) -> Sender {
        if process == self.cancel.process() && !self.may_have_told { Sender::Itself } else { Sender::Anyone }
    }

    async fn stop_at_cap(&mut self, exchange: ExchangeId) {
        let running = self.running(exchange);
        let cap = running.and_then(|running| running.judged.decision.row_cap()).unwrap_or_default();
        let message = ClientMessage::new(
            SqlState::ProgramLimitExceeded,
            format!("the result has more rows than may be read at once ({cap})"),
        )
        .hint("Add a LIMIT, or ask for fewer rows.")
        .correlated(CorrelationId::new(self.id, exchange));
        self.relay.stop(&message);
        // Waited for, so that it cannot hit a later statement.
        if let Err(failure) = rare(self.cancel.send()).await {
            warn!(session = %self.id, error = %failure, "a stopped statement could not be canceled upstream");
        }
    }

    fn complete(&mut self, ended: Ended) {
        let Some(index) = self.running.iter().position(|exchange| exchange.id == ended.exchange) else {
            return;
        };
        let Some(exchange) = self.running.remove(index) else { return };
        if ended.outcome != audit::Outcome::Completed {
            self.names.path().stay();
            self.two_phase = None;
        }
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

    // --- the end

    async fn close(&mut self, end: &End) {
        end.log(self.id);
        let cancel = (end.stops_what_runs() && !self.relay.is_idle()).then(|| self.cancel.clone());
        for lost in self.relay.lose_pending() {
            self.complete(lost);
        }
        // In the middle of a message it would be read as a part of it; and of two last words clients keep the second.
        let is_told = self.relay.is_mid_message() || self.relay.upstream_gave_up();
        if let Some(message) = end.client_message().filter(|_| !is_told) {
            put_error(&mut self.relay.to_client, Severity::Fatal, &message);
        }
        if !self.relay.is_terminated() && !self.duplex.upstream.ended {
            self.relay.say_goodbye();
        }
        let drained = tokio::time::timeout(GOODBYE_TIMEOUT, self.duplex.drain(&mut self.relay));
        let (drained, ()) = tokio::join!(drained, stop_upstream(self.id, cancel));
        if drained.is_err() {
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

/// What most sessions never wait for, kept off the task: else its room would be in each of them while they do nothing.
fn rare<F: Future>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

/// What a session has sent may run, and come into force, after it has gone: until the server has ended the connection, which
/// it does when nothing runs on it any more. Others mind it as long.
async fn linger(participant: Participant, mut upstream: Side) {
    if !participant.is_involved() {
        return;
    }
    if tokio::time::timeout(LINGER_MAX, upstream.end()).await.is_ok_and(|ended| ended.is_ok()) {
        participant.settle();
    }
}

fn two_phase(judged: &Judged) -> Option<TwoPhase> {
    let actions = &judged.statement.actions;
    let of = |index: usize| lineage::gid(&judged.statement.text).filter(|_| index + 1 == actions.len());
    judged.actions().enumerate().find_map(|(index, action)| match action.kind.as_str() {
        "prepare transaction" => Some(TwoPhase::Prepares(of(index))),
        // The server lets nothing else be in a message with these.
        "commit prepared" | "rollback prepared" => Some(TwoPhase::Ends(of(index).filter(|_| index == 0))),
        _ => None,
    })
}

/// What a client is told that did not want to wait any more.
fn canceled() -> ClientMessage {
    ClientMessage::new(SqlState::QueryCanceled, "canceling statement due to user request")
}

/// What a client is told whose definition has waited for too long.
fn others_rest_on_it() -> ClientMessage {
    let message = "refused: statements or transactions of other sessions rest on what this would change";
    ClientMessage::new(SqlState::LockNotAvailable, message).hint("Try again once they are over.")
}

/// Has the upstream stop what runs; it may not notice otherwise until it has a row to send.
async fn stop_upstream(session: SessionId, cancel: Option<CancelTarget>) {
    let Some(cancel) = cancel else { return };
    match tokio::time::timeout(GOODBYE_TIMEOUT, rare(cancel.send())).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => {
            warn!(%session, error = %failure, "what an ended session ran could not be canceled upstream");
        }
        Err(_) => warn!(%session, "what an ended session ran was not canceled upstream in time"),
    }
}

/// A statement to judge.
#[derive(Clone, Copy)]
enum Text<'t> {
    /// As it came.
    New(&'t Bytes),
    /// That of a FunctionCall.
    Call(&'static str),
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
        Impossible::UnknownFunction(function) => ClientMessage::new(
            SqlState::FeatureNotSupported,
            format!("function {function} is refused: only those for large objects may be called by number"),
        )
        .hint("Call the function with SELECT."),
    }
}
