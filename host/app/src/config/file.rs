//! The configuration file as it is written: every key, its default and its meaning. The field docs are the reference page
//! (docs/reference/configuration.md) and the JSON Schema. Nothing is checked here; `check` does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::At;
use super::scalar::{ByteSize, Period};

/// What `insecure_plaintext` of a listener must say.
pub(crate) const ACCEPT_PLAINTEXT_TOKENS: &str = "I accept that tokens cross the network unencrypted";
/// What `insecure_plaintext` of an upstream must say.
pub(crate) const ACCEPT_PLAINTEXT_DATA: &str =
    "I accept that data and passwords cross the network unencrypted";
/// What `insecure_http` of an issuer must say.
pub(crate) const ACCEPT_PLAINTEXT_KEYS: &str = "I accept that whoever is on the network can forge tokens";
/// What `insecure_remote` of the admin listener must say.
pub(crate) const ACCEPT_REMOTE_ADMIN: &str = "I accept that metrics are readable by whoever reaches the port";

/// Grille's configuration, in TOML. Paths are relative to the file's own folder. Unknown keys are refused. Durations are
/// a whole number and `ms`, `s`, `m` or `h`; sizes a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, JsonSchema)]
#[schemars(title = "Grille configuration")]
pub(crate) struct File {
    /// An address clients connect to. At least one.
    pub(crate) listener: Vec<Listener>,
    /// An OpenID Connect issuer whose tokens are accepted. At least one.
    pub(crate) issuer: Vec<Issuer>,
    /// A PostgreSQL server that Grille connects to on behalf of clients. At least one.
    pub(crate) upstream: Vec<Upstream>,
    /// What a group of people or programs may do. A client whose groups match no role for an upstream is refused.
    pub(crate) role: Vec<Role>,
    /// A WebAssembly component that roles name in `policies`, `detectors` or `treatments`.
    #[schemars(default)]
    pub(crate) plugin: Vec<Plugin>,
    /// What all plugins have in common.
    #[schemars(default)]
    pub(crate) plugins: Plugins,
    /// Whose signature counts, for which plugins. A plugin is loaded if one of these covers it, or if its own section gives its
    /// `digest`, or says `unsigned`.
    #[schemars(default)]
    pub(crate) trust: Vec<Trust>,
    /// Where compiled plugins are kept.
    #[schemars(default)]
    pub(crate) cache: Cache,
    /// Where recordings of what plugins are asked are kept.
    #[schemars(default)]
    pub(crate) recording: Recording,
    /// The audit log, without which nothing is run.
    #[schemars(required)]
    pub(crate) audit: Option<Audit>,
    /// What operators and their tools reach: health, readiness and metrics over HTTP, commands over a local socket.
    pub(crate) admin: Option<Admin>,
    /// Limits on what clients, upstreams and plugins may use.
    #[schemars(default)]
    pub(crate) limits: Limits,
    /// Keys that treatments need.
    #[schemars(default)]
    pub(crate) keys: Keys,
    /// Grille's own log, on standard error. It never holds statements, values or tokens.
    #[schemars(default)]
    pub(crate) log: Log,
}

/// An address clients connect to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// Its name in logs and metrics.
    pub(crate) name: At<String>,
    /// Where it listens: `127.0.0.1:6432`, `[::]:6432`.
    pub(crate) address: At<String>,
    /// The server's certificate. Without it clients cannot encrypt, and `allow_plaintext` must be set.
    pub(crate) tls: Option<ServerTls>,
    /// Whether a client may send its token without TLS. Only a loopback address may allow it.
    #[serde(default = "no")]
    pub(crate) allow_plaintext: At<bool>,
    /// Allows `allow_plaintext` on other addresses too, if it says exactly: `I accept that tokens cross the network
    /// unencrypted`.
    pub(crate) insecure_plaintext: Option<At<String>>,
    /// How clients present their token: `password`, as the password, which every driver can; or `oauthbearer`, by SASL
    /// mechanism OAUTHBEARER (RFC 7628), with which libpq from version 18 on can also get the token itself. The protocol has
    /// the server ask for one of them before it knows what the client can do; who needs both opens two listeners.
    #[serde(default = "ClientAuthentication::password")]
    pub(crate) authentication: At<ClientAuthentication>,
    /// With `oauthbearer`: the issuer that a client without a token is sent to; by default the first `[[issuer]]`.
    pub(crate) oauth_issuer: Option<At<String>>,
    /// With `oauthbearer`: the scopes such a client asks the issuer for, with spaces between them; by default `openid`.
    pub(crate) oauth_scope: Option<At<String>>,
}

