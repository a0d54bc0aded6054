//! What an exchange waits for before a plugin's first answer: instantiate, configure or restore, begin, first call. With
//! snapshots and without, for every plugin in target/plugins, and in the folder that `GRILLE_BENCH_PLUGINS` names.
//! `cargo bench -p grille-bench --bench instances`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use grille_bench::{STATEMENT, context};
use grille_core::PluginId;
use grille_plugin::untrusted::CellBlock;
use grille_plugin::{
    Compiler, Component, Detector, Engine, EngineSettings, ExchangeContext, FieldInfo, Grants, Limits,
    Masker, Plugin, World,
};
use grille_wire::sql;

/// Components that are not made to do harm.
fn components() -> Vec<PathBuf> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let folders = [Some(shipped), std::env::var_os("GRILLE_BENCH_PLUGINS").map(PathBuf::from)];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder).expect("built by `cargo xtask plugins`"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("hostile"))
        .collect();
    files.sort();
    files
}

/// One exchange, to the first answer. What the answer is does not matter.
fn first_answer(plugin: &Arc<Plugin>, context: &ExchangeContext, action: &grille_core::Action) {
    let fields = [FieldInfo { name: "note".into(), origin: String::new(), kind: "text".into() }];
    let text = b"write to user@example.com".to_vec();
    let mut block = CellBlock {
        rows: 1,
        fields: vec![0],
        offsets: vec![0, u32::try_from(text.len()).unwrap()],
        data: text,
    };
    match plugin.world() {
        World::Policy => drop(black_box(plugin.decide(context, black_box(action), &[]).unwrap())),
        World::Detector => {
            let mut detector = Detector::begin(plugin, context, &fields).unwrap();
            drop(black_box(detector.inspect(&mut block).unwrap()));
        }
        World::Masker => {
            let mut masker = Masker::begin(plugin, context, &fields).unwrap();
            drop(black_box(masker.mask(&mut block).unwrap()));
        }
    }
}

/// `None` for a component that cannot do with empty settings, or asks for what is not there.
fn configure(component: &Component, name: &str) -> Option<Arc<Plugin>> {
    let begun = Instant::now();
    let grants = Grants::of(component.imports().iter().copied());
    let settings = serde_json::json!({});
    match Plugin::configure_granted(component, PluginId::new(name), &settings, &grants) {
        Ok(plugin) => {
            println!("{name}: configured in {:?}, {:?}", begun.elapsed(), plugin.restores());
            Some(Arc::new(plugin))
        }
        Err(error) => {
            println!("{name}: left out: {error}");
            None
        }
    }
}

fn instances(c: &mut Criterion) {
    let cache = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineSettings {
        cache_directory: cache.path().join("compiled"),
        compiler: Compiler::InProcess,
        limits: Limits::default(),
    })
    .unwrap();
    let action = sql::analyze(STATEMENT).unwrap().remove(0);
    let context = context();
    for path in components() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let begun = Instant::now();
        let component = engine.compile(&std::fs::read(&path).unwrap()).unwrap();
        println!("{name}: compiled in {:?}", begun.elapsed());
        let Some(restored) = configure(&component, &name) else { continue };
        let Some(configured) = configure(&component.without_snapshots(), &name) else { continue };
        let mut group = c.benchmark_group(format!("first-answer/{name}"));
        for (kind, plugin) in [("restored", restored), ("configured", configured)] {
            group.bench_function(kind, |b| b.iter(|| first_answer(&plugin, &context, &action)));
        }
    }
}

criterion_group!(benches, instances);
criterion_main!(benches);
