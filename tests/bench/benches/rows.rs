//! What is done to rows on their way: taking a COPY apart, masking cells. `cargo bench -p grille-bench --bench rows`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use grille_bench::row;
use grille_core::Treatment;
use grille_wire::postgres::value::{Column, Tokenizer};
use grille_wire::postgres::{CopyReader, Format, messages, put_row, walk_row};
use grille_wire::sql::{self, CopyLayout, CopyStream, Sql};

const ROWS: usize = 1000;
/// `pg_type.oid` of `text`.
const TEXT: u32 = 25;

fn layout(sql: &str) -> CopyLayout {
    let actions = sql::analyze(sql).unwrap();
    match sql::copies(Sql::standard(sql), &actions).unwrap().remove(0) {
        Some(CopyStream::Out(layout)) => layout.unwrap(),
        Some(CopyStream::In) | None => panic!("{sql} sends no rows"),
    }
}

/// A thousand rows of a number and a text of 100 bytes, as the server writes them.
fn data(format: &str) -> Vec<Vec<u8>> {
    let line = |i: usize| match format {
        "text" => format!("{i}\t{i:0100}\n").into_bytes(),
        "csv" => format!("{i},\"{i:099}\"\n").into_bytes(),
        _ => {
            let mut tuple = if i == 0 { b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec() } else { Vec::new() };
            tuple.extend_from_slice(&[0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 100]);
            tuple.extend_from_slice(format!("{i:0100}").as_bytes());
            tuple
        }
    };
    (0..ROWS).map(line).collect()
}

fn copying(c: &mut Criterion) {
    sql::declare_large_stack();
    let mut group = c.benchmark_group("copy/1000-rows-of-2-cells");
    for (format, sql) in [
        ("text", "COPY t TO STDOUT"),
        ("csv", "COPY t TO STDOUT WITH (FORMAT csv)"),
        ("binary", "COPY t TO STDOUT WITH (FORMAT binary)"),
    ] {
        let (layout, data) = (layout(sql), data(format));
        group.throughput(Throughput::Bytes(data.iter().map(|message| message.len() as u64).sum()));
        group.bench_function(format!("read-{format}"), |b| {
            b.iter(|| {
                let mut reader = CopyReader::new(&layout, 2, 1 << 20);
                let mut rows = BytesMut::with_capacity(1 << 18);
                for message in &data {
                    reader.feed(message);
                    while let Some(part) = reader.next_part().unwrap() {
                        reader.put_data_row(&part, &mut rows).unwrap();
                    }
                }
                black_box(rows)
            });
        });
        group.bench_function(format!("read-and-write-{format}"), |b| {
            let treated = treated_row();
            b.iter(|| {
                let mut reader = CopyReader::new(&layout, 2, 1 << 20);
                let mut rows = BytesMut::with_capacity(1 << 18);
                for message in &data {
                    reader.feed(message);
                    while let Some(part) = reader.next_part().unwrap() {
                        reader.put_treated(&part, &treated, &mut rows).unwrap();
                    }
                }
                black_box(rows)
            });
        });
    }
}

/// A DataRow whose second cell is another than in any row of [`data`].
fn treated_row() -> Vec<u8> {
    let mut out = BytesMut::new();
    put_row(&mut out, 2, |writer| {
        writer.cell(Some(b"1"));
        writer.cell(Some(b"[redacted]"));
    });
    out.to_vec()
}

fn masking(c: &mut Criterion) {
    let tokens = Tokenizer::new(&[7; 32]).unwrap();
    let column = Column::new(TEXT, -1, Format::Text);
    let rows: Vec<u8> = (0..ROWS).flat_map(|i| row(&format!("user{i:084}@example.com"))).collect();
    let mut group = c.benchmark_group("mask/1000-rows-of-100-bytes");
    group.throughput(Throughput::Bytes(rows.len() as u64));
    for (name, treatment) in
        [("redact", Treatment::Redact), ("keep-last-4", Treatment::KeepLast(4)), ("token", Treatment::Token)]
    {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut out = BytesMut::with_capacity(rows.len());
                let mut cell = Vec::new();
                for message in messages(&rows) {
                    cell.clear();
                    walk_row(message, 1, |_, value| {
                        black_box(
                            &column.treat_whole(value.unwrap(), &treatment, &tokens, &mut cell).unwrap(),
                        );
                    })
                    .unwrap();
                    put_row(&mut out, 1, |writer| writer.cell(Some(&cell)));
                }
                black_box(out)
            });
        });
    }
}

criterion_group!(rows, copying, masking);
criterion_main!(rows);
