//! Embeds the SDKs, their templates and the WIT interface, so that `grille plugin new` and `build` need no registry and no
//! checkout: a table of path and content, for `src/embedded.rs`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is embedded, from the repository's root.
const ROOTS: [&str; 6] = ["wit/v0.1", "sdk/rust", "sdk/python", "sdk/js", "sdk/go", "sdk/c"];

/// Folders and files that are made, or that only the SDKs' own developers need.
const LEFT_OUT: [&str; 9] =
    ["target", "node_modules", "__pycache__", "dist", "build", "dev", "tests", "test", "tsconfig.test.json"];

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = manifest.ancestors().nth(2).unwrap_or(&manifest).to_owned();
    let mut files = Vec::new();
    for folder in ROOTS {
        gather(&root.join(folder), Place::Top, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let path = file.strip_prefix(&root).map_err(io::Error::other)?;
        writeln!(
            table,
            "    ({:?}, include_bytes!({:?})),",
            path.display().to_string(),
            file.display().to_string()
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("embedded.rs"), table)
}

/// Where a folder is: tests of a template belong to the template, those of an SDK stay at home.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Within,
    Template,
}

fn gather(folder: &Path, place: Place, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // A folder's own entry would have cargo look at what is built in it too.
    if place != Place::Top {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_left_out = LEFT_OUT.contains(&&*name) || name.starts_with('.') || name.ends_with("_test.go");
        let place = if name == "template" { Place::Template } else { place };
        let is_cache = name == "__pycache__" || name.ends_with("_cache");
        match place {
            Place::Top | Place::Within if is_left_out => {}
            _ if is_cache => {}
            Place::Top if path.is_dir() => gather(&path, Place::Within, files)?,
            _ if path.is_dir() => gather(&path, place, files)?,
            _ => {
                println!("cargo::rerun-if-changed={}", path.display());
                files.push(path);
            }
        }
    }
    Ok(())
}
