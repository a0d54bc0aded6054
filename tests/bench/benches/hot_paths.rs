//! The paths that every statement or every row takes: relaying, judging, plugin calls. `cargo bench -p grille-bench`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use grille_bench::{STATEMENT, context, message, one_text_column, row};
use grille_core::audit::Recorded;
use grille_core::{Clearance, ExchangeId, Permit, PluginId};
use grille_plugin::{
    ColumnTexts, Compiler, Engine, EngineSettings, FieldInfo, Limits as PluginLimits, Plugin, ResultScanner,
};
use grille_wire::postgres::{Limits, Relay, Request, Response, Rows, Run, Statement};
use grille_wire::sql;

const ROWS: usize = 1000;

fn relay() -> Relay {
    let limits = Limits { message_bytes_max: 1 << 20, block_bytes_max: 1 << 18 };
    Relay::new(limits, [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")])
}

/// Takes one Query through the relay, its answer passing or inspected.
fn one_query(relay: &mut Relay, statement: &Arc<Statement>, query: &[u8], answer: &[u8], rows: Rows) {
    relay.feed_client(query);
    let Some(Request::Query { .. }) = relay.next_request().unwrap() else { panic!("no query") };
    let permit = Permit::issue(Clearance::of([]).unwrap(), Recorded::attest());
    let run = Run { exchange: ExchangeId(1), statement: Arc::clone(statement), rows, row_cap: None };
    relay.permit(permit, run);
    relay.feed_upstream(answer);
    while let Some(response) = relay.next_response().unwrap() {
        if let Response::Rows { .. } = response {
            black_box(relay.head());
            relay.pass();
        }
    }
    relay.to_client.clear();
    relay.to_upstream.clear();
}

fn relaying(c: &mut Criterion) {
    let statement = Arc::new(Statement::new(STATEMENT.into(), sql::analyze(STATEMENT).unwrap()));
    let query = message(b'Q', format!("{STATEMENT}\0").as_bytes());
    let ends = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    let small = [one_text_column(), row("1"), ends.clone()].concat();
    let mut relay_once = relay();
    c.bench_function("relay/select-1", |b| {
        b.iter(|| one_query(&mut relay_once, &statement, &query, &small, Rows::Pass));
    });
    let rows: Vec<u8> = (0..ROWS).flat_map(|i| row(&format!("{i:0100}"))).collect();
    let large = [one_text_column(), rows, ends].concat();
    let mut group = c.benchmark_group("relay/1000-rows-of-100-bytes");
    group.throughput(Throughput::Bytes(large.len() as u64));
    for (name, rows) in [("pass", Rows::Pass), ("inspect", Rows::Inspect)] {
        group.bench_function(name, |b| {
            let mut relay = relay();
            b.iter(|| one_query(&mut relay, &statement, &query, &large, rows));
        });
    }
}

fn judging(c: &mut Criterion) {
    sql::declare_large_stack();
    c.bench_function("judge/analyze-109-bytes", |b| b.iter(|| sql::analyze(black_box(STATEMENT)).unwrap()));
    c.bench_function("judge/analyze-select-1", |b| b.iter(|| sql::analyze(black_box("SELECT 1")).unwrap()));
}

fn plugin(engine: &Engine, name: &str) -> Arc<Plugin> {
    let path = format!("{}/../../target/plugins/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).expect("built by `cargo xtask plugins`");
    let component = engine.compile(&bytes).unwrap();
    Arc::new(Plugin::configure(&component, PluginId::new(name), &serde_json::json!({})).unwrap())
}

fn plugins(c: &mut Criterion) {
    let cache = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineSettings {
        cache_directory: cache.path().join("compiled"),
        compiler: Compiler::InProcess,
        limits: PluginLimits::default(),
    })
    .unwrap();
    let (guard, pii) = (plugin(&engine, "sql-guard"), plugin(&engine, "pii"));
    let action = sql::analyze(STATEMENT).unwrap().remove(0);
    let context = context();
    c.bench_function("plugin/sql-guard-decide", |b| {
        b.iter(|| guard.decide(&context, black_box(&action), &[]).unwrap());
    });
    let detectors = [pii];
    let field = FieldInfo { name: "note".into(), origin: String::new(), kind: "text".into() };
    let scanner = || ResultScanner::new(&detectors, context.clone(), vec![field.clone()]);
    let texts = |text: &dyn Fn(usize) -> String| {
        let mut column = ColumnTexts::new(0);
        (0..ROWS).for_each(|i| column.push(&text(i)));
        [column]
    };
    let kinds: [(&str, [ColumnTexts; 1]); 3] = [
        ("gate-clears", texts(&|i| format!("plain words without anything {}", "abcdefgh".repeat(9 + i % 2)))),
        ("e-mails", texts(&|i| format!("user{i:06}@example.com"))),
        (
            "words-and-numbers",
            texts(&|i| format!("order {i:07} shipped on 2026-11-22 at 17:04, 12 items, 129.95 paid")),
        ),
    ];
    let mut group = c.benchmark_group("plugin/pii-1000-texts");
    for (name, columns) in &kinds {
        let bytes: usize = (0..ROWS).map(|i| columns[0].text(i).unwrap_or_default().len()).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(*name, |b| b.iter(|| scanner().scan(black_box(columns)).unwrap()));
    }
    drop(group);
    let one = {
        let mut column = ColumnTexts::new(0);
        column.push("user@example.com");
        [column]
    };
    c.bench_function("plugin/pii-first-text", |b| b.iter(|| scanner().scan(black_box(&one)).unwrap()));
}

criterion_group!(hot_paths, relaying, judging, plugins);
criterion_main!(hot_paths);
