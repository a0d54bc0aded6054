//! What `wit_bindgen` makes of the detector world; nothing else. The shared types here are those of the other worlds too.
//!
//! A crate for each world, because each has a `lifecycle` and the macros that export it share one name in one crate.
#![cfg(target_arch = "wasm32")]

wit_bindgen::generate!({
    path: "../../../../wit/v0.1/grille.wit",
    world: "detector-plugin",
    pub_export_macro: true,
});
