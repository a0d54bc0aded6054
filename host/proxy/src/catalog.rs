//! Which columns the numbers in a RowDescription stand for, read from the upstream's own catalogue.
//!
//! A column once seen under a protected name stays known under it for as long as the generation lives, so a rename does not
//! uncover it. New tables make an unknown OID, and an unknown OID makes a refresh.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use grille_core::{ColumnPattern, Treatment};
use grille_wire::postgres::{Field, HEADER_BYTES, Violation, put_query, walk_row};
use parking_lot::RwLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::warn;

use crate::upstream::{ConnectError, Upstream};

/// Objects below this OID are made by initdb (`FirstNormalObjectId`, src/include/access/transam.h).
const FIRST_NORMAL_OID: u32 = 16_384;
/// How old a snapshot may become before it is read again.
const AGE_MAX: Duration = Duration::from_secs(30);
/// Longest row and longest answer of the catalogue query.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

const QUERY: &str = "SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND c.oid >= 16384";

/// A column by the server's numbers.
type ColumnNumber = (u32, i16);

/// Names of a column. More than one when it was renamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ColumnName {
    schema: Box<str>,
    table: Box<str>,
    column: Box<str>,
}

#[derive(Debug, Default)]
struct Snapshot {
    relations: HashSet<u32>,
    columns: HashMap<ColumnNumber, Vec<ColumnName>>,
    /// Tables that were asked for and not there.
    missing: HashSet<u32>,
    taken: Option<Instant>,
}

/// The catalogue of one upstream.
#[derive(Debug)]
pub(crate) struct Catalog {
    upstream: Arc<Upstream>,
    snapshot: RwLock<Snapshot>,
    refreshing: tokio::sync::Mutex<()>,
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
    #[error("the upstream answered with an error")]
    Refused,
}

/// What is known of a column's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Not a column of a table.
    Computed,
    /// Its table is not in the catalogue: made in a transaction that is still open, or temporary.
    Unknown,
    /// `schema.table.column`, as last seen.
    Known(String),
}

impl Catalog {
    pub(crate) fn new(upstream: Arc<Upstream>) -> Self {
        Self { upstream, snapshot: RwLock::default(), refreshing: tokio::sync::Mutex::default() }
    }

    /// Whether the snapshot says nothing yet about a table of these columns, or is too old.
    pub(crate) fn is_stale_for(&self, fields: &[Field]) -> bool {
        let snapshot = self.snapshot.read();
        snapshot.taken.is_none_or(|taken| taken.elapsed() > AGE_MAX)
            || tables(fields)
                .any(|table| !snapshot.relations.contains(&table) && !snapshot.missing.contains(&table))
    }

    /// Whether every table of these columns was in some snapshot, however old.
    pub(crate) fn knows(&self, fields: &[Field]) -> bool {
        let snapshot = self.snapshot.read();
        tables(fields).all(|table| snapshot.relations.contains(&table))
    }

    /// Makes the next look-up read the catalogue again: something was defined.
    pub(crate) fn expire(&self) {
        self.snapshot.write().taken = None;
    }

    /// Reads the catalogue over a connection of its own. Several callers share one reading.
    pub(crate) async fn refresh(&self, fields: &[Field]) -> Result<(), CatalogError> {
        let asked = Instant::now();
        let _only_one = self.refreshing.lock().await;
        if self.snapshot.read().taken.is_none_or(|taken| taken < asked) {
            let columns = self.read().await?;
            self.merge(columns);
        }
        let mut snapshot = self.snapshot.write();
        let missing: Vec<u32> = tables(fields).filter(|table| !snapshot.relations.contains(table)).collect();
        snapshot.missing.extend(missing);
        Ok(())
    }