/// How clients present their token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientAuthentication {
    Password,
    OauthBearer,
}

/// PEM files of a server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerTls {
    /// Certificate chain, leaf first.
    pub(crate) certificate: At<PathBuf>,
    /// Private key: PKCS #8, PKCS #1 or SEC 1.
    pub(crate) key: At<PathBuf>,
}

/// An OpenID Connect issuer whose tokens are accepted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// Its identifier, exactly as in the `iss` claim and in its discovery document. `https`, or `http` on a loopback host.
    pub(crate) issuer: At<String>,
    /// One of these must be in the token's `aud`. At least one.
    pub(crate) audiences: At<Vec<At<String>>>,
    /// If given, the token's `azp` (or `client_id`) must be one of these.
    #[serde(default)]
    pub(crate) authorized_parties: Vec<At<String>>,
    /// Signature algorithms a token may use.
    #[serde(default = "default_algorithms")]
    pub(crate) algorithms: At<Vec<Algorithm>>,
    /// The claim that lists the groups.
    #[serde(default = "default_groups_claim")]
    pub(crate) groups_claim: At<String>,
    /// The claim that marks a token of an AI agent by being there.
    pub(crate) agent_claim: Option<At<String>>,
    /// Where the keys are. By default the discovery document under `.well-known/openid-configuration` says so.
    pub(crate) jwks_uri: Option<At<String>>,
    /// PEM file of certificates to trust for the issuer's TLS, beside the system's.
    pub(crate) ca: Option<At<PathBuf>>,
    /// How long known keys are used while the issuer cannot be reached; at most `24h`.
    #[serde(default = "default_outage")]
    pub(crate) outage: At<Period>,
    /// How old keys may become before they are fetched again. An unknown key id has them fetched at once.
    #[serde(default = "default_refresh")]
    pub(crate) refresh: At<Period>,
    /// Tolerated difference between the issuer's clock and ours; at most `5m`.
    #[serde(default = "default_leeway")]
    pub(crate) leeway: At<Period>,
    /// What becomes of a session when its token has expired (`leeway` included). `finish`: it goes on until it is closed.
    /// `refuse`: what runs is finished, after that only COMMIT and ROLLBACK are let through, everything else is refused with
    /// SQLSTATE 28000. `end`: it ends at once, also in the middle of a statement.
    #[serde(default = "OnTokenExpiry::refuse")]
    pub(crate) on_token_expiry: OnTokenExpiry,
    /// Allows `http` to other hosts too, if it says exactly: `I accept that whoever is on the network can forge tokens`.
    pub(crate) insecure_http: Option<At<String>>,
}

/// What becomes of a session whose token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnTokenExpiry {
    Finish,
    Refuse,
    End,
}

/// Signature algorithms. `none` and those with a shared secret cannot be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A PostgreSQL server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// What clients give as database name.
    pub(crate) name: At<String>,
    /// DNS name or IP address.
    pub(crate) host: At<String>,
    /// TCP port.
    #[serde(default = "default_port")]
    pub(crate) port: At<u16>,
    /// The database there; by default the one with the upstream's name.
    pub(crate) database: Option<At<String>>,
    /// The database role Grille logs in as. Give it no more than the widest role here needs.
    pub(crate) user: At<String>,
    /// Its password. Needed unless `authentication` has `trust`.
    pub(crate) password: Option<At<Secret>>,
    /// How the connection is protected.
    #[serde(default = "UpstreamTls::verified")]
    pub(crate) tls: At<UpstreamTls>,
    /// Ways to log in that are accepted from the server. SCRAM-SHA-256 always is.
    #[serde(default = "default_authentication")]
    pub(crate) authentication: Vec<Authentication>,
    /// Longest time to connect and log in.
    #[serde(default = "default_connect_timeout")]
    pub(crate) connect_timeout: At<Period>,
}

