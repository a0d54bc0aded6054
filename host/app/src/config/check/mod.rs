//! `File` to `Config`: what each value must be, and what the parts must be to one another. Every check of the
//! text is here or below; each adds its problem and goes on, so that one look finds all.

mod identity;
mod limits;
mod network;
mod plugin;
mod role;
mod trust;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use grille_proxy::settings::{Directory, SecretSource};
use grille_store::{AuditSettings, Durability};

use super::at::At;
use super::file::{self, ACCEPT_REMOTE_ADMIN, File};
use super::problem::{Problem, Source};
use super::{AdminSettings, Config, LogSettings, most_similar};

/// The longest name: PostgreSQL cuts a database name longer than this (NAMEDATALEN - 1).
const NAME_BYTES_MAX: usize = 63;

/// The longest path of a Unix domain socket: Linux has 108 bytes for it, the last of them zero (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Checks what was read. `None` goes with at least one error.
pub(super) fn check(file: File, source: &Source, problems: &mut Vec<Problem>) -> Option<Config> {
    let mut check = Check { problems, folder: folder_of(source.file()) };
    check.sections_are_there(&file);
    check.names_are_unique(&file);
    let uses = check.plugin_uses(&file.role);
    check.plugins_are_used(&file.plugin, &uses);
    check.grants_fit_uses(&file.plugin, &uses);
    check.keyed_plugins_have_a_key(&file.plugin, &file.keys);
    let roles: Vec<_> = file.role.iter().filter_map(|role| check.role(role, &file)).collect();
    check.token_key_is_there(&roles, &file);
    let directory = Directory {
        issuers: file.issuer.iter().filter_map(|issuer| check.issuer(issuer)).map(Into::into).collect(),
        upstreams: file
            .upstream
            .iter()
            .filter_map(|upstream| check.upstream(upstream))
            .map(Into::into)
            .collect(),
    };
    let plugins = file.plugin.iter().filter_map(|plugin| check.plugin(plugin)).collect();
    let trust = file.trust.iter().filter_map(|rule| check.trust(rule)).collect();
    let plugin_limits = check.plugin_limits(&file.limits);
    let proxy = check.proxy(&file);
    let log = LogSettings { format: file.log.format, level: file.log.level.to_string() };
    Some(Config {
        proxy: proxy?,
        directory,
        label_uses: role::label_uses(&file.role),
        roles,
        plugins,
        trust,
        plugin_limits: plugin_limits?,
        plugin_uses: uses,
        cache_directory: check.optional_path(file.cache.directory.as_ref()),
        state_directory: check.optional_path(file.plugins.state_directory.as_ref()),
        admin: check.admin(file.admin.as_ref())?,
        recording_directory: check.recording_directory(&file)?,
        audit: check.audit(file.audit.as_ref()?),
        log,
        warnings: Vec::new(),
        source: source.clone(),
    })
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Where problems go, and what paths are relative to.
struct Check<'p> {
    problems: &'p mut Vec<Problem>,
    folder: PathBuf,
}

