//! What `wit_bindgen` makes of the policy world; nothing else.
//!
//! A crate for each world, because each has a `lifecycle` and the macros that export it share one name in one crate.
#![cfg(target_arch = "wasm32")]

wit_bindgen::generate!({
    path: "../../../../wit/v0.1/grille.wit",
    world: "policy-plugin",
    with: { "grille:plugin/types@0.1.0": grille_bindings_detector::grille::plugin::types },
    pub_export_macro: true,
});