/// Where a secret comes from: exactly one of the keys. It is read when it is used, so that a changed file takes effect.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// Name of an environment variable.
    pub(crate) env: Option<At<String>>,
    /// A file; one newline at its end is not part of the secret.
    pub(crate) file: Option<At<PathBuf>>,
}

/// How the connection to an upstream is protected.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamTls {
    /// `verify`: certificate chain and host name are verified. `disable`: no encryption; only to a loopback host.
    #[serde(default = "TlsMode::verify")]
    pub(crate) mode: TlsMode,
    /// With `verify`: PEM file of the certificates to trust; by default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<At<PathBuf>>,
    /// Allows `disable` to other hosts too, if it says exactly: `I accept that data and passwords cross the network
    /// unencrypted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) insecure_plaintext: Option<At<String>>,
}

/// Whether the connection to an upstream is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsMode {
    Verify,
    Disable,
}

/// Ways to log in to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Authentication {
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "trust")]
    Trust,
}

/// What a group may do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    /// Its name in logs, audit records and error messages.
    pub(crate) name: At<String>,
    /// A client with any of these groups in its token may have the role. At least one.
    pub(crate) groups: At<Vec<At<String>>>,
    /// Upstreams it may connect to, by name. At least one.
    pub(crate) upstreams: At<Vec<At<String>>>,
    /// What its statements may do: `read`, `insert`, `update`, `delete`, `define`, `grant`, `transaction`, `session`,
    /// `maintain`, `execute`, `copy`, `notify`, `lock`; `write` is insert, update and delete together. A statement that
    /// does anything else, in a CTE or an EXPLAIN ANALYZE too, is refused.
    pub(crate) statements: At<Vec<At<String>>>,
    /// Policy plugins, by name; each judges every statement, and the strictest word counts. `[]` says that none does.
    #[schemars(required)]
    pub(crate) policies: Option<Vec<At<String>>>,
    /// Detector plugins, by name; each looks at every result. `[]` says that none does.
    #[schemars(required)]
    pub(crate) detectors: Option<Vec<At<String>>>,
    /// What is done to what detectors find, by label: `keep`, `null`, `redact`, `keep-last:N`, `token`, `plugin:NAME`.
    #[serde(default)]
    pub(crate) treatments: BTreeMap<String, At<String>>,
    /// What is done to labels without a treatment of their own, and to what could not be judged. Not `keep`.
    #[serde(default = "default_treatment")]
    pub(crate) default_treatment: At<String>,
    /// Columns treated whatever they hold: `schema.table.column`, where schema and table may be `*`.
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, At<String>>,
    /// Whether protected columns (those in `columns`, and what is computed from them) may decide which rows come back, how
    /// many, or in which order, in WHERE, JOIN, GROUP BY, HAVING, ORDER BY, DISTINCT, windows and the like. `refuse`: such a
    /// statement is refused. `equality`: it may compare them with a parameter or a literal by `=` or `IN`; that gives away,
    /// one guess a statement, whether a guessed value is there. `allow`: anything goes; that gives away order and number,
    /// and with them, a few dozen statements a value, every value.
    #[serde(default = "RowShaping::refuse")]
    pub(crate) row_shaping: At<RowShaping>,
    /// What a role that masks may do beside reading and writing tables, although it could carry values past the mask. By
    /// default none of it. `procedures`: DO and CALL, whose code nobody judges. `volatile-functions`: functions of the
    /// database that are neither built in nor listed in `functions`. `foreign-data`: dblink, foreign tables and their
    /// servers, where nothing is protected. `large-objects`: large objects, which have no columns to name. `server-files`:
    /// the server's files and programs. `statistics`: `pg_stats`, which quotes the most common values of every column, and
    /// views that show the statements of others. `set-role`: SET ROLE and SET SESSION AUTHORIZATION, by which the upstream
    /// takes the client for somebody else. `settings`: run-time parameters off the list of harmless ones. `copy-protected`:
    /// copies of protected columns to places that show more of them, and changes to the definition of
    /// protected tables; that gives every value to whoever can read the copy. `notifications`: payloads of NOTIFY, whoever
    /// sent them; without it those of others are withheld.
    #[serde(default)]
    pub(crate) privileges: Vec<At<String>>,
    /// Functions of the database that you vouch for: `schema.function`, where either may be `*`, not both. They run without
    /// `volatile-functions`, also where triggers and defaults call them, and what they return is taken to tell no more than
    /// their arguments do; one that reads a protected table by itself gives away what it reads, and a trigger's that copies
    /// protected values into other tables uncovers them.
    #[serde(default)]
    pub(crate) functions: Vec<At<String>>,
    /// Whether columns of pgvector's types (`vector`, `halfvec`, `sparsevec`) come back. `withhold`: they are protected
    /// columns with the treatment `null`. `return`: they are columns like any other; much of a short text can be rebuilt
    /// from its embedding.
    #[serde(default = "VectorAccess::returned")]
    pub(crate) vectors: At<VectorAccess>,
    /// Whether the tokens of text columns whose treatment in `columns` is `token` may come back in statements: `WHERE email =
    /// 'tokr_…'`, with `IN` too, and with parameters. Grille turns them back into values before the server sees them,
    /// whatever `row_shaping` says. It makes them of another kind, longer, and of one rule alone: equal values of columns
    /// under different patterns have different tokens.
    #[serde(default = "no")]
    pub(crate) round_trip_tokens: At<bool>,
    /// Most rows one statement may return; by default any number.
    pub(crate) row_cap: Option<At<u64>>,
}

