//! What configurations are accepted, and what is said about those that are not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use expect_test::{Expect, expect};
use grille_proxy::settings::{ClientAuthentication, OauthAdvice, OnTokenExpiry};

use super::*;

/// The least that is accepted, but for the roles and plugins.
const BASE: &str = r#"
[[listener]]
name = "clients"
address = "127.0.0.1:6432"
allow_plaintext = true
[[issuer]]
issuer = "https://id.example.com"
audiences = ["grille"]
[[upstream]]
name = "sales"
host = "localhost"
user = "app"
password = { env = "PW" }
tls = { mode = "disable" }
[audit]
directory = "audit"
"#;

const ROLE: &str = r#"
[[role]]
name = "analyst"
groups = ["analysts"]
upstreams = ["sales"]
statements = ["read", "transaction", "session"]
policies = []
detectors = []
"#;

fn told(text: &str) -> String {
    match parse(text, Path::new("grille.toml")) {
        Ok(config) => Problems::new(config.source, config.warnings).to_string(),
        Err(problems) => problems.to_string(),
    }
}

/// The whole file is given.
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(text));
}

/// One thing of a good configuration is replaced.
fn check_with(replaced: &str, by: &str, expected: Expect) {
    let good = format!("{BASE}{ROLE}");
    assert!(good.contains(replaced), "{replaced}");
    check(&good.replace(replaced, by), expected);
}

#[test]
fn the_least_is_accepted() {
    check(&format!("{BASE}{ROLE}"), expect![[""]]);
}

#[test]
fn the_example_is_accepted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/postgres/grille.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let config = parse(&text, Path::new("/etc/grille/grille.toml")).unwrap();
    assert_eq!(config.roles.len(), 2);
    assert_eq!(config.plugins[0].file, Path::new("/etc/grille/../../target/plugins/sql-guard.wasm"));
    check(&text, expect![[""]]);
}

