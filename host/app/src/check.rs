//! `grille check`: what a configuration amounts to, in plain words. Never a secret.

use std::fmt::Write;

use grille_core::{PluginId, Role, RowShaping, TokenUse, VectorAccess};
use grille_proxy::settings::{
    ClientAuthentication, ListenerSettings, OauthAdvice, UpstreamSettings, UpstreamTls,
};

use crate::load::Loaded;
use crate::plugins::Plugins;

/// The summary of a configuration that is valid.
pub(crate) fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(text, "{}: configuration is valid\n", config.source.file().display());
    for listener in &config.proxy.listeners {
        let _ = writeln!(text, "listener {}", describe_listener(listener));
    }
    for issuer in &config.directory.issuers {
        let _ = writeln!(text, "issuer {} for {}", issuer.issuer, issuer.audiences.join(", "));
    }
    for upstream in &config.directory.upstreams {
        let _ = writeln!(text, "upstream {}", describe_upstream(upstream));
    }
    for role in &config.roles {
        write_role(&mut text, role, &loaded.plugins);
    }
    let _ = writeln!(text, "audit log in {}", config.audit.directory.display());
    if let Some(address) = config.admin.address {
        let _ = writeln!(text, "admin listener on {address}");
    }
    if let Some(path) = &config.admin.control_socket {
        let _ = writeln!(text, "control socket at {}", path.display());
    }
    text
}

fn describe_listener(listener: &ListenerSettings) -> String {
    let protection = match (&listener.tls, listener.plaintext) {
        (Some(_), false) => "TLS",
        (Some(_), true) => "TLS or plaintext",
        (None, _) => "plaintext",
    };
    let token = match &listener.authentication {
        ClientAuthentication::Password => "as password".to_owned(),
        ClientAuthentication::OauthBearer(OauthAdvice { issuer, scope }) => {
            format!("by OAUTHBEARER, from {issuer} with scope {scope}")
        }
    };
    format!("{} on {}, {protection}, token {token}", listener.name, listener.address)
}

fn describe_upstream(upstream: &UpstreamSettings) -> String {
    let UpstreamSettings { name, host, port, database, user, .. } = upstream;
    let protection = match &upstream.tls {
        UpstreamTls::Verify { .. } => "TLS",
        UpstreamTls::Disable => "plaintext",
    };
    format!("{name} is {database} on {host}:{port} as {user}, {protection}")
}

fn write_role(text: &mut String, role: &Role, plugins: &Plugins) {
    let upstreams: Vec<&str> = role.upstreams.iter().map(|upstream| upstream.as_str()).collect();
    let mut rows: Vec<(&str, String)> = vec![
        ("groups", role.groups.join(", ")),
        ("upstreams", upstreams.join(", ")),
        ("statements", role.statements.words().collect::<Vec<_>>().join(", ")),
        ("policies", describe_plugins(&role.policies, plugins)),
        ("detectors", describe_plugins(&role.detectors, plugins)),
        ("treatments", describe_treatments(role)),
    ];
    if role.masks() {
        rows.extend(describe_guard(role));
    }
    let _ = writeln!(text, "role {}", role.name);
    for (key, value) in rows {
        let _ = writeln!(text, "  {key:<12}{value}");
    }
}

/// What a role that masks lets past the mask.
fn describe_guard(role: &Role) -> Vec<(&'static str, String)> {
    let row_shaping = match role.row_shaping {
        RowShaping::Refuse => "refuse",
        RowShaping::Equality => "equality",
        RowShaping::Allow => "allow",
    };
    let vectors = match role.vectors {
        VectorAccess::Withhold => "withhold",
        VectorAccess::Return => "return",
    };
    let tokens = match role.tokens {
        TokenUse::OneWay => "one-way",
        TokenUse::RoundTrip => "round-trip",
    };
    let privileges: Vec<&str> = role.privileges.words().collect();
    let functions: Vec<String> = role.functions.iter().map(ToString::to_string).collect();
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    vec![
        ("row shaping", row_shaping.to_owned()),
        ("privileges", or_none(privileges.join(", "))),
        ("functions", or_none(functions.join(", "))),
        ("vectors", vectors.to_owned()),
        ("tokens", tokens.to_owned()),
    ]
}

fn describe_treatments(role: &Role) -> String {
    let labels = role.treatments.iter().map(|(label, treatment)| format!("{label} {treatment}"));
    let columns = role.columns.iter().map(|(column, treatment)| format!("{column} {treatment}"));
    let otherwise = role.masks().then(|| format!("otherwise {}", role.default_treatment));
    let all: Vec<String> = labels.chain(columns).chain(otherwise).collect();
    if all.is_empty() { "none: results pass as they are".to_owned() } else { all.join(", ") }
}

fn describe_plugins(names: &[PluginId], plugins: &Plugins) -> String {
    let described = names.iter().map(|name| match plugins.by_name.get(name) {
        Some(plugin) => {
            let metadata = plugin.metadata();
            let granted: Vec<&str> = plugin.capabilities().map(|capability| capability.as_str()).collect();
            let granted = if granted.is_empty() {
                String::new()
            } else {
                format!(", may use {}", granted.join(" and "))
            };
            format!(
                "{name} ({} {}{granted}, sha256:{})",
                metadata.id,
                metadata.version,
                plugin.record().digest
            )
        }
        None => name.to_string(),
    });
    let described: Vec<String> = described.collect();
    if described.is_empty() { "none".to_owned() } else { described.join(", ") }
}
