//! Module cycles inside a crate.
//!
//! The graph has a node for each module that has a file, and an edge wherever the code of one names an item of another:
//! by `crate::…`, `super::…`, `self::…`, or by a child's name. An item that a module re-exports belongs to the module that
//! defines it. A parent and what lies in it form one thing, so between a module and its ancestors there is no edge, in
//! either direction: a child uses its parent's items, a parent declares, re-exports and uses its children.
//!
//! The rule: of any parent's children, taken as whole subtrees, no two depend on each other, not even through others. Code
//! that is compiled for tests only is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::Violation;
use crate::repository::File;
use crate::syntax::{self, NamedPath};

/// A module's path from its crate's root, which is empty.
type Module = Vec<String>;

/// How often a name may be re-exported from elsewhere; what goes on longer runs in a circle.
const REEXPORTS_MAX: usize = 8;

/// One module's source.
struct Source {
    file: String,
    paths: Vec<NamedPath>,
}

/// A crate's modules by path.
struct Crate {
    modules: BTreeMap<Module, Source>,
}

/// The edges between the children of one parent: from child to child, with the place of the first reference.
type Edges = BTreeMap<String, BTreeMap<String, String>>;

/// Judges the modules of the crate whose sources lie in `folder` (`host/core/src`).
pub fn cycles(folder: &str, files: &[File]) -> Vec<Violation> {
    let sources = Crate::read(folder, files);
    let told = sources.edges().into_iter().flat_map(|(parent, edges)| {
        let parent = if parent.is_empty() { "the root".to_owned() } else { parent.join("::") };
        let tell =
            move |cycle| Violation::at(folder, 0, format!("modules of {parent} form a cycle: {cycle}"));
        cycles_of(&edges).into_iter().map(tell)
    });
    told.collect()
}

impl Crate {
    fn read(folder: &str, files: &[File]) -> Self {
        let inside = files.iter().filter(|file| file.is_rust()).filter_map(|file| {
            let path = file.path.strip_prefix(folder)?.strip_prefix('/')?;
            Some((module_of(path), file))
        });
        let code = |file: &File| syntax::without_tests(&syntax::tokens(&file.text()));
        let mut all: BTreeMap<Module, (String, Vec<syntax::Token>)> =
            inside.map(|(module, file)| (module, (file.path.clone(), code(file)))).collect();
        // A module that nothing declares outside of tests is a test's.
        let declared: BTreeSet<Module> =
            all.iter().flat_map(|(module, (_, code))| declared(module, code)).collect();
        all.retain(|module, _| (1..=module.len()).all(|depth| declared.contains(&module[..depth])));
        let modules = all
            .into_iter()
            .map(|(module, (file, code))| (module, Source { file, paths: syntax::paths(&code) }))
            .collect();
        Self { modules }
    }

    /// The edges among the children of each module that has children.
    fn edges(&self) -> BTreeMap<Module, Edges> {
        let mut edges: BTreeMap<Module, Edges> = BTreeMap::new();
        for (module, source) in &self.modules {
            for path in &source.paths {
                let Some(target) = self.target(module, path) else { continue };
                let shared = module.iter().zip(&target).take_while(|(mine, other)| mine == other).count();
                // One is the other, or lies in it.
                let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) else { continue };
                let place = format!("{}:{}", source.file, path.line);
                let from =
                    edges.entry(module[..shared].to_vec()).or_default().entry(from.clone()).or_default();
                from.entry(to.clone()).or_insert(place);
            }
        }
        edges
    }

    /// The module that defines what a path names; none for what is not in this crate.
    fn target(&self, module: &Module, path: &NamedPath) -> Option<Module> {
        let mut here = module.clone();
        here.extend(path.within.iter().cloned());
        let absolute = self.absolute(&here, &path.segments)?;
        self.resolve(&absolute, REEXPORTS_MAX)
    }

    /// A path from the crate's root; none if it begins elsewhere.
    fn absolute(&self, here: &[String], segments: &[String]) -> Option<Module> {
        let (first, rest) = segments.split_first()?;
        let mut absolute = match first.as_str() {
            "crate" => Vec::new(),
            "self" => here.to_vec(),
            "super" => here.split_last()?.1.to_vec(),
            child => {
                let path = [here, &[child.to_owned()]].concat();
                return self.modules.contains_key(&path).then(|| [&path, rest].concat());
            }
        };
        for segment in rest {
            if segment == "super" {
                absolute.pop()?;
            } else {
                absolute.push(segment.clone());
            }
        }
        Some(absolute)
    }

    /// Follows re-exports to the module that defines an item.
    fn resolve(&self, absolute: &[String], hops_left: usize) -> Option<Module> {
        let depth =
            (0..=absolute.len()).rev().find(|depth| self.modules.contains_key(&absolute[..*depth]))?;
        let (module, rest) = absolute.split_at(depth);
        let (Some(item), Some(hops_left)) = (rest.first(), hops_left.checked_sub(1)) else {
            return Some(module.to_vec());
        };
        let imports = self.modules[module].paths.iter().filter(|path| path.within.is_empty());
        let import = imports.filter(|path| path.imported_as.as_ref() == Some(item)).find_map(|path| {
            let target = self.absolute(module, &path.segments)?;
            (target != absolute).then_some(target)
        });
        match import {
            Some(target) => self.resolve(&[&target, &rest[1..]].concat(), hops_left),
            None => Some(module.to_vec()),
        }
    }
}

/// The module that a file below `src` is.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// The modules that a module declares.
fn declared(module: &[String], code: &[syntax::Token]) -> Vec<Module> {
    let declarations = code.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
    declarations.map(|three| [module, &[three[1].text.clone()]].concat()).collect()
}

/// Every cycle that a walk through all edges closes, each written as `a → b (place) → a (place)`.
fn cycles_of(edges: &Edges) -> Vec<String> {
    let mut walk = Walk { edges, way: Vec::new(), done: BTreeSet::new(), found: Vec::new() };
    edges.keys().for_each(|start| walk.visit(start));
    walk.found
}

/// A depth-first walk.
struct Walk<'e> {
    edges: &'e Edges,
    way: Vec<&'e str>,
    done: BTreeSet<&'e str>,
    found: Vec<String>,
}

impl<'e> Walk<'e> {
    fn visit(&mut self, at: &'e str) {
        if let Some(start) = self.way.iter().position(|earlier| *earlier == at) {
            self.found.push(written(self.edges, &self.way[start..], at));
            return;
        }
        if !self.done.insert(at) {
            return;
        }
        self.way.push(at);
        for next in self.edges.get(at).into_iter().flat_map(BTreeMap::keys) {
            self.visit(next);
        }
        self.way.pop();
    }
}

fn written(edges: &Edges, way: &[&str], end: &str) -> String {
    let steps = way.iter().zip(way.iter().skip(1).chain([&end]));
    let steps: Vec<String> = steps.map(|(from, to)| format!(" → {to} ({})", edges[*from][*to])).collect();
    format!("{end}{}", steps.concat())
}