#[test]
fn an_empty_file_is_told_all_that_is_missing() {
    check(
        "",
        expect![[r#"
        error: grille.toml: there is no [[listener]]: no client could connect
        error: grille.toml: there is no [[issuer]]: no client could log in
        error: grille.toml: there is no [[upstream]]: there is nothing to connect to
        error: grille.toml: there is no [[role]]: no client could do anything
        error: grille.toml: there is no [audit]: nothing is run without a record, so say where records go"#]],
    );
}

#[test]
fn errors_of_the_language_are_told_together() {
    check(
        "[audit\ndirectory = \nx = 'a' 'b'\n[log]\n[log]",
        expect![[r#"
        error: grille.toml:1:7: unclosed table, expected `]`
        error: grille.toml:3:9: unexpected key or value, expected newline, `#`
        error: grille.toml:5:2: duplicate key"#]],
    );
}

#[test]
fn unknown_keys_are_told_together_with_what_was_probably_meant() {
    let text = format!("{BASE}{ROLE}")
        .replace("address =", "adress =")
        .replace("groups =", "group =")
        .replace("mode =", "mod =")
        .replace("[audit]", "[audit]\nwhatever = 1\n[telemetry]\nx = 1\n[audit]")
        .replacen("[audit]\nwhatever = 1\n", "", 1)
        .replace("directory = \"audit\"", "directory = \"audit\"\nwhatever = 1");
    check(
        &text,
        expect![[r#"
            error: grille.toml:4:1: unknown key `listener.adress`
              help: did you mean `address`?
            error: grille.toml:14:9: unknown key `upstream.tls.mod`
              help: did you mean `mode`?
            error: grille.toml:15:2: unknown key `telemetry`
              help: known here: `listener`, `issuer`, `upstream`, `role`, `plugin`, `plugins`, `trust`, `cache`, `recording`, `audit`, `admin`, `limits`, `keys`, `log`
            error: grille.toml:19:1: unknown key `audit.whatever`
              help: known here: `directory`, `durability`
            error: grille.toml:23:1: unknown key `role.group`
              help: did you mean `groups`?"#]],
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let secret = "hunter2-hunter2";
    for wrong in [
        format!("password = \"{secret}\""),
        format!("password = {{ value = \"{secret}\" }}"),
        format!("password = {{ env = \"{secret}\" }}"),
        format!("password = [\"{secret}\"]"),
        format!("password = {{ env = [\"{secret}\"] }}"),
        format!("password = {{ env = {{ x = \"{secret}\" }} }}"),
        format!("host = \"app:{secret}@db\""),
        format!("host = \"postgres://app:{secret}@db/x\""),
        format!("password = \"{secret}"),
    ] {
        let key = wrong.split(' ').next().unwrap();
        let good = if key == "host" { "host = \"localhost\"" } else { "password = { env = \"PW\" }" };
        let told = told(&format!("{BASE}{ROLE}").replace(good, &wrong));
        assert!(told.starts_with("error: "), "{wrong} was accepted: {told}");
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn values_of_the_wrong_type_are_told() {
    check_with(
        "address = \"127.0.0.1:6432\"",
        "address = 6432",
        expect!["error: grille.toml:4:11: in `listener`: invalid type: integer `6432`, expected a string"],
    );
    check_with(
        "groups = [\"analysts\"]",
        "groups = \"analysts\"",
        expect!["error: grille.toml:20:10: `role.groups` must be a list"],
    );
    check_with(
        "[[listener]]",
        "[listener]",
        expect!["error: grille.toml:2:1: there can be several: write [[listener]]"],
    );
    check_with(
        "[audit]",
        "[[audit]]",
        expect![[r#"
        error: grille.toml:15:1: `audit` must be a table
          help: its keys are `directory`, `durability`"#]],
    );
    check_with(
        "password = { env = \"PW\" }",
        "password = \"PW\"",
        expect![[r#"
        error: grille.toml:13:12: `upstream.password` must be a table
          help: its keys are `env`, `file`"#]],
    );
    check_with(
        "mode = \"disable\"",
        "mode = \"off\"",
        expect![[r#"
            error: grille.toml:14:16: in `upstream`: unknown variant `off`, expected `verify` or `disable`"#]],
    );
    check_with(
        "user = \"app\"\n",
        "",
        expect!["error: grille.toml:9:1: in `upstream`: missing field `user`"],
    );
}

#[test]
fn listeners_that_would_leak_tokens_are_refused() {
    check_with(
        "127.0.0.1:6432",
        "0.0.0.0:6432",
        expect![[r#"
        error: grille.toml:5:19: 0.0.0.0:6432 can be reached from other machines, and a token sent to it unencrypted be stolen
          help: remove allow_plaintext and add tls, or add insecure_plaintext = "I accept that tokens cross the network unencrypted""#]],
    );
    check_with(
        "allow_plaintext = true",
        "",
        expect![[r#"
        error: grille.toml:4:11: this listener has no `tls` and does not allow plaintext: no client could send its token
          help: add tls = { certificate = "…", key = "…" }"#]],
    );
    check_with(
        "address = \"127.0.0.1:6432\"",
        "address = \"0.0.0.0:6432\"\ninsecure_plaintext = \"yes\"",
        expect![[r#"
            error: grille.toml:5:22: this key accepts a risk by saying exactly: I accept that tokens cross the network unencrypted
            error: grille.toml:6:19: 0.0.0.0:6432 can be reached from other machines, and a token sent to it unencrypted be stolen
              help: remove allow_plaintext and add tls, or add insecure_plaintext = "I accept that tokens cross the network unencrypted""#]],
    );
    check_with(
        "address = \"127.0.0.1:6432\"",
        "address = \"0.0.0.0:6432\"\ninsecure_plaintext = \"I accept that tokens cross the network unencrypted\"",
        expect![[""]],
    );
    check_with("127.0.0.1:6432", "[::ffff:127.0.0.1]:6432", expect![[""]]);
    check_with(
        "127.0.0.1:6432",
        "localhost:6432",
        expect![[r#"
        error: grille.toml:4:11: `localhost:6432` is not an address
          help: write an IP address and a port, such as 127.0.0.1:6432 or [::1]:6432"#]],
    );
}

#[test]
fn upstreams_that_would_leak_data_are_refused() {
    check_with(
        "localhost",
        "db.example.com",
        expect![[r#"
        error: grille.toml:14:7: this upstream is on another machine, and data and password would cross the network unencrypted
          help: use mode = "verify", or add insecure_plaintext = "I accept that data and passwords cross the network unencrypted""#]],
    );
    check_with(
        "localhost",
        "localhost.example.com",
        expect![[r#"
        error: grille.toml:14:7: this upstream is on another machine, and data and password would cross the network unencrypted
          help: use mode = "verify", or add insecure_plaintext = "I accept that data and passwords cross the network unencrypted""#]],
    );
    check_with(
        "password = { env = \"PW\" }\n",
        "",
        expect![[r#"
        error: grille.toml:12:8: this upstream has no `password`
          help: add password = { env = "NAME" } or { file = "PATH" }, or "trust" to `authentication` if the server asks for none"#]],
    );
    check_with("password = { env = \"PW\" }\n", "authentication = [\"trust\"]\n", expect![[""]]);
    check_with(
        "{ env = \"PW\" }",
        "{ env = \"PW\", file = \"x\" }",
        expect![[
            r#"error: grille.toml:13:12: a secret comes from exactly one of { env = "NAME" } and { file = "PATH" }"#
        ]],
    );
    check_with(
        "{ env = \"PW\" }",
        "{ }",
        expect![[
            r#"error: grille.toml:13:12: a secret comes from exactly one of { env = "NAME" } and { file = "PATH" }"#
        ]],
    );
}

#[test]
fn issuers_whose_tokens_could_be_forged_are_refused() {
    check_with(
        "https://id.example.com",
        "http://id.example.com",
        expect![[r#"
        error: grille.toml:7:10: signing keys fetched over http can be replaced by whoever is on the network
          help: use https (`ca` names a private authority), or add insecure_http = "I accept that whoever is on the network can forge tokens""#]],
    );
    check_with("https://id.example.com", "http://127.0.0.1:9000/x", expect![[""]]);
    check_with("https://id.example.com", "http://[::1]:9000", expect![[""]]);
    check_with(
        "https://id.example.com",
        "http://127.0.0.1.example.com",
        expect![[r#"
        error: grille.toml:7:10: signing keys fetched over http can be replaced by whoever is on the network
          help: use https (`ca` names a private authority), or add insecure_http = "I accept that whoever is on the network can forge tokens""#]],
    );
    check_with(
        "https://id.example.com",
        "id.example.com",
        expect!["error: grille.toml:7:10: this is not an https URL"],
    );
    check_with(
        "audiences = [\"grille\"]",
        "audiences = []",
        expect!["error: grille.toml:8:13: `audiences` must not be empty"],
    );
    check_with(
        "audiences = [\"grille\"]",
        "audiences = [\"\"]",
        expect!["error: grille.toml:8:14: this must not be empty"],
    );
    check_with(
        "audiences = [\"grille\"]",
        "audiences = [\"grille\"]\nalgorithms = [\"HS256\", \"none\"]",
        expect![[r#"
            error: grille.toml:9:15: in `issuer`: unknown variant `HS256`, expected one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`"#]],
    );
    check_with(
        "audiences = [\"grille\"]",
        "audiences = [\"grille\"]\noutage = \"25h\"\nleeway = \"1 minute\"",
        expect![[r#"
            error: grille.toml:10:10: in `issuer`: `1 minute` is not a length of time: write a whole number and ms, s, m or h, such as "30s""#]],
    );
}

#[test]
fn roles_that_say_too_little_or_what_is_not_there_are_refused() {
    check_with(
        "policies = []\ndetectors = []\n",
        "",
        expect![[r#"
        error: grille.toml:19:8: role `analyst` does not say which policies it has
          help: name them, or write policies = [] if it shall have none
        error: grille.toml:19:8: role `analyst` does not say which detectors it has
          help: name them, or write detectors = [] if it shall have none"#]],
    );
    check_with(
        "policies = []",
        "policies = [\"guard\"]",
        expect!["error: grille.toml:23:13: there is no plugin with the name `guard`"],
    );
    check_with(
        "upstreams = [\"sales\"]",
        "upstreams = [\"sale\"]",
        expect![[r#"
        error: grille.toml:21:14: there is no upstream with the name `sale`
          help: did you mean `sales`?"#]],
    );
    check_with(
        "\"read\", \"transaction\", \"session\"",
        "\"reed\", \"everything\"",
        expect![[r#"
        error: grille.toml:22:15: `reed` is not a class of statements
          help: did you mean `read`?
        error: grille.toml:22:23: `everything` is not a class of statements
          help: the classes are read, insert, update, delete, define, grant, transaction, session, maintain, execute, copy, notify, lock, write"#]],
    );
    check_with(
        "\"read\", \"transaction\", \"session\"",
        "\"read\"",
        expect![[r#"
        warning: grille.toml:22:14: most drivers send BEGIN and SET, which this role refuses
          help: add "transaction" and "session""#]],
    );
    check_with(
        "groups = [\"analysts\"]",
        "groups = []",
        expect!["error: grille.toml:20:10: `groups` must not be empty"],
    );
    check_with(
        "name = \"analyst\"",
        "name = \"an analyst\"",
        expect!["error: grille.toml:19:8: `an analyst` is not a role name: use letters, digits, -, _ and ."],
    );
    check(
        &format!("{BASE}{ROLE}{ROLE}"),
        expect!["error: grille.toml:27:8: there is another role with the name `analyst`"],
    );
}

#[test]
fn treatments_are_checked() {
    check(
        &format!(
            "{BASE}{ROLE}default_treatment = \"keep\"\nrow_cap = 0\n[role.treatments]\nEMAIL = \"hash\"\n\
             US_SSN = \"plugin:rot\"\n[role.columns]\nssn = \"null\"\n\"public.users.ssn\" = \"keep-last:4\"\n"
        ),
        expect![[r#"
            error: grille.toml:25:21: `keep` would let through what could not be judged: name what to keep in `treatments`
            error: grille.toml:26:11: a row cap of 0 would stop every query
            error: grille.toml:28:9: `hash` is not a treatment: use keep, null, redact, keep-last:N with N from 1 to 16, token, or plugin:NAME
            warning: grille.toml:28:9: role `analyst` has treatments but no detector that finds anything
            error: grille.toml:29:10: there is no plugin with the name `rot`
            error: grille.toml:31:7: `ssn` does not name a column: write schema.table.column; schema and table may be *
              help: quote the whole name: "public.users.ssn" = "null"
            error: grille.toml: role `analyst` has the treatment `keep-last:4`, which needs a key
              help: add [keys] token = { file = "PATH" }"#]],
    );
    check(
        &format!("{BASE}{ROLE}[role.columns]\npublic.users.ssn = \"null\"\n"),
        expect![[r#"
            error: grille.toml:26:1: `role.columns.public` must be a single value
              help: a key with dots in it is quoted: "public.users.ssn" = …"#]],
    );
}

#[test]
fn plugins_are_checked() {
    let plugin = "[[plugin]]\nname = \"p\"\nfile = \"p.wasm\"\n";
    check(
        &format!("{BASE}{ROLE}{plugin}"),
        expect!["warning: grille.toml:26:8: no role uses the plugin `p`"],
    );
    check(
        &format!("{BASE}{ROLE}{plugin}digest = \"sha256:abc\"\nsettings = {{ x = nan }}\n"),
        expect![[r#"
        warning: grille.toml:26:8: no role uses the plugin `p`
        error: grille.toml:28:10: a digest is 64 hexadecimal digits, or `sha256:` and those"#]],
    );
}

#[test]
fn grants_are_checked() {
    let granted = |keys: &str| {
        format!("{BASE}{ROLE}[[plugin]]\nname = \"p\"\nfile = \"p.wasm\"\n{keys}")
            .replace("policies = []", "policies = [\"p\"]")
    };
    check(&granted("grants = [\"log\", \"clock\", \"state\"]\n"), expect![[""]]);
    check(
        &granted("grants = [\"egress\"]\negress = [\"a.example:443\", \"b:8443=10.0.0.1\"]\n"),
        expect![[""]],
    );
    check(
        &granted("grants = [\"clok\", \"wasi:random\"]\n"),
        expect![[r#"
        error: grille.toml:28:11: `clok` is not a capability
          help: did you mean `clock`?
        error: grille.toml:28:19: `wasi:random` is not a capability
          help: the capabilities are log, clock, state, egress, keyed"#]],
    );
    check(
        &granted("grants = [\"egress\"]\n"),
        expect![[r#"
        error: grille.toml:26:8: plugin `p` is granted `egress`, and no host
          help: name the hosts: egress = ["calendar.example.com:443"]"#]],
    );
    check(
        &granted("egress = [\"a.example:443\"]\n"),
        expect![[r#"
        error: grille.toml:28:11: plugin `p` is not granted `egress`
          help: add "egress" to its grants, or take the hosts away"#]],
    );
    check(
        &granted(
            "grants = [\"egress\"]\negress = [\"10.0.0.1:443\", \"https://a.example\", \"a.example:443=::\"]\n",
        ),
        expect![[r#"
            error: grille.toml:29:11: `10.0.0.1` is an address: write the host's name, and the address behind it: NAME:PORT=10.0.0.1
            error: grille.toml:29:27: `https://a.example` is not a host: write HOST:PORT, such as calendar.example.com:443, or HOST:PORT=ADDRESS
            error: grille.toml:29:48: :: is not the address of a host"#]],
    );
    check(
        &granted("grants = [\"keyed\"]\n"),
        expect![[r#"
        error: grille.toml:28:11: only a masker can have `keyed`, and role `analyst` uses the plugin `p` as a policy
          help: take it out of the plugin's grants
        error: grille.toml:28:11: `keyed` needs a key
          help: add [keys] token = { file = "PATH" }"#]],
    );
}

#[test]
fn what_sees_results_is_granted_no_way_out() {
    let plugin = "[[plugin]]\nname = \"p\"\nfile = \"p.wasm\"\ngrants = [\"log\", \"egress\"]\n\
                  egress = [\"a.example:443\"]\n";
    check(
        &format!("{BASE}{ROLE}{plugin}").replace("detectors = []", "detectors = [\"p\"]"),
        expect![[r#"
            error: grille.toml:28:11: only a policy can have `log`, and role `analyst` uses the plugin `p` as a detector
              help: take it out of the plugin's grants"#]],
    );
    check(
        &format!("{BASE}{ROLE}[role.columns]\n\"public.users.ssn\" = \"plugin:p\"\n{plugin}"),
        expect![[r#"
            error: grille.toml:30:11: only a policy can have `log`, and role `analyst` uses the plugin `p` as a masker
              help: take it out of the plugin's grants"#]],
    );
    // Also where another use of the same plugin could have it.
    check(
        &format!("{BASE}{ROLE}{}", plugin.replace("\"log\", ", ""))
            .replace("policies = []", "policies = [\"p\"]")
            .replace("detectors = []", "detectors = [\"p\"]"),
        expect![[r#"
            error: grille.toml:28:11: only a policy can have `egress`, and role `analyst` uses the plugin `p` as a detector
              help: take it out of the plugin's grants"#]],
    );
}

#[test]
fn settings_of_a_plugin_become_json() {
    let text = format!(
        "{BASE}{ROLE}[[plugin]]\nname = \"p\"\nfile = \"p.wasm\"\n[plugin.settings]\na = 1\nb = 1.5\nc = [true]\n\
         d = 2026-11-22\ne.f = \"x\"\n"
    );
    let config = parse(&text, Path::new("grille.toml")).unwrap();
    expect![[r#"{"a":1,"b":1.5,"c":[true],"d":"2026-11-22","e":{"f":"x"}}"#]]
        .assert_eq(&config.plugins[0].settings.to_string());
}

#[test]
fn the_admin_listener_stays_on_this_machine() {
    check(
        &format!("{BASE}{ROLE}[admin]\naddress = \"0.0.0.0:9187\"\n"),
        expect![[r#"
        error: grille.toml:26:11: the admin listener has no authentication
          help: use a loopback address, or add insecure_remote = "I accept that metrics are readable by whoever reaches the port""#]],
    );
    check(&format!("{BASE}{ROLE}[admin]\naddress = \"[::1]:9187\"\n"), expect![[""]]);
}

#[test]
fn limits_have_limits() {
    check(
        &format!(
            "{BASE}{ROLE}[limits]\nauthentication_timeout = \"10m\"\nconnections_max = 0\nmessage_bytes_max = \"1B\"\n\
             plugin_deadline = \"0s\"\nplugin_memory = \"2GiB\"\ndrain_timeout = \"forever\"\n"
        ),
        expect![[
            r#"error: grille.toml:31:17: in `limits`: `forever` is not a length of time: write a whole number and ms, s, m or h, such as "30s""#
        ]],
    );
    check(
        &format!(
            "{BASE}{ROLE}[limits]\nconnections_max = 0\nstatement_bytes_max = \"65MiB\"\nplugin_memory = \"2GiB\"\n"
        ),
        expect![[r#"
        error: grille.toml:26:19: `connections_max` must be from 1 to 1000000
        error: grille.toml:27:23: `statement_bytes_max` must be from 64KiB to 64MiB
        error: grille.toml:28:17: `plugin_memory` must be from 1MiB to 1GiB"#]],
    );
}

#[test]
fn words_become_effects() {
    use grille_core::Effect;
    let text = format!("{BASE}{ROLE}").replace("\"read\", ", "\"write\", \"copy\", ");
    let config = parse(&text, Path::new("grille.toml")).unwrap();
    let expected = Effect::INSERT
        | Effect::UPDATE
        | Effect::DELETE
        | Effect::COPY
        | Effect::TRANSACTION
        | Effect::SESSION;
    assert_eq!(config.roles[0].statements, expected);
}

#[test]
fn what_passes_the_mask_is_asked_for_in_words_that_are_known() {
    use grille_core::{Privilege, RowShaping, VectorAccess};
    let masked = ROLE.replace(
        "detectors = []",
        "detectors = []\nrow_shaping = \"equality\"\nprivileges = [\"statistics\", \"copy-protected\"]\n\
         functions = [\"app.mask\", \"postgis.*\"]\nvectors = \"withhold\"\ncolumns = { \"*.users.ssn\" = \"null\" }",
    );
    let config = parse(&format!("{BASE}{masked}"), Path::new("grille.toml")).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let role = &config.roles[0];
    assert_eq!(role.row_shaping, RowShaping::Equality);
    assert_eq!(role.privileges, Privilege::STATISTICS | Privilege::COPY_PROTECTED);
    assert!(role.functions.iter().any(|pattern| pattern.covers("postgis", "st_area")));
    assert_eq!(role.vectors, VectorAccess::Withhold);
    check(
        &format!("{BASE}{masked}")
            .replace("\"statistics\"", "\"statistic\", \"everything\"")
            .replace("\"app.mask\"", "\"mask\", \"*.*\""),
        expect![[r#"
            error: grille.toml:26:15: `statistic` is not a privilege
              help: did you mean `statistics`?
            error: grille.toml:26:28: `everything` is not a privilege
              help: the privileges are procedures, volatile-functions, foreign-data, large-objects, server-files, statistics, set-role, settings, copy-protected, notifications
            error: grille.toml:27:14: `mask` does not name a function: write schema.function; either may be *, not both
            error: grille.toml:27:22: `*.*` does not name a function: write schema.function; either may be *, not both"#]],
    );
    check(
        &format!("{BASE}{ROLE}row_shaping = \"maybe\"\n"),
        expect![
            "error: grille.toml:25:15: in `role`: unknown variant `maybe`, expected one of `refuse`, `equality`, `allow`"
        ],
    );
}

#[test]
fn tokens_come_back_where_there_are_any() {
    use grille_core::TokenUse;
    let with = |columns: &str| {
        let keys = format!(
            "detectors = []\nround_trip_tokens = true\ncolumns = {{ \"*.users.ssn\" = \"{columns}\" }}"
        );
        let key = "[keys]\ntoken = { file = \"token-key\" }\n";
        format!("{BASE}{}{key}", ROLE.replace("detectors = []", &keys))
    };
    let config = parse(&with("token"), Path::new("grille.toml")).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.roles[0].tokens, TokenUse::RoundTrip);
    check(
        &with("redact"),
        expect![[r#"
        warning: grille.toml:25:21: no column of the role has the treatment `token`
          help: only tokens of columns named in `columns` can come back"#]],
    );
}

#[test]
fn a_role_that_masks_nothing_is_guarded_by_nothing() {
    use grille_core::{Privilege, RowShaping, VectorAccess};
    let config = parse(&format!("{BASE}{ROLE}"), Path::new("grille.toml")).unwrap();
    let role = &config.roles[0];
    let defaults = (RowShaping::Refuse, Privilege::empty(), VectorAccess::Return);
    assert_eq!((role.row_shaping, role.privileges, role.vectors), defaults);
    check(
        &format!(
            "{BASE}{ROLE}row_shaping = \"refuse\"\nprivileges = [\"settings\"]\nfunctions = [\"app.f\"]\n"
        ),
        expect![[r#"
            warning: grille.toml:25:15: `row_shaping` has no effect: role `analyst` masks nothing
              help: name what to protect in `columns`, or a detector
            warning: grille.toml:26:15: `privileges` has no effect: role `analyst` masks nothing
              help: name what to protect in `columns`, or a detector
            warning: grille.toml:27:14: `functions` has no effect: role `analyst` masks nothing
              help: name what to protect in `columns`, or a detector"#]],
    );
    check(&format!("{BASE}{ROLE}privileges = [\"settings\"]\nvectors = \"withhold\"\n"), expect![[""]]);
}

#[test]
fn a_listener_asks_for_tokens_in_one_way() {
    check_with(
        "allow_plaintext = true",
        "allow_plaintext = true\noauth_scope = \"openid\"",
        expect![[r#"error: grille.toml:6:15: this has no meaning without authentication = "oauthbearer""#]],
    );
    check_with(
        "allow_plaintext = true",
        "allow_plaintext = true\nauthentication = \"oauthbearer\"\noauth_issuer = \"https://id.example.org\"",
        expect![[r#"
            error: grille.toml:7:16: there is no issuer with the name `https://id.example.org`
              help: did you mean `https://id.example.com`?"#]],
    );
    check_with(
        "allow_plaintext = true",
        "allow_plaintext = true\nauthentication = \"oauthbearer\"\noauth_scope = \"openid \\\"x\\\"\"",
        expect![
            "error: grille.toml:7:15: these are not OAuth scopes: words in printable ASCII, without quotes and backslashes"
        ],
    );
    let text = format!("{BASE}{ROLE}")
        .replace("allow_plaintext = true", "allow_plaintext = true\nauthentication = \"oauthbearer\"");
    let config = parse(&text, Path::new("grille.toml")).unwrap();
    let advice = OauthAdvice { issuer: "https://id.example.com".into(), scope: "openid".into() };
    assert_eq!(config.proxy.listeners[0].authentication, ClientAuthentication::OauthBearer(advice));
}

#[test]
fn what_becomes_of_a_session_whose_token_expires_is_said_by_the_issuer() {
    let rule = |line: &str| {
        let text = format!("{BASE}{ROLE}").replace("audiences =", &format!("{line}\naudiences ="));
        parse(&text, Path::new("grille.toml")).unwrap().directory.issuers[0].on_token_expiry
    };
    assert_eq!(rule(""), OnTokenExpiry::Refuse);
    assert_eq!(rule("on_token_expiry = \"finish\""), OnTokenExpiry::Finish);
    assert_eq!(rule("on_token_expiry = \"end\""), OnTokenExpiry::End);
}

#[test]
fn recordings_are_beside_the_audit_log_unless_the_file_says_otherwise() {
    let check = |more: &str, expected: &str| {
        let config = parse(&format!("{BASE}{ROLE}{more}"), Path::new("/etc/grille/grille.toml")).unwrap();
        assert_eq!(config.recording_directory, Path::new(expected));
    };
    check("", "/etc/grille/recordings");
    check("[recording]\ndirectory = \"kept\"\n", "/etc/grille/kept");
    check("[recording]\ndirectory = \"/kept\"\n", "/kept");
}

#[test]
fn the_control_socket_has_a_path_that_fits() {
    let with = |path: &str| format!("{BASE}{ROLE}[admin]\ncontrol_socket = \"{path}\"\n");
    let config = parse(&with("run/grille.sock"), Path::new("/etc/grille/grille.toml")).unwrap();
    assert_eq!(config.admin.control_socket.as_deref(), Some(Path::new("/etc/grille/run/grille.sock")));
    assert_eq!(config.admin.address, None);
    let told = told(&with(&"x".repeat(108)));
    assert!(told.contains("a socket's path has at most 107 bytes"), "{told}");
}

/// A public key from minisign's own documentation.
const VENDOR: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

#[test]
fn rules_of_trust_are_checked() {
    let with = |keys: &str| format!("{BASE}{ROLE}[[trust]]\nname = \"vendor\"\n{keys}");
    check(&with(&format!("minisign = \"{VENDOR}\"\nplugins = [\"example/*\"]\n")), expect![[""]]);
    check(
        &with(
            "sigstore = { root = \"root.json\", identity = \"a@b.example\", issuer = \"https://i.example\" }\n\
             plugins = [\"*\"]\ncapabilities = [\"log\"]\nversions = \">=1.2.0\"\n",
        ),
        expect![[""]],
    );
    check(
        &with("plugins = [\"*\"]\n"),
        expect![[r#"
        error: grille.toml:26:8: trust `vendor` does not say whose signature counts
          help: write either minisign = "RW…" or sigstore = { root = "PATH", identity = "…", issuer = "…" }; for two signers make two [[trust]]"#]],
    );
    check(
        &with(&format!(
            "minisign = \"{VENDOR}\"\nplugins = [\"*\"]\n\
             sigstore = {{ root = \"r\", identity = \"i\", issuer = \"i\" }}\n"
        )),
        expect![[r#"
            error: grille.toml:26:8: trust `vendor` does not say whose signature counts
              help: write either minisign = "RW…" or sigstore = { root = "PATH", identity = "…", issuer = "…" }; for two signers make two [[trust]]"#]],
    );
    check(
        &with("minisign = \"RWQf\"\nplugins = []\ncapabilities = [\"wasi\", \"logg\"]\nversions = \"new\"\n"),
        expect![[r#"
            error: grille.toml:27:12: this is not a minisign public key: 56 characters that begin with RW, the second line of a .pub file
            error: grille.toml:28:11: `plugins` must not be empty
            error: grille.toml:29:17: `wasi` is not a capability
              help: the capabilities are log, clock, state, egress, keyed
            error: grille.toml:29:25: `logg` is not a capability
              help: did you mean `log`?
            error: grille.toml:30:12: write the lowest version that counts: `>=1.2.0`"#]],
    );
    check(
        &with("sigstore = { root = \"r\", identity = \"\", issuer = \"i\" }\nplugins = [\"a*\", \"\"]\n"),
        expect![[r#"
            error: grille.toml:27:37: this must not be empty
            error: grille.toml:28:12: write a plugin's id (`example/guard`), all of an owner's (`example/*`), or `*` for every plugin
            error: grille.toml:28:18: write a plugin's id (`example/guard`), all of an owner's (`example/*`), or `*` for every plugin"#]],
    );
    let twice = format!("minisign = \"{VENDOR}\"\nplugins = [\"*\"]\n");
    check(
        &format!("{}[[trust]]\nname = \"vendor\"\n{twice}", with(&twice)),
        expect!["error: grille.toml:30:8: there is another trust with the name `vendor`"],
    );
}

#[test]
fn a_plugin_is_unsigned_only_where_it_says_so() {
    use grille_trust::Unsigned;
    let unsigned = |keys: &str| {
        let text = format!("{BASE}{ROLE}[[plugin]]\nname = \"p\"\nfile = \"p.wasm\"\n{keys}");
        parse(&text, Path::new("grille.toml")).unwrap().plugins[0].unsigned
    };
    assert_eq!(unsigned(""), Unsigned::Refuse);
    assert_eq!(unsigned("unsigned = false\n"), Unsigned::Refuse);
    assert_eq!(unsigned("unsigned = true\n"), Unsigned::Accept);
}

/// The problems with a plugin's `rollout`.
#[track_caller]
fn check_rollout(rollout: &str, expected: Expect) {
    let role = ROLE.replace("policies = []", "policies = [\"guard\"]");
    let plugin = format!("[[plugin]]\nname = \"guard\"\nfile = \"g.wasm\"\nunsigned = true\n{rollout}\n");
    check(&format!("{BASE}{role}{plugin}"), expected);
}

#[test]
fn rollouts_are_checked() {
    check_rollout("", expect![[""]]);
    let all =
        "rollout = { to = \"canary:12.5%\", probation = \"0s\", failures_max = 1, latency_budget = \"5ms\" }";
    check_rollout(all, expect![[""]]);
    check_rollout("rollout = { failures_max = 0 }", expect![[""]]);
    check_rollout(
        "rollout = { to = \"canary:101%\", probation = \"169h\", failures_max = 0, latency_budget = \"11s\" }",
        expect![[r#"
            error: grille.toml:29:18: `canary:101%`: `101%` is not a share: write a percentage from 0% to 100% with at most two decimals, such as 10% or 0.5%
            error: grille.toml:29:45: `probation` is at most `168h`
            error: grille.toml:29:88: with `failures_max = 0` nothing is rolled back by itself, also not for its latency
            error: grille.toml:29:88: `latency_budget` is from `1ms` to `10s`"#]],
    );
    check_rollout(
        "rollout = { to = \"everybody\", after = \"1s\" }",
        expect![[r#"
            error: grille.toml:29:18: `everybody`: a candidate goes to `active`, `shadow` or a canary, such as `canary:10%`
            error: grille.toml:29:31: unknown key `plugin.rollout.after`
              help: known here: `to`, `probation`, `failures_max`, `latency_budget`"#]],
    );
}

#[test]
fn without_a_word_a_new_revision_is_active_at_once_and_watched() {
    let role = ROLE.replace("policies = []", "policies = [\"guard\"]");
    let text = format!("{BASE}{role}[[plugin]]\nname = \"guard\"\nfile = \"g.wasm\"\nunsigned = true\n");
    let config = parse(&text, Path::new("grille.toml")).unwrap();
    let rollout = config.plugins[0].rollout;
    assert_eq!((rollout.target, rollout.rules.probation_s), (Target::Active, 600));
    assert_eq!((rollout.rules.failures_max, rollout.latency_budget), (3, None));
    assert_eq!(config.state_directory, None);
}