/// Whether protected columns may shape results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RowShaping {
    Refuse,
    Equality,
    Allow,
}

/// Whether vectors come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VectorAccess {
    Withhold,
    Return,
}

/// A WebAssembly component.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// Its name here. The same component may be there under several names with different settings.
    pub(crate) name: At<String>,
    /// The component's file.
    pub(crate) file: At<PathBuf>,
    /// `sha256:` and 64 hexadecimal digits; a file with another digest is refused. One with this digest is trusted without a
    /// signature.
    pub(crate) digest: Option<At<String>>,
    /// Whether it is trusted although nobody vouches for it: no `[[trust]]` covers it, and there is no `digest`. Whoever may write
    /// the file then decides what Grille runs. A signature beside it that is wrong is refused all the same.
    #[serde(default = "no")]
    pub(crate) unsigned: At<bool>,
    /// What it may use beside what it is given: `log` (writes to Grille's log), `clock` (the time), `state` (values kept between
    /// exchanges, its own, by role), `egress` (HTTPS requests, to the hosts in `egress`) for policies; `keyed` (transforms under
    /// the key in `[keys] token`) for maskers. A plugin that asks for more is not loaded. Detectors can have none, and nothing
    /// that sees what results hold can send anything anywhere.
    #[serde(default)]
    pub(crate) grants: Vec<At<String>>,
    /// With the grant `egress`: the hosts its requests may go to, as `HOST:PORT`. The name must lead to public addresses;
    /// `HOST:PORT=ADDRESS` pins it to one, which may be private. The host's certificate must be for the name and from an
    /// authority that the system trusts.
    #[serde(default)]
    pub(crate) egress: Vec<At<String>>,
    /// The plugin's own settings, as its README says.
    #[serde(default = "no_settings")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(crate) settings: At<toml::Table>,
    /// What becomes of another component in the file, and of other settings.
    #[serde(default)]
    #[schemars(default)]
    pub(crate) rollout: Rollout,
}

/// What becomes of another component in the file, and of other settings, once they have passed all stages.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rollout {
    /// `active`: it judges at once. `shadow`: it judges beside the active revision, and what it says is compared and counts for
    /// nothing. `canary:10%`: it judges for so many of the principals (at most two decimals); each stays on its side. Only one
    /// plugin can have a canary at a time.
    pub(crate) to: At<String>,
    /// How long a revision that took another's place is watched; at most `168h`. If it fails meanwhile, the one before is active
    /// again and it is held back.
    pub(crate) probation: At<Period>,
    /// So many calls that fail (trap, deadline, memory, bad output) end a canary, and a revision on probation. With 0 none is
    /// ended by itself: else, who can make a plugin fail can force the version before back.
    pub(crate) failures_max: At<u64>,
    /// As does 1 in 100 calls, of 200 or more, that takes longer than this. `1ms` to `10s`; by default latency is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_budget: Option<At<Period>>,
}

