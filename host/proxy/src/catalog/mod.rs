//! The upstream's own catalogue, as far as lineage needs it: relations with columns and definitions, functions, types.
//!
//! It is read over a connection of its own and swapped in whole. It is read again when something was defined, when a result
//! has a table that is not in it, and when it is older than [`AGE_MAX`]; several callers share one reading. An answer equal
//! to the last one changes nothing, so what was judged under it stays good. What names of columns mean in a session, before
//! it commits, is the judge's business.

mod definitions;
mod query;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::{Buf, BytesMut};
use grille_wire::postgres::{Field, HEADER_BYTES, Violation, put_query, report_fields};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::block_in_place;
use tracing::warn;

use crate::metrics::Metrics;
use crate::upstream::{ConnectError, Upstream, UpstreamConnection};
use definitions::Definitions;
pub(crate) use definitions::{Defined, Gid, Mark, ObjectName, Participant, Reach, Rests, Standing, Waiting};
pub(crate) use snapshot::{Origin, Protected, Rule, Rules, Snapshot};

/// How old a snapshot may become before it is read again.
const AGE_MAX: Duration = Duration::from_secs(30);
/// How old one may become in which a view's definition is missing, because a transaction that is still open may change it.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(1);
/// Longest row and longest answer of the catalogue query: a database of 10,000 tables with 20 columns each has some 15 MB.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Longest time for one reading.
const READ_TIMEOUT: Duration = Duration::from_secs(40);
/// How often a reading is tried: a table that is dropped while its definition is being printed makes the server give up.
const TRIES_MAX: usize = 3;
/// Most tables that are remembered as not there.
const MISSING_MAX: usize = 10_000;

/// The catalogue of one upstream.
#[derive(Debug)]
pub(crate) struct Catalog {
    upstream: Arc<Upstream>,
    definitions: Arc<Definitions>,
    latest: ArcSwapOption<Snapshot>,
    state: Mutex<State>,
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// When the reading of the latest snapshot began.
    read_at: Option<Instant>,
    /// How often something had been defined by then.
    changes: u64,
    /// How old it may become.
    age_max: Duration,
    failed_at: Option<Instant>,
    /// SHA-256 of the answer.
    digest: Option<[u8; 32]>,
    /// Tables that were asked for and not there.
    missing: HashSet<u32>,
}

impl State {
    /// Whether it is not too old, and all that had been defined by then is in it.
    fn is_fresh(&self, changes: u64) -> bool {
        self.changes >= changes && self.read_at.is_some_and(|read| read.elapsed() <= self.age_max)
    }
}

