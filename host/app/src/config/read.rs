//! Text to `File`: TOML's own errors, keys that are none, and shapes that do not fit, all of them at once as far as one
//! does not hide the other. What the values mean is `check`'s matter.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::file::File;
use super::problem::Problem;
use super::reference;

/// The least similarity (Jaro-Winkler, 0 to 1) at which a key is taken for another one misspelt.
const SIMILAR: f64 = 0.8;

/// Reads the text. `None` when its shape is so wrong that checking what it says would only repeat the errors.
pub(crate) fn read(text: &str, problems: &mut Vec<Problem>) -> Option<File> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.iter().map(toml_problem));
        return None;
    }
    let mut table = table.into_inner();
    let mut misfits = Misfits::default();
    misfits.check_table(&mut table, &reference::schema(), "");
    problems.append(&mut misfits.unknown);
    if !misfits.misshapen.is_empty() {
        problems.append(&mut misfits.misshapen);
        return None;
    }
    let before = problems.len();
    let file = take_file(table, problems);
    (problems.len() == before).then_some(file)
}

fn toml_problem(error: &toml::de::Error) -> Problem {
    Problem::error(error.span().unwrap_or_default(), error.message().trim_end().replace('\n', "; "))
}

fn take_file(mut table: DeTable<'_>, problems: &mut Vec<Problem>) -> File {
    File {
        listener: sections(&mut table, "listener", problems),
        issuer: sections(&mut table, "issuer", problems),
        upstream: sections(&mut table, "upstream", problems),
        role: sections(&mut table, "role", problems),
        plugin: sections(&mut table, "plugin", problems),
        plugins: section(&mut table, "plugins", problems).unwrap_or_default(),
        trust: sections(&mut table, "trust", problems),
        cache: section(&mut table, "cache", problems).unwrap_or_default(),
        recording: section(&mut table, "recording", problems).unwrap_or_default(),
        audit: section(&mut table, "audit", problems),
        admin: section(&mut table, "admin", problems),
        limits: section(&mut table, "limits", problems).unwrap_or_default(),
        keys: section(&mut table, "keys", problems).unwrap_or_default(),
        log: section(&mut table, "log", problems).unwrap_or_default(),
    }
}

/// The elements of `[[key]]`.
fn sections<T: DeserializeOwned>(table: &mut DeTable<'_>, key: &str, problems: &mut Vec<Problem>) -> Vec<T> {
    match table.remove(key).map(Spanned::into_inner) {
        Some(DeValue::Array(items)) => {
            items.into_iter().filter_map(|item| element(item, key, problems)).collect()
        }
        // Anything else was found misshapen before.
        Some(_) | None => Vec::new(),
    }
}

/// The table `[key]`.
fn section<T: DeserializeOwned>(
    table: &mut DeTable<'_>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    element(table.remove(key)?, key, problems)
}

fn element<T: DeserializeOwned>(
    value: Spanned<DeValue<'_>>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let span = value.span();
    match T::deserialize(ValueDeserializer::from(value)) {
        Ok(element) => Some(element),
        Err(error) => {
            let message = format!("in `{key}`: {}", error.message());
            problems.push(Problem::error(error.span().unwrap_or(span), message));
            None
        }
    }
}

/// What does not fit the schema. Found by walking it rather than by deserialising, which stops at the first error, and
/// quotes values, of which one may be a password in the wrong place.
#[derive(Default)]
struct Misfits {
    /// Keys there are none of. They are taken out of the table, or put right, so that reading can go on.
    unknown: Vec<Problem>,
    /// A table where there should be none, or none where there should be one.
    misshapen: Vec<Problem>,
}

impl Misfits {
    fn check_table(&mut self, table: &mut DeTable<'_>, schema: &Json, path: &str) {
        let Some(known) = schema["properties"].as_object() else {
            return self.check_open_table(table, &schema["additionalProperties"], path);
        };
        let names: Vec<_> = table.keys().map(|key| (key.get_ref().clone(), key.span())).collect();
        for (name, span) in names {
            let here = join(path, &name);
            match known.get(name.as_ref()) {
                Some(schema) => {
                    if let Some(value) = table.get_mut(&*name) {
                        self.check_value(value, schema, &here);
                    }
                }
                None => {
                    let meant = most_similar(&name, known.keys().map(String::as_str));
                    let problem = Problem::error(span, format!("unknown key `{here}`"));
                    self.unknown.push(match meant {
                        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                        None => problem.help(format!("known here: {}", listed(known.keys()))),
                    });
                    put_right(table, &name, meant);
                }
            }
        }
    }

    /// A table with keys of its own, such as `treatments`. A plugin's settings take anything.
    fn check_open_table(&mut self, table: &mut DeTable<'_>, schema: &Json, path: &str) {
        for (name, value) in table.iter_mut() {
            let here = join(path, name.get_ref());
            if schema["type"] == "string" && value.get_ref().is_table() {
                let problem = Problem::error(value.span(), format!("`{here}` must be a single value"));
                self.misshapen
                    .push(problem.help("a key with dots in it is quoted: \"public.users.ssn\" = …"));
            }
        }
    }

    fn check_value(&mut self, value: &mut Spanned<DeValue<'_>>, schema: &Json, path: &str) {
        let span = value.span();
        match (schema["type"].as_str(), value.get_mut()) {
            (Some("object"), DeValue::Table(table)) => self.check_table(table, schema, path),
            (Some("object"), _) => self.must_be_a_table(span, schema, path),
            (Some("array"), DeValue::Array(items)) => {
                for item in items.iter_mut() {
                    self.check_value(item, &schema["items"], path);
                }
            }
            (Some("array"), DeValue::Table(_)) => {
                let problem = Problem::error(span, format!("there can be several: write [[{path}]]"));
                self.misshapen.push(problem);
            }
            (Some("array"), _) => {
                self.misshapen.push(Problem::error(span, format!("`{path}` must be a list")))
            }
            (_, DeValue::Table(_) | DeValue::Array(_)) => {
                self.misshapen.push(Problem::error(span, format!("`{path}` must be a single value")));
            }
            // Scalars are serde's matter.
            (_, _) => {}
        }
    }

    fn must_be_a_table(&mut self, span: std::ops::Range<usize>, schema: &Json, path: &str) {
        let problem = Problem::error(span, format!("`{path}` must be a table"));
        self.misshapen.push(match schema["properties"].as_object() {
            Some(known) => problem.help(format!("its keys are {}", listed(known.keys()))),
            None => problem,
        });
    }
}

/// A key that is taken for another one is read as that; any other is taken out.
fn put_right(table: &mut DeTable<'_>, name: &str, meant: Option<&str>) {
    let Some((key, value)) = table.remove_entry(name) else { return };
    if let Some(meant) = meant
        && !table.contains_key(meant)
    {
        table.insert(Spanned::new(key.span(), meant.to_owned().into()), value);
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn listed<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The name that was probably meant.
pub(crate) fn most_similar<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}