/// What all plugins have in common.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugins {
    /// Where it is kept which revision of a plugin is active, with the components and settings that rollback and a restart need.
    /// Made, for Grille's user alone, if it is not there; one running Grille to a directory. By default `$STATE_DIRECTORY` (as
    /// systemd sets it), else `grille` in `$XDG_STATE_HOME`, else `.local/state/grille` in `$HOME`.
    pub(crate) state_directory: Option<At<PathBuf>>,
}

/// Whose signature counts, for which plugins, for how much. Signatures lie beside a component: `guard.wasm.minisig` or
/// `guard.wasm.sigstore.json` beside `guard.wasm`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    /// Its name in messages.
    pub(crate) name: At<String>,
    /// The signer's minisign public key: the 56 characters that begin with `RW`. Either this or `sigstore`.
    pub(crate) minisign: Option<At<String>>,
    /// The signer as a sigstore authority knows them. Either this or `minisign`.
    pub(crate) sigstore: Option<At<Sigstore>>,
    /// For which plugins, by the id in their metadata: `example/guard`, `example/*`, or `*` for all. At least one.
    pub(crate) plugins: At<Vec<At<String>>>,
    /// What such a plugin may import at most, with the words of `grants`. A plugin that imports more is not trusted by this,
    /// whatever it is granted.
    #[serde(default)]
    pub(crate) capabilities: Vec<At<String>>,
    /// Which versions, by Semantic Versioning: `>=1.2.0` keeps anybody from bringing back an older one that was signed once.
    /// Pre-releases are not among them. By default any version.
    pub(crate) versions: Option<At<String>>,
}

/// A signer as a sigstore authority knows them. A bundle is verified with what is here alone; nothing is fetched.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sigstore {
    /// The authorities' certificates and keys: a `trusted_root.json`.
    pub(crate) root: At<PathBuf>,
    /// The subject of the signer's certificate, exactly: an address of e-mail or the URI of a workflow.
    pub(crate) identity: At<String>,
    /// Who told the authority so, exactly: the URL of an OpenID Connect issuer.
    pub(crate) issuer: At<String>,
}

/// Where recordings of what plugins are asked are kept: what `grille plugin record` makes, and nobody removes but you.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recording {
    /// The directory; made, for Grille's user alone, if it is not there. By default `recordings` beside the audit directory.
    pub(crate) directory: Option<At<PathBuf>>,
}

/// Where compiled plugins are kept, with what they made of their settings: at most 2 GiB, what was used
/// longest ago goes first.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cache {
    /// Made, for Grille's user alone, if it is not there. By default `$CACHE_DIRECTORY` (as systemd sets it), else
    /// `grille/compiled` in `$XDG_CACHE_HOME`, else `.cache/grille/compiled` in `$HOME`. Nothing is lost when it is deleted.
    pub(crate) directory: Option<At<PathBuf>>,
}

/// The audit log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    /// Where its files go. Made, for Grille's user alone, if it is not there.
    pub(crate) directory: At<PathBuf>,
    /// When a record counts: `written`, when the kernel has it (survives a crash of Grille), or `synced`, when the disk
    /// has confirmed it (survives a crash of the machine; adds a disk's sync to each statement).
    #[serde(default = "Durability::written")]
    pub(crate) durability: Durability,
}

/// When an audit record counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    Written,
    Synced,
}

/// What operators and their tools reach.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Where health, readiness and metrics are told: a loopback address. Without it they are not.
    pub(crate) address: Option<At<String>>,
    /// A Unix domain socket through which `grille sessions kill` and `grille sessions list --live` reach the running Grille.
    /// Made for Grille's user alone, as is its folder if it is not there; only that user and root are listened to. At most
    /// 107 bytes long. Without it there is none.
    pub(crate) control_socket: Option<At<PathBuf>>,
    /// Allows other addresses too, if it says exactly: `I accept that metrics are readable by whoever reaches the port`.
    pub(crate) insecure_remote: Option<At<String>>,
}

