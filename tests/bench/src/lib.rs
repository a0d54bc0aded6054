//! Messages and statements that the benchmarks share. What is measured is in `benches/`, the comparison with other proxies
//! in `proxies/`.

use std::sync::Arc;

use grille_core::{Principal, PrincipalKind, RoleName, UpstreamName};
use grille_plugin::{ExchangeContext, SessionContext};

/// A message of the PostgreSQL protocol: a tag, the length, the body.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a message of a benchmark is short");
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// A DataRow with one text cell.
pub fn row(cell: &str) -> Vec<u8> {
    let length = u32::try_from(cell.len()).expect("a cell of a benchmark is short");
    message(b'D', &[&1_u16.to_be_bytes()[..], &length.to_be_bytes(), cell.as_bytes()].concat())
}

/// A RowDescription of one text column that comes from no table.
pub fn one_text_column() -> Vec<u8> {
    let mut body = b"\x00\x01v\0".to_vec();
    body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    message(b'T', &body)
}

/// 109 bytes, as an application sends it.
pub const STATEMENT: &str = "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id = 42 AND c.active";

/// Who asks, in every benchmark that calls a plugin.
pub fn context() -> ExchangeContext {
    let principal = Principal {
        issuer: "https://issuer.example".into(),
        subject: "ada".into(),
        groups: vec!["analysts".into()],
        kind: PrincipalKind::Human,
        token_id: None,
        expires_at: 0,
    };
    let session = SessionContext {
        protocol: "postgres",
        principal,
        role: RoleName::new("analyst"),
        upstream: UpstreamName::new("app"),
        target: "app".into(),
        client: "bench".into(),
    };
    ExchangeContext::new(1, &Arc::new(session))
}