impl Check<'_> {
    fn error<T>(&mut self, at: &At<T>, message: impl Into<String>) {
        self.problems.push(Problem::error(at.span(), message));
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    fn optional_path(&self, path: Option<&At<PathBuf>>) -> Option<PathBuf> {
        path.map(|path| self.path(path))
    }

    /// Beside the audit directory, unless the file says otherwise.
    fn recording_directory(&self, file: &File) -> Option<PathBuf> {
        let own = self.optional_path(file.recording.directory.as_ref());
        own.or_else(|| Some(self.path(&file.audit.as_ref()?.directory).with_file_name("recordings")))
    }

    fn sections_are_there(&mut self, file: &File) {
        let mut need = |there: bool, message: &str| {
            if !there {
                self.problems.push(Problem::general(message));
            }
        };
        need(!file.listener.is_empty(), "there is no [[listener]]: no client could connect");
        need(!file.issuer.is_empty(), "there is no [[issuer]]: no client could log in");
        need(!file.upstream.is_empty(), "there is no [[upstream]]: there is nothing to connect to");
        need(!file.role.is_empty(), "there is no [[role]]: no client could do anything");
        need(
            file.audit.is_some(),
            "there is no [audit]: nothing is run without a record, so say where records go",
        );
    }

    fn names_are_unique(&mut self, file: &File) {
        self.unique("listener", file.listener.iter().map(|listener| &listener.name));
        self.unique("upstream", file.upstream.iter().map(|upstream| &upstream.name));
        self.unique("role", file.role.iter().map(|role| &role.name));
        self.unique("plugin", file.plugin.iter().map(|plugin| &plugin.name));
        self.unique("trust", file.trust.iter().map(|rule| &rule.name));
    }

    /// Names are well formed and there is one of each.
    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n At<String>>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if let Err(why) = check_name(name) {
                self.error(name, format!("`{}` is not a {what} name: {why}", **name));
            }
            if !seen.insert(name.as_str()) {
                self.error(name, format!("there is another {what} with the name `{}`", **name));
            }
        }
    }

    /// The name is one of those there are.
    fn known<'n>(
        &mut self,
        what: &str,
        name: &At<String>,
        known: impl Iterator<Item = &'n str> + Clone,
    ) -> bool {
        if known.clone().any(|known| known == name.as_str()) {
            return true;
        }
        let problem = Problem::error(name.span(), format!("there is no {what} with the name `{}`", **name));
        self.problems.push(match most_similar(name, known) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem,
        });
        false
    }

    fn not_empty<T>(&mut self, what: &str, list: &At<Vec<T>>) {
        if list.is_empty() {
            self.error(list, format!("`{what}` must not be empty"));
        }
    }

    /// Whether the operator has accepted a risk in so many words. Other words are an error, lest one believes to have.
    fn accepts(&mut self, said: Option<&At<String>>, phrase: &str) -> bool {
        match said {
            Some(said) if said.as_str() == phrase => true,
            Some(said) => {
                self.error(said, format!("this key accepts a risk by saying exactly: {phrase}"));
                false
            }
            None => false,
        }
    }

    fn address(&mut self, address: &At<String>) -> Option<SocketAddr> {
        let parsed = address.parse().ok();
        if parsed.is_none() {
            let problem = Problem::error(address.span(), format!("`{}` is not an address", **address));
            self.problems
                .push(problem.help("write an IP address and a port, such as 127.0.0.1:6432 or [::1]:6432"));
        }
        parsed
    }

    fn secret(&mut self, secret: &At<file::Secret>) -> Option<SecretSource> {
        match (&secret.env, &secret.file) {
            (Some(name), None) if is_variable(name) => Some(SecretSource::Environment((**name).clone())),
            (Some(name), None) => {
                // Not quoted: it may be the secret itself.
                self.error(name, "this is not the name of an environment variable (letters, digits and _)");
                None
            }
            (None, Some(path)) => Some(SecretSource::File(self.path(path))),
            (None, None) | (Some(_), Some(_)) => {
                self.error(
                    secret,
                    "a secret comes from exactly one of { env = \"NAME\" } and { file = \"PATH\" }",
                );
                None
            }
        }
    }

    fn audit(&self, audit: &file::Audit) -> AuditSettings {
        let durability = match audit.durability {
            file::Durability::Written => Durability::Written,
            file::Durability::Synced => Durability::Synced,
        };
        AuditSettings { directory: self.path(&audit.directory), durability }
    }

    /// `None` goes with an error.
    fn admin(&mut self, admin: Option<&file::Admin>) -> Option<AdminSettings> {
        let Some(admin) = admin else { return Some(AdminSettings::default()) };
        let accepted = self.accepts(admin.insecure_remote.as_ref(), ACCEPT_REMOTE_ADMIN);
        let address = match &admin.address {
            Some(address) => Some(self.admin_address(address, accepted)?),
            None => None,
        };
        let control_socket = self.optional_path(admin.control_socket.as_ref());
        if let (Some(at), Some(path)) = (&admin.control_socket, &control_socket)
            && path.as_os_str().len() > SOCKET_PATH_BYTES_MAX
        {
            let long =
                format!("a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes: {}", path.display());
            self.error(at, long);
        }
        Some(AdminSettings { address, control_socket })
    }

    fn admin_address(&mut self, at: &At<String>, accepted: bool) -> Option<SocketAddr> {
        let address = self.address(at)?;
        if !accepted && !is_loopback(address.ip()) {
            let problem = Problem::error(at.span(), "the admin listener has no authentication");
            self.problems.push(
                problem.help(format!(
                    "use a loopback address, or add insecure_remote = \"{ACCEPT_REMOTE_ADMIN}\""
                )),
            );
        }
        Some(address)
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() {
        Err("it is empty")
    } else if name.len() > NAME_BYTES_MAX {
        Err("it has more than 63 characters")
    } else if !name.bytes().all(allowed) {
        Err("use letters, digits, -, _ and .")
    } else if !name.as_bytes()[0].is_ascii_alphanumeric() {
        Err("it must begin with a letter or a digit")
    } else {
        Ok(())
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Loopback, also as IPv4 in IPv6 (`::ffff:127.0.0.1`).
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a connection to the host stays on this machine: an IP address, or the one name that RFC 6761 (section 6.3)
/// reserves for it.
fn is_loopback_host(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}