/// Limits.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Longest time from a client's connection to its verified token; `1s` to `5m`.
    pub(crate) authentication_timeout: At<Period>,
    /// Most client connections at once; 1 to 1000000.
    pub(crate) connections_max: At<usize>,
    /// Longest message from a client or an upstream; `64KiB` to `1GiB`.
    pub(crate) message_bytes_max: At<ByteSize>,
    /// Longest SQL in one message that is read; `64KiB` to `64MiB`. Reading it takes some 5 times its length in memory, or 35
    /// times at worst, over 1 MiB for one session at a time.
    pub(crate) statement_bytes_max: At<ByteSize>,
    /// Longest time a shutdown waits for statements that run; at most `1h`.
    pub(crate) drain_timeout: At<Period>,
    /// Longest time one call of a plugin may take; `1ms` to `10s`.
    pub(crate) plugin_deadline: At<Period>,
    /// Most memory one plugin instance may have; `1MiB` to `1GiB`.
    pub(crate) plugin_memory: At<ByteSize>,
}

/// Keys that treatments need.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    /// The key of keyed tokens, 32 bytes or more: needed when any treatment is `token` or `keep-last`, or a plugin is granted
    /// `keyed` (whose values are apart from the tokens). Whoever has it can
    /// find out which value a token stands for by trying; a new key gives new tokens.
    pub(crate) token: Option<At<Secret>>,
}

/// Grille's own log.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `json`, an object on each line, or `text`.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; or, by part: `info,grille_proxy=debug`.
    pub(crate) level: At<String>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Json,
    Text,
}

impl Default for Limits {
    fn default() -> Self {
        let plugin = grille_plugin::Limits::default();
        Self {
            authentication_timeout: period(10_000),
            connections_max: At::default_value(1000),
            message_bytes_max: At::default_value(ByteSize(64 << 20)),
            statement_bytes_max: At::default_value(ByteSize(1 << 20)),
            drain_timeout: period(30_000),
            plugin_deadline: At::default_value(Period(plugin.deadline)),
            plugin_memory: At::default_value(ByteSize(plugin.memory_bytes)),
        }
    }
}

impl Default for Rollout {
    fn default() -> Self {
        let rules = grille_core::rollout::Rules::default();
        Self {
            to: At::default_value("active".into()),
            probation: period(rules.probation_s * 1000),
            failures_max: At::default_value(rules.failures_max),
            latency_budget: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: At::default_value("info".into()) }
    }
}

impl UpstreamTls {
    fn verified() -> At<Self> {
        At::default_value(Self { mode: TlsMode::Verify, ca: None, insecure_plaintext: None })
    }
}

impl TlsMode {
    fn verify() -> Self {
        Self::Verify
    }
}

impl ClientAuthentication {
    fn password() -> At<Self> {
        At::default_value(Self::Password)
    }
}

impl OnTokenExpiry {
    fn refuse() -> Self {
        Self::Refuse
    }
}

impl RowShaping {
    fn refuse() -> At<Self> {
        At::default_value(Self::Refuse)
    }
}

impl VectorAccess {
    fn returned() -> At<Self> {
        At::default_value(Self::Return)
    }
}

impl Durability {
    fn written() -> Self {
        Self::Written
    }
}

fn period(milliseconds: u64) -> At<Period> {
    At::default_value(Period(Duration::from_millis(milliseconds)))
}

fn no() -> At<bool> {
    At::default_value(false)
}

fn default_algorithms() -> At<Vec<Algorithm>> {
    At::default_value(vec![Algorithm::Rs256, Algorithm::Es256])
}

fn default_groups_claim() -> At<String> {
    At::default_value("groups".into())
}

fn default_outage() -> At<Period> {
    period(3_600_000)
}

fn default_refresh() -> At<Period> {
    period(900_000)
}

fn default_leeway() -> At<Period> {
    period(30_000)
}

fn default_port() -> At<u16> {
    At::default_value(5432)
}

fn default_authentication() -> Vec<Authentication> {
    vec![Authentication::ScramSha256]
}

fn default_connect_timeout() -> At<Period> {
    period(10_000)
}

fn default_treatment() -> At<String> {
    At::default_value("redact".into())
}

fn no_settings() -> At<toml::Table> {
    At::default_value(toml::Table::new())
}