    /// Where a column comes from.
    pub(crate) fn origin(&self, field: &Field) -> Origin {
        if field.table_oid == 0 {
            return Origin::Computed;
        }
        let snapshot = self.snapshot.read();
        match snapshot.columns.get(&(field.table_oid, field.attribute)).and_then(|names| names.last()) {
            Some(name) => Origin::Known(format!("{}.{}.{}", name.schema, name.table, name.column)),
            None if field.table_oid < FIRST_NORMAL_OID => Origin::Known(String::new()),
            None => Origin::Unknown,
        }
    }

    /// The strictest treatment that any of the column's names calls for, with the pattern that does.
    pub(crate) fn rule<'r>(
        &self,
        field: &Field,
        rules: impl Iterator<Item = (&'r ColumnPattern, &'r Treatment)>,
    ) -> Option<(&'r ColumnPattern, &'r Treatment)> {
        let snapshot = self.snapshot.read();
        let names = snapshot.columns.get(&(field.table_oid, field.attribute))?;
        rules
            .filter(|(pattern, _)| {
                names.iter().any(|name| pattern.covers(&name.schema, &name.table, &name.column))
            })
            .max_by_key(|(_, treatment)| treatment.strictness())
    }

    fn merge(&self, columns: Vec<(u32, Option<i16>, ColumnName)>) {
        let mut snapshot = self.snapshot.write();
        snapshot.relations.clear();
        snapshot.missing.clear();
        for (table, attribute, name) in columns {
            snapshot.relations.insert(table);
            let Some(attribute) = attribute else { continue };
            let names = snapshot.columns.entry((table, attribute)).or_default();
            names.retain(|known| *known != name);
            names.push(name);
        }
        snapshot.taken = Some(Instant::now());
    }

    async fn read(&self) -> Result<Vec<(u32, Option<i16>, ColumnName)>, CatalogError> {
        let mut connection = self.upstream.connect(&[]).await?;
        let mut query = BytesMut::new();
        put_query(&mut query, QUERY);
        connection.stream.write_all(&query).await?;
        connection.stream.flush().await?;
        let mut buffer = connection.leftover;
        let mut columns = Vec::new();
        let mut total = 0;
        loop {
            let message = next_message(&mut connection.stream, &mut buffer).await?;
            total += message.len();
            match message[0] {
                b'D' => columns.extend(decode_row(&message)?),
                b'E' => return Err(CatalogError::Refused),
                b'Z' => return Ok(columns),
                b'T' | b'C' | b'N' | b'S' => {}
                tag => return Err(Violation::Unexpected { tag }.into()),
            }
            if total > ANSWER_BYTES_MAX {
                return Err(Violation::TooLong { tag: b'D', total, limit: ANSWER_BYTES_MAX }.into());
            }
        }
    }
}

/// The tables that columns come from, but for those that every database has.
fn tables(fields: &[Field]) -> impl Iterator<Item = u32> {
    fields.iter().map(|field| field.table_oid).filter(|table| *table >= FIRST_NORMAL_OID)
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

fn decode_row(message: &[u8]) -> Result<Option<(u32, Option<i16>, ColumnName)>, Violation> {
    let mut cells = [const { None }; 5];
    walk_row(message, 5, |column, cell| {
        cells[column] = cell.map(|cell| String::from_utf8_lossy(cell).into_owned());
    })?;
    let [Some(table), Some(schema), Some(relation), attribute, column] = cells else { return Ok(None) };
    let malformed = Violation::Malformed { tag: b'D' };
    let table = table.parse().map_err(|_| malformed)?;
    let attribute = attribute.map(|number| number.parse()).transpose().map_err(|_| malformed)?;
    let name = ColumnName {
        schema: schema.into(),
        table: relation.into(),
        column: column.unwrap_or_default().into(),
    };
    Ok(Some((table, attribute, name)))
}

/// Logs a failed reading once, where it is handled.
pub(crate) fn log_failure(upstream: &grille_core::UpstreamName, error: &CatalogError) {
    warn!(%upstream, %error, "the catalogue cannot be read");
}
