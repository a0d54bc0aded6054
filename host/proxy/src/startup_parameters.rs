//! Which run-time parameters a client may set while it connects: those that change how values are written or how long
//! things may take, and none that changes what a statement means or who runs it, but for those that Grille reads it by.

/// Passed on to the upstream as they are given. Names are compared without case, as the server does.
const ALLOWED: [&str; 21] = [
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
    "work_mem",
];

/// What a client asked for that it may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterRefused {
    /// Not on the list.
    #[error("the startup parameter \"{0}\" is not allowed")]
    NotAllowed(String),
    /// Streaming or logical replication.
    #[error("replication connections are not supported")]
    Replication,
    /// The `options` parameter holds something besides `-c name=value` and `--name=value`.
    #[error("the startup parameter \"options\" may only hold settings, as -c name=value")]
    Options,
}

/// Takes the parameters of a StartupMessage apart.
///
/// # Errors
/// The first that is refused.
pub(crate) fn vet(parameters: &[(String, String)]) -> Result<Vec<(String, String)>, ParameterRefused> {
    let mut vetted = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" => {}
            "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
            "replication" => return Err(ParameterRefused::Replication),
            "options" => {
                for (name, value) in settings_in(value)? {
                    vetted.push(allowed(&name, &value)?);
                }
            }
            name => vetted.push(allowed(name, value)?),
        }
    }
    Ok(vetted)
}

fn allowed(name: &str, value: &str) -> Result<(String, String), ParameterRefused> {
    let folded = name.to_ascii_lowercase();
    if ALLOWED.binary_search(&folded.as_str()).is_err() {
        return Err(ParameterRefused::NotAllowed(name.chars().take(64).collect()));
    }
    Ok((folded, value.to_owned()))
}

/// The settings in `options`: words split at white space, a backslash takes the next character literally (manual,
/// "Connection Parameters"; `pg_split_opts` in src/backend/utils/init/postinit.c).
fn settings_in(options: &str) -> Result<Vec<(String, String)>, ParameterRefused> {
    let words = split_words(options);
    let mut words = words.iter().map(String::as_str);
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") if word == "-c" => words.next().ok_or(ParameterRefused::Options)?,
            Some(setting) if !setting.is_empty() => setting,
            Some(_) | None => return Err(ParameterRefused::Options),
        };
        let (name, value) = setting.split_once('=').ok_or(ParameterRefused::Options)?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split_words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: Result<&[(&str, &str)], ParameterRefused>) {
        let given = [("user".to_owned(), "ada".to_owned()), (name.to_owned(), value.to_owned())];
        let expected = expected
            .map(|vetted| vetted.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>());
        assert_eq!(vet(&given), expected, "{name}={value}");
    }

    #[test]
    fn what_is_on_the_list_passes_whatever_its_case() {
        check("DateStyle", "ISO", Ok(&[("datestyle", "ISO")]));
        check("database", "app", Ok(&[]));
        check("replication", "false", Ok(&[]));
    }

    #[test]
    fn options_are_settings_too() {
        let two = [("search_path", "a b"), ("jit", "off")];
        check("options", r"-c search_path=a\ b --jit=off", Ok(&two));
        check("options", "-csearch_path=x", Ok(&[("search_path", "x")]));
        check("options", "", Ok(&[]));
        check("options", "-c", Err(ParameterRefused::Options));
        check("options", "-c jit", Err(ParameterRefused::Options));
        check("options", "-F", Err(ParameterRefused::Options));
        check("options", "-c role=admin", Err(ParameterRefused::NotAllowed("role".into())));
    }

    #[test]
    fn what_changes_meaning_or_identity_is_refused() {
        for name in ["role", "session_authorization", "session_preload_libraries"] {
            check(name, "x", Err(ParameterRefused::NotAllowed(name.into())));
        }
        check("replication", "database", Err(ParameterRefused::Replication));
        check("replication", "true", Err(ParameterRefused::Replication));
    }

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(ALLOWED.is_sorted());
    }
}
