//! What sees cell contents gets no way to tell anybody, whoever asks for it and whoever grants it: not by the interface, not by
//! metadata, not by an import, not by a grant. (Configuration and `plugin.toml` have doors of their own, tested where they are.)
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use grille_core::PluginId;
use grille_core::untrusted::CellBlock;
use grille_plugin::{
    Capability, Detector, Engine, Grants, LoadError, Masker, MetadataError, Outbound, OutboundError,
    OutboundReply, OutboundRequest, Plugin, Services,
};
use serde_json::{Value, json};
use support::{
    REPORT_EVERYTHING, component, context, described, detector_metadata, engine, fields, metadata,
};

/// Each kind of plugin that sees what cells hold, with what it says of itself.
fn kinds() -> [(&'static str, Value); 2] {
    [("detector", detector_metadata("alone")), ("masker", metadata("masker"))]
}

/// Each capability that could tell somebody something, now or later.
const TELLING: [&str; 3] = ["log", "state", "egress"];

/// Somewhere to send cells to; nobody may ever ask for it.
struct Nowhere;

impl Outbound for Nowhere {
    fn fetch(&self, request: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
        panic!("{} was asked", request.host)
    }
}

/// An engine on which everything that can be granted is there.
fn generous() -> Engine {
    let outbound: Arc<dyn Outbound> = Arc::new(Nowhere);
    engine().clone().with_services(Services { outbound: Some(outbound), keyed: None })
}

fn asking(metadata: &Value, capability: &str) -> Value {
    let mut asking = metadata.clone();
    asking["capabilities"] = json!([{ "name": capability, "reason": "to tell somebody" }]);
    asking
}

/// No code, but the lists of a component of that kind with that import.
fn importing(world: &str, capability: &str) -> Vec<u8> {
    let text = format!(
        r#"(component (import "grille:plugin/{capability}@0.1.0" (instance))
            (instance $i)
            (export "grille:plugin/lifecycle@0.1.0" (instance $i))
            (export "grille:plugin/{world}@0.1.0" (instance $i)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn the_interface_has_no_such_import() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/v0.1/grille.wit");
    let wit = std::fs::read_to_string(path).unwrap();
    let imports = |world: &str| -> Vec<String> {
        let (_, body) = wit.split_once(&format!("world {world} {{")).expect("the world is there");
        let (body, _) = body.split_once('}').expect("it ends");
        body.split(';').filter_map(|line| line.trim().strip_prefix("import ")).map(str::to_owned).collect()
    };
    assert_eq!(imports("detector-plugin"), [""; 0]);
    assert_eq!(imports("masker-plugin"), ["keyed"]);
    assert!(imports("policy-plugin").contains(&"egress".to_owned()));
}

#[test]
fn metadata_cannot_ask_for_it() {
    for (world, metadata) in kinds() {
        for capability in TELLING {
            let bytes = component(world, "", &asking(&metadata, capability));
            match engine().compile(&bytes).map(|_| ()).unwrap_err() {
                LoadError::Metadata(MetadataError::Capability { name, .. }) => assert_eq!(name, capability),
                other => panic!("{world}, {capability}: {other}"),
            }
        }
    }
}

#[test]
fn an_import_cannot_get_it() {
    for (world, metadata) in kinds() {
        for capability in TELLING {
            for metadata in [metadata.clone(), asking(&metadata, capability)] {
                let error =
                    generous().compile(&described(&importing(world, capability), &metadata)).map(|_| ());
                match error.unwrap_err() {
                    LoadError::Import { import, .. } => assert!(import.contains(capability), "{import}"),
                    other => panic!("{world}, {capability}: {other}"),
                }
            }
        }
    }
}

#[test]
fn a_grant_gives_nothing() {
    let egress = vec!["a.example:443".parse().unwrap()];
    let grants = Grants { egress, ..Grants::of(Capability::ALL) };
    for (world, metadata) in kinds() {
        let body = if world == "detector" { REPORT_EVERYTHING } else { "" };
        let component = generous().compile(&component(world, body, &metadata)).unwrap();
        let plugin = Plugin::configure_granted(&component, PluginId::new("p"), &json!({}), &grants).unwrap();
        assert_eq!(plugin.capabilities().count(), 0, "{world}");
        let plugin = Arc::new(plugin);
        let mut block = CellBlock::of_column(0, ["4711"]).unwrap();
        if world == "detector" {
            let mut detector = Detector::begin(&plugin, &context(), &fields(["a"])).unwrap();
            assert_eq!(detector.inspect(&mut block).unwrap().len(), 1);
        } else {
            Masker::begin(&plugin, &context(), &fields(["a"])).map(drop).unwrap();
        }
    }
}