/// The catalogue could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error("cannot connect")]
    Connect(#[from] ConnectError),
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    #[error("the upstream broke the protocol: {0}")]
    Protocol(#[from] Violation),
    #[error("the upstream answered with error {state}")]
    Refused { state: String },
    #[error("the upstream took too long")]
    TimedOut,
    #[error("another session has just failed to read it")]
    JustFailed,
}

impl Catalog {
    pub(crate) fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            definitions: Definitions::of(upstream.settings()),
            upstream,
            latest: ArcSwapOption::empty(),
            state: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    /// The snapshot, if it need not be read again.
    pub(crate) fn current(&self) -> Option<Arc<Snapshot>> {
        self.with_changes(self.definitions.changes())
    }

    /// The snapshot, if it is not too old and all that had been defined by then is in it.
    fn with_changes(&self, changes: u64) -> Option<Arc<Snapshot>> {
        if self.state.lock().is_fresh(changes) { self.latest.load_full() } else { None }
    }

    /// The latest snapshot, however old.
    pub(crate) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.latest.load_full()
    }

    /// Makes the next look-up read the catalogue again: something was defined.
    pub(crate) fn expire(&self) {
        self.definitions.change();
    }

    /// Whether the other is of the same database, seen by the same user.
    pub(crate) fn is_of_what(&self, other: &Self) -> bool {
        let (one, other) = (self.upstream.settings(), other.upstream.settings());
        (&one.host, one.port, &one.database, &one.user)
            == (&other.host, other.port, &other.database, &other.user)
    }

    /// A session's part in what is defined in the database.
    pub(crate) fn enter(&self) -> Participant {
        self.definitions.enter()
    }

    /// The snapshot, read again where it has to be. Cancel safe.
    pub(crate) async fn fresh(&self, metrics: &Metrics) -> Result<Arc<Snapshot>, CatalogError> {
        if let Some(snapshot) = self.current() {
            return Ok(snapshot);
        }
        let (asked, changes) = (Instant::now(), self.definitions.changes());
        let _only_one = self.refreshing.lock().await;
        // What has been defined since is not this caller's business: else, where something always is, each would read.
        if let Some(snapshot) = self.with_changes(changes) {
            return Ok(snapshot);
        }
        if self.state.lock().failed_at.is_some_and(|failed| failed > asked) {
            return Err(CatalogError::JustFailed);
        }
        let name = &self.upstream.settings().name;
        self.refresh().await.inspect(|_| metrics.catalog_read(name)).inspect_err(|error| {
            warn!(upstream = %name, %error, "the catalogue cannot be read");
            metrics.catalog_failed(name);
            self.state.lock().failed_at = Some(Instant::now());
        })
    }

    /// A snapshot that has the tables of these columns, if there is one to be had, or the one given.
    pub(crate) async fn with_tables_of(
        &self,
        fields: &[Field],
        known: &Arc<Snapshot>,
        metrics: &Metrics,
    ) -> Arc<Snapshot> {
        let latest = self.latest.load_full().unwrap_or_else(|| Arc::clone(known));
        if self.unknown_tables(fields, &latest).is_empty() {
            return latest;
        }
        self.expire();
        let Ok(fresh) = self.fresh(metrics).await else { return latest };
        let missing = self.unknown_tables(fields, &fresh);
        let mut state = self.state.lock();
        if state.missing.len() + missing.len() <= MISSING_MAX {
            state.missing.extend(missing);
        }
        fresh
    }

    fn unknown_tables(&self, fields: &[Field], snapshot: &Snapshot) -> Vec<u32> {
        let tables = fields.iter().map(|field| field.table_oid).filter(|table| *table != 0);
        let unknown = tables.filter(|table| snapshot.schema().relation(*table).is_none());
        let unknown: Vec<u32> = unknown.collect();
        if unknown.is_empty() {
            return unknown;
        }
        let state = self.state.lock();
        unknown.into_iter().filter(|table| !state.missing.contains(table)).collect()
    }

    async fn refresh(&self) -> Result<Arc<Snapshot>, CatalogError> {
        let (began, changes) = (Instant::now(), self.definitions.changes());
        let answer = self.answer().await?;
        let digest = sha256(&answer);
        let latest = self.latest.load_full();
        let is_same = self.state.lock().digest == Some(digest);
        let snapshot = match latest {
            Some(latest) if is_same => latest,
            previous => {
                // Some 50 ms for 10,000 tables: other sessions of this worker go on meanwhile.
                let content = block_in_place(|| query::decode(&answer))?;
                let known = self.definitions.latest();
                let after = || Snapshot::after(previous.as_deref(), known.as_deref(), content);
                Arc::new(block_in_place(after))
            }
        };
        self.definitions.know(&snapshot);
        self.latest.store(Some(Arc::clone(&snapshot)));
        let mut state = self.state.lock();
        if !is_same {
            state.missing.clear();
        }
        (state.read_at, state.changes, state.digest) = (Some(began), changes, Some(digest));
        state.age_max = if snapshot.is_partial() { PARTIAL_AGE_MAX } else { AGE_MAX };
        Ok(snapshot)
    }

    async fn answer(&self) -> Result<BytesMut, CatalogError> {
        let mut tries = 1;
        loop {
            let answer = tokio::time::timeout(READ_TIMEOUT, self.read()).await;
            match answer.unwrap_or(Err(CatalogError::TimedOut)) {
                Err(CatalogError::Refused { .. }) if tries < TRIES_MAX => tries += 1,
                answer => return answer,
            }
        }
    }

    /// The RowDescriptions and DataRows of the answer.
    async fn read(&self) -> Result<BytesMut, CatalogError> {
        let mut connection = self.upstream.connect(&[]).await?;
        ask(&mut connection, query::QUERY).await
    }

    /// The `search_path` of a connection on which nothing has run yet, as the server writes it: PostgreSQL 18 has reported it,
    /// others are asked.
    ///
    /// # Errors
    /// When the server does not tell; the connection is of no use any more.
    pub(crate) async fn search_path(
        &self,
        connection: &mut UpstreamConnection,
    ) -> Result<String, CatalogError> {
        if let Some((_, path)) = connection.parameters.iter().rev().find(|(name, _)| name == "search_path") {
            return Ok(path.clone());
        }
        let asked = tokio::time::timeout(
            self.upstream.settings().connect_timeout,
            ask(connection, "SHOW search_path"),
        );
        let answer = asked.await.unwrap_or(Err(CatalogError::TimedOut))?;
        query::single_text(&answer).map_err(CatalogError::from)
    }

    /// Whom Grille logs in as there: what `"$user"` stands for in a search path.
    pub(crate) fn user(&self) -> &str {
        &self.upstream.settings().user
    }
}

/// The RowDescriptions and DataRows of the answer to a Query.
async fn ask(connection: &mut UpstreamConnection, sql: &str) -> Result<BytesMut, CatalogError> {
    let mut query = BytesMut::new();
    put_query(&mut query, sql);
    connection.stream.write_all(&query).await?;
    connection.stream.flush().await?;
    let mut answer = BytesMut::new();
    loop {
        let message = next_message(&mut connection.stream, &mut connection.leftover).await?;
        match message[0] {
            b'T' | b'D' => answer.extend_from_slice(&message),
            b'E' => return Err(CatalogError::Refused { state: state(&message) }),
            b'Z' => return Ok(answer),
            b'C' | b'N' | b'S' => {}
            tag => return Err(Violation::Unexpected { tag }.into()),
        }
        if answer.len() > ANSWER_BYTES_MAX {
            let (total, limit) = (answer.len(), ANSWER_BYTES_MAX);
            return Err(Violation::TooLong { tag: b'D', total, limit }.into());
        }
    }
}

/// The SQLSTATE of an ErrorResponse.
fn state(message: &[u8]) -> String {
    let field = report_fields(message).find(|(code, _)| *code == b'C');
    field.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().first_chunk().copied().expect("SHA-256 has 32 bytes")
}

async fn next_message(
    stream: &mut (impl AsyncReadExt + Unpin),
    buffer: &mut BytesMut,
) -> Result<BytesMut, CatalogError> {
    loop {
        if let Some(header) = buffer.first_chunk::<HEADER_BYTES>() {
            let length = (&header[1..]).get_u32() as usize + 1;
            if !(HEADER_BYTES..=ANSWER_BYTES_MAX).contains(&length) {
                return Err(Violation::BadLength { tag: header[0], length: length as u32 }.into());
            }
            if buffer.len() >= length {
                return Ok(buffer.split_to(length));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
}
