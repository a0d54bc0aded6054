//! Sessions played without sockets. Every scenario runs twice: fed at once, and byte by byte; both must come to the same.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use bytes::{BufMut, Bytes, BytesMut};
use grille_core::audit::{Outcome, Recorded};
use grille_core::{Action, Clearance, ClientMessage, Effect, ExchangeId, Permit, SqlState};

use super::super::frame::put;
use super::super::{Statement, Violation, messages};
use super::*;
use crate::sql::{CopyFormat, CopyLayout, CopyStream, CsvLayout, TextLayout};

mod copy;
mod function_call;

/// A session in which a statement that starts with `deny` is refused, `set` is stateful and all else is allowed.
struct Play {
    relay: Relay,
    chunk: usize,
    inspects: bool,
    row_cap: Option<u64>,
    exchanges: u64,
    /// Everything for the client so far, as `tag` or `tag(text)`.
    client: Vec<String>,
    /// Everything for the upstream so far.
    upstream: Vec<String>,
    ended: Vec<(u64, Outcome, u64)>,
}

fn action(kind: &str, name: Option<&str>) -> Action {
    Action {
        kind: kind.into(),
        effects: Effect::READ,
        objects: vec![],
        features: vec![],
        columns: vec![],
        text: String::new(),
        fingerprint: 0,
        names: name.map(Into::into),
        inner: None,
        setting: None,
    }
}

fn understand(sql: &Bytes) -> Arc<Statement> {
    let text = std::str::from_utf8(sql).unwrap();
    let mut words = text.split(' ');
    let mut actions = vec![action(words.next().unwrap(), None)];
    if text.contains(';') {
        actions = text.split(';').map(|statement| action(statement, None)).collect();
    }
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["set", name] => actions[0].setting = Some(name.into()),
        ["declare", name] => {
            actions[0].kind = "declare cursor".into();
            actions[0].names = Some(name.into());
        }
        ["prepare", name] => {
            actions[0].names = Some(name.into());
            actions[0].inner = Some(Box::new(action("select", None)));
        }
        _ => {}
    }
    let copies = text.split(';').map(copies).collect();
    Arc::new(Statement::new(sql.clone(), actions).with_copies(copies))
}

/// What a statement copies over the connection.
fn copies(statement: &str) -> Option<CopyStream> {
    let out = |format| Some(CopyStream::Out(Ok(CopyLayout { format, encoding: None })));
    match statement {
        "copy in" => Some(CopyStream::In),
        "copy out" => {
            out(CopyFormat::Text(TextLayout { delimiter: b'|', null: "\\N".into(), has_header: false }))
        }
        "copy out with header" => out(CopyFormat::Csv(CsvLayout {
            delimiter: b',',
            quote: b'"',
            escape: b'"',
            null: "".into(),
            has_header: true,
            forces_quotes: false,
        })),
        "copy out in binary" => out(CopyFormat::Binary),
        _ => None,
    }
}

impl Play {
    fn new(chunk: usize) -> Self {
        let limits = Limits { message_bytes_max: 1 << 16, block_bytes_max: 1 << 10 };
        let parameters = [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];
        Self {
            relay: Relay::new(limits, parameters),
            chunk,
            inspects: false,
            row_cap: None,
            exchanges: 0,
            client: vec![],
            upstream: vec![],
            ended: vec![],
        }
    }

    fn client_sends(&mut self, bytes: &[u8]) -> &mut Self {
        self.try_client_sends(bytes).unwrap();
        self
    }

    fn try_client_sends(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        for chunk in bytes.chunks(self.chunk) {
            self.relay.feed_client(chunk);
            self.work()?;
        }
        Ok(())
    }

    fn upstream_sends(&mut self, bytes: &[u8]) -> &mut Self {
        self.try_upstream_sends(bytes).unwrap();
        self
    }

    fn try_upstream_sends(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        for chunk in bytes.chunks(self.chunk) {
            self.relay.feed_upstream(chunk);
            self.work()?;
        }
        Ok(())
    }

    fn work(&mut self) -> Result<(), Violation> {
        loop {
            let mut any = false;
            while let Some(response) = self.relay.next_response()? {
                any = true;
                self.take(response);
            }
            while let Some(request) = self.relay.next_request()? {
                any = true;
                self.answer(request)?;
            }
            if !any {
                break;
            }
        }
        Ok(())
    }

    fn answer(&mut self, request: Request) -> Result<(), Violation> {
        let statement = match &request {
            Request::Query { sql } | Request::Parse { sql } => understand(sql),
            Request::FunctionCall { sql } => function_call::understand(sql),
            Request::Bind { statement } | Request::Execute { statement } => Arc::clone(statement),
            Request::Impossible(why) => {
                self.relay.refuse(&ClientMessage::new(SqlState::InvalidStatementName, format!("{why:?}")));
                return Ok(());
            }
        };
        if statement.actions[0].kind == "deny" {
            self.relay.refuse(&ClientMessage::new(SqlState::InsufficientPrivilege, "no"));
            return Ok(());
        }
        let clearance = Clearance::of([]).unwrap();
        match request {
            Request::Query { .. } | Request::FunctionCall { .. } | Request::Execute { .. } => {
                self.exchanges += 1;
                let run = Run {
                    exchange: ExchangeId(self.exchanges),
                    statement,
                    rows: if self.inspects { Rows::Inspect } else { Rows::Pass },
                    row_cap: self.row_cap,
                };
                self.relay.permit(Permit::issue(clearance, Recorded::attest()), run);
                Ok(())
            }
            _ => self.relay.clear(clearance, &statement),
        }
    }

    /// Inspected rows have their letters replaced by `#`.
    fn take(&mut self, response: Response) {
        match response {
            Response::Rows { fields, .. } => self.hide(fields.len()),
            Response::CopyRows { columns, .. } => self.hide(columns),
            Response::Report { .. } => self.relay.pass(),
            Response::CapReached { .. } => {
                self.relay.stop(&ClientMessage::new(SqlState::ProgramLimitExceeded, "cap"));
            }
            Response::Ended(ended) => self.ended.push((ended.exchange.0, ended.outcome, ended.rows)),
        }
    }

    fn hide(&mut self, columns: usize) {
        let mut out = BytesMut::new();
        for row in messages(self.relay.head().to_owned().as_slice()) {
            let mut cells = vec![];
            super::super::walk_row(row, columns, |_, cell| {
                cells.push(cell.map(|cell| vec![b'#'; cell.len()]));
            })
            .unwrap();
            super::super::put_row(&mut out, cells.len(), |writer| {
                cells.iter().for_each(|cell| writer.cell(cell.as_deref()));
            });
        }
        self.relay.replace(&out);
    }

    /// What has become of it all, as text.
    fn story(mut self) -> String {
        let client = self.relay.to_client.split();
        let upstream = self.relay.to_upstream.split();
        self.client.extend(messages(&client).map(show_backend));
        self.upstream.extend(messages(&upstream).map(show_frontend));
        let ended: Vec<String> =
            self.ended.iter().map(|(id, outcome, rows)| format!("{id} {outcome:?} {rows}")).collect();
        format!(
            "upstream: {}\nclient: {}\nended: {}",
            self.upstream.join(" "),
            self.client.join(" "),
            ended.join(", ")
        )
    }
}

fn text_of(bytes: &[u8]) -> String {
    let text: Vec<&[u8]> = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty()).collect();
    text.iter().map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>().join("|")
}

fn show_frontend(message: &[u8]) -> String {
    match message[0] {
        b'Q' | b'P' | b'd' | b'f' => format!("{}({})", message[0] as char, text_of(&message[5..])),
        tag => (tag as char).to_string(),
    }
}

fn show_backend(message: &[u8]) -> String {
    match message[0] {
        b'E' => {
            let fields: Vec<(u8, &[u8])> = super::super::report_fields(message).collect();
            let text = fields.iter().find(|(code, _)| *code == b'M').unwrap().1;
            format!("E({})", String::from_utf8_lossy(text))
        }
        b'Z' => format!("Z{}", message[5] as char),
        b'd' => format!("d({})", text_of(&message[5..]).trim_end()),
        b'V' => format!("V({})", text_of(&message[9..])),
        b'D' => format!("D({})", text_of(&message[7..]).trim_matches(|c: char| c.is_control())),
        tag => (tag as char).to_string(),
    }
}

fn msg(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put(&mut out, tag, |out| out.extend_from_slice(body));
    out.to_vec()
}

fn query(sql: &str) -> Vec<u8> {
    msg(b'Q', format!("{sql}\0").as_bytes())
}
fn parse(name: &str, sql: &str) -> Vec<u8> {
    msg(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}
fn bind(portal: &str, statement: &str) -> Vec<u8> {
    msg(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}
fn execute(portal: &str) -> Vec<u8> {
    msg(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}
fn describe(kind: char, name: &str) -> Vec<u8> {
    msg(b'D', format!("{kind}{name}\0").as_bytes())
}
fn close(kind: char, name: &str) -> Vec<u8> {
    msg(b'C', format!("{kind}{name}\0").as_bytes())
}
fn sync() -> Vec<u8> {
    msg(b'S', b"")
}

fn ready(status: char) -> Vec<u8> {
    msg(b'Z', &[status as u8])
}
fn complete() -> Vec<u8> {
    msg(b'C', b"SELECT 1\0")
}
fn error(text: &str) -> Vec<u8> {
    msg(b'E', format!("SERROR\0C42601\0M{text}\0\0").as_bytes())
}
fn row(cell: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    super::super::put_row(&mut out, 1, |writer| writer.cell(Some(cell.as_bytes())));
    out.to_vec()
}
fn columns() -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_i16(1);
    body.extend_from_slice(b"c\0");
    body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]);
    msg(b'T', &body)
}
fn empty(tag: u8) -> Vec<u8> {
    msg(tag, b"")
}
fn parameter(name: &str, value: &str) -> Vec<u8> {
    msg(b'S', format!("{name}\0{value}\0").as_bytes())
}

/// Plays a scenario whole and byte by byte.
fn check(expected: expect_test::Expect, scenario: impl Fn(&mut Play)) {
    let play = |chunk| {
        let mut play = Play::new(chunk);
        scenario(&mut play);
        play.story()
    };
    let whole = play(usize::MAX);
    assert_eq!(whole, play(1), "fed byte by byte");
    expected.assert_eq(&whole);
}

use expect_test::expect;

#[test]
fn a_query_passes_and_ends() {
    check(
        expect![[r#"
            upstream: Q(select)
            client: T D(a) D(b) C ZI
            ended: 1 Completed 2"#]],
        |play| {
            play.client_sends(&query("select"));
            play.upstream_sends(&[columns(), row("a"), row("b"), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn a_refused_query_fails_in_the_server_and_is_told_by_us() {
    check(
        expect![[r#"
            upstream: Q(grille: refused)
            client: E(no) ZE
            ended: "#]],
        |play| {
            play.client_sends(&query("deny"));
            play.upstream_sends(&[error("syntax error"), ready('E')].concat());
        },
    );
}

#[test]
fn a_refused_step_of_a_pipeline_skips_the_rest_of_its_segment_only() {
    check(
        expect![[r#"
            upstream: P(select) B E P(grille_refused|grille: refused) S Q(select)
            client: 1 2 C E(no) ZI C ZI
            ended: 1 Completed 0, 2 Completed 0"#]],
        |play| {
            let first = [parse("", "select"), bind("", ""), execute("")].concat();
            let second = [parse("", "deny"), bind("", ""), execute(""), sync()].concat();
            play.client_sends(&[first, second, query("select")].concat());
            play.upstream_sends(&[empty(b'1'), empty(b'2'), complete(), error("syntax error")].concat());
            play.upstream_sends(&[ready('I'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn what_an_error_skips_is_known_to_be_skipped() {
    check(
        expect![[r#"
            upstream: P(s|select) B E E S
            client: 1 E(bad value) ZI
            ended: 1 Skipped 0, 2 Skipped 0"#]],
        |play| {
            let segment = [parse("s", "select"), bind("", "s"), execute(""), execute(""), sync()].concat();
            play.client_sends(&segment);
            play.upstream_sends(&[empty(b'1'), error("bad value"), ready('I')].concat());
        },
    );
}

#[test]
fn a_server_that_gives_up_has_told_the_client_why() {
    let told = |severity: &str| {
        let mut play = Play::new(usize::MAX);
        play.client_sends(&query("select"));
        let fields = format!("S{severity}\0V{severity}\0C57P01\0Mterminating connection\0\0");
        play.upstream_sends(&msg(b'E', fields.as_bytes()));
        play.relay.upstream_gave_up()
    };
    assert_eq!(["ERROR", "FATAL", "PANIC"].map(told), [false, true, true]);
}

#[test]
fn after_an_error_the_client_may_send_more_before_its_sync() {
    check(
        expect![[r#"
            upstream: P(select) H S Q(select)
            client: E(bad) ZI C ZI
            ended: 1 Completed 0"#]],
        |play| {
            play.client_sends(&[parse("", "select"), empty(b'H')].concat());
            play.upstream_sends(&error("bad"));
            play.client_sends(&[bind("", ""), execute(""), sync(), query("select")].concat());
            play.upstream_sends(&[ready('I'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn a_name_made_in_an_earlier_segment_waits_for_its_confirmation() {
    check(
        expect![[r#"
            upstream: P(s|select) S H B E S
            client: 1 ZI 2 C ZI
            ended: 1 Completed 0"#]],
        |play| {
            let first = [parse("s", "select"), sync()].concat();
            play.client_sends(&[first, bind("", "s"), execute(""), sync()].concat());
            play.upstream_sends(&[empty(b'1'), ready('I')].concat());
            play.upstream_sends(&[empty(b'2'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn a_statement_whose_parse_failed_cannot_be_bound() {
    check(
        expect![[r#"
            upstream: P(s|select) S H P(grille_refused|grille: refused) S
            client: E(no such table) ZI E(UnknownStatement) ZI
            ended: "#]],
        |play| {
            let first = [parse("s", "select"), sync()].concat();
            play.client_sends(&[first, bind("", "s"), execute(""), sync()].concat());
            play.upstream_sends(&[error("no such table"), ready('I')].concat());
            play.upstream_sends(&[error("syntax error"), ready('I')].concat());
        },
    );
}

#[test]
fn a_statement_prepared_in_sql_can_be_bound() {
    check(
        expect![[r#"
            upstream: Q(prepare s) H B E S
            client: C ZI 2 C ZI
            ended: 1 Completed 0, 2 Completed 0"#]],
        |play| {
            play.client_sends(&[query("prepare s"), bind("", "s"), execute(""), sync()].concat());
            play.upstream_sends(&[complete(), ready('I')].concat());
            play.upstream_sends(&[empty(b'2'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn inspected_rows_are_handed_out_whole() {
    check(
        expect![[r#"
            upstream: Q(select)
            client: T D(###) D(##) C ZI
            ended: 1 Completed 2"#]],
        |play| {
            play.inspects = true;
            play.client_sends(&query("select"));
            play.upstream_sends(&[columns(), row("abc"), row("de"), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn columns_that_the_client_did_not_ask_for_are_asked_for_by_us() {
    check(
        expect![[r#"
            upstream: P(select) B D E S
            client: 1 2 D(###) C ZI
            ended: 1 Completed 1"#]],
        |play| {
            play.inspects = true;
            play.client_sends(&[parse("", "select"), bind("", ""), execute(""), sync()].concat());
            let answers = [empty(b'1'), empty(b'2'), columns(), row("abc"), complete(), ready('I')];
            play.upstream_sends(&answers.concat());
        },
    );
}

#[test]
fn the_columns_of_a_statement_are_not_taken_for_those_of_its_portals() {
    check(
        expect![[r#"
            upstream: P(s|select) D S B D E S
            client: 1 t T ZI 2 D(###) C ZI
            ended: 1 Completed 1"#]],
        |play| {
            play.inspects = true;
            play.client_sends(&[parse("s", "select"), describe('S', "s"), sync()].concat());
            play.upstream_sends(&[empty(b'1'), msg(b't', b"\0\0"), columns(), ready('I')].concat());
            play.client_sends(&[bind("", "s"), execute(""), sync()].concat());
            let answers = [empty(b'2'), columns(), row("abc"), complete(), ready('I')];
            play.upstream_sends(&answers.concat());
        },
    );
}

#[test]
fn a_result_over_the_cap_ends_in_an_error_and_the_rest_is_dropped() {
    check(
        expect![[r#"
            upstream: Q(select) H
            client: T D(a) E(cap) ZI
            ended: 1 Stopped 1"#]],
        |play| {
            play.row_cap = Some(1);
            play.client_sends(&query("select"));
            let answers = [columns(), row("a"), row("b"), row("c"), complete(), ready('I')];
            play.upstream_sends(&answers.concat());
        },
    );
}

#[test]
fn a_notification_is_looked_at_while_the_rest_of_a_capped_result_is_dropped() {
    let mut play = Play::new(usize::MAX);
    play.row_cap = Some(1);
    play.relay.inspect_reports(true);
    play.client_sends(&query("select")).upstream_sends(&[columns(), row("a"), row("b")].concat());
    let reported = |play: &mut Play, message: &[u8]| {
        play.relay.feed_upstream(message);
        play.relay.next_response().unwrap().map(|response| {
            play.relay.replace(b"");
            matches!(response, Response::Report { .. })
        })
    };
    assert_eq!(reported(&mut play, &msg(b'N', b"Msecret\0\0")), None);
    assert_eq!(reported(&mut play, &msg(b'A', b"\0\0\0\x01channel\0secret\0")), Some(true));
    let client = play.relay.to_client.split();
    assert!(!client.windows(6).any(|window| window == b"secret"));
}

#[test]
fn a_result_over_the_cap_fails_the_transaction_it_is_in() {
    check(
        expect![[r#"
            upstream: Q(select) H Q(grille: refused) Q(commit) H
            client: T D(a) E(cap) ZE C ZI
            ended: 1 Stopped 1, 2 Completed 0"#]],
        |play| {
            play.row_cap = Some(1);
            play.client_sends(&[query("select"), query("commit")].concat());
            let answers = [columns(), row("a"), row("b"), complete(), ready('T')];
            play.upstream_sends(&answers.concat());
            play.upstream_sends(&[error("syntax error"), ready('E')].concat());
            play.upstream_sends(&[complete(), ready('I')].concat());
        },
    );
}

#[test]
fn a_result_over_the_cap_fails_the_segment_it_is_in() {
    check(
        expect![[r#"
            upstream: P(select) B D E H P(grille_refused|grille: refused) S
            client: 1 2 D(#) E(cap) ZI
            ended: 1 Stopped 1"#]],
        |play| {
            play.inspects = true;
            play.row_cap = Some(1);
            let segment = [parse("", "select"), bind("", ""), execute(""), parse("", "select"), sync()];
            play.client_sends(&segment.concat());
            let described = [empty(b'1'), empty(b'2'), columns()].concat();
            play.upstream_sends(&[described, row("a"), row("b"), complete(), error("syntax error")].concat());
            play.upstream_sends(&ready('I'));
        },
    );
}

#[test]
fn a_portal_that_goes_on_does_not_count_anew() {
    check(
        expect![[r#"
            upstream: P(select) B E H E H P(grille_refused|grille: refused) S
            client: 1 2 D(a) s D(b) E(cap) ZI
            ended: 1 Suspended 1, 2 Stopped 1"#]],
        |play| {
            play.row_cap = Some(2);
            let segment = [parse("", "select"), bind("", ""), execute(""), execute(""), sync()];
            play.client_sends(&segment.concat());
            play.upstream_sends(&[empty(b'1'), empty(b'2'), row("a"), empty(b's')].concat());
            play.upstream_sends(&[row("b"), row("c"), complete(), error("syntax error")].concat());
            play.upstream_sends(&ready('I'));
        },
    );
}

#[test]
fn after_a_change_of_reading_the_next_statement_waits_for_the_end_of_the_transaction() {
    check(
        expect![[r#"
            upstream: Q(set client_encoding) H Q(select) H Q(select) Q(select)
            client: S C ZT C ZI C ZI C ZI
            ended: 1 Completed 0, 2 Completed 0, 3 Completed 0, 4 Completed 0"#]],
        |play| {
            let select = query("select");
            play.client_sends(&[query("set client_encoding"), select.repeat(3)].concat());
            assert_eq!(play.relay.client_encoding(), "UTF8");
            play.upstream_sends(&[parameter("client_encoding", "LATIN1"), complete(), ready('T')].concat());
            assert_eq!(play.relay.client_encoding(), "LATIN1");
            play.upstream_sends(&[complete(), ready('I')].concat());
            play.upstream_sends(&[complete(), ready('I')].concat().repeat(2));
        },
    );
}

#[test]
fn no_text_is_read_between_a_change_of_reading_and_the_sync() {
    check(
        expect![[r#"
            upstream: P(set client_encoding) B E H P(grille_refused|grille: refused) S
            client: 1 2 C E(ReadingOpen) ZI
            ended: 1 Completed 0"#]],
        |play| {
            let set = [parse("", "set client_encoding"), bind("", ""), execute("")].concat();
            let evil = [parse("", "select"), bind("", ""), execute(""), sync()].concat();
            play.client_sends(&[set, evil].concat());
            play.upstream_sends(&[empty(b'1'), empty(b'2'), complete()].concat());
            play.upstream_sends(&[error("syntax error"), ready('I')].concat());
        },
    );
}

#[test]
fn a_text_read_after_a_function_changed_the_reading_ends_the_session() {
    let mut play = Play::new(usize::MAX);
    let one = [parse("", "select"), bind("", ""), execute("")].concat();
    play.client_sends(&[&one[..], &one, &sync()].concat());
    let answers = [empty(b'1'), empty(b'2'), complete()].concat();
    let changed = parameter("standard_conforming_strings", "off");
    let sent = [&answers[..], &answers, &changed].concat();
    assert_eq!(play.try_upstream_sends(&sent), Err(Violation::SettingUnderWay));
}

#[test]
fn names_that_the_server_would_cut_or_convert_are_refused() {
    let long = "a".repeat(64);
    for name in [long.as_str(), "é"] {
        for message in
            [parse(name, "select"), bind(name, ""), bind("", name), execute(name), close('S', name)]
        {
            let mut play = Play::new(usize::MAX);
            play.client_sends(&[message, sync()].concat());
            assert!(play.story().starts_with("upstream: P(grille_refused|grille: refused) S\n"));
        }
    }
}

#[test]
fn a_cursor_takes_the_place_of_a_portal_and_a_portal_that_of_a_cursor() {
    check(
        expect![[r#"
            upstream: P(select) B S Q(declare p) H P(grille_refused|grille: refused) S
            client: 1 2 ZT C ZT E(UnknownPortal) ZE
            ended: 1 Completed 0"#]],
        |play| {
            play.client_sends(&[parse("", "select"), bind("p", ""), sync()].concat());
            play.upstream_sends(&[empty(b'1'), empty(b'2'), ready('T')].concat());
            play.client_sends(&query("declare p"));
            play.upstream_sends(&[complete(), ready('T')].concat());
            assert!(play.relay.cursor("p").is_some());
            play.client_sends(&[execute("p"), sync()].concat());
            play.upstream_sends(&[error("syntax error"), ready('E')].concat());
        },
    );
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("declare p"));
    play.upstream_sends(&[complete(), ready('T')].concat());
    play.client_sends(&[parse("", "select"), bind("p", ""), sync()].concat());
    play.upstream_sends(&[empty(b'1'), empty(b'2'), ready('T')].concat());
    assert!(play.relay.cursor("p").is_none());
}

#[test]
fn a_client_that_sends_ahead_is_left_waiting_in_the_socket() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("set geqo"));
    let statement = query(&"x".repeat(1000));
    let mut sent = 0;
    while play.relay.wants_client_bytes() {
        play.client_sends(&statement);
        sent += statement.len();
    }
    assert!(sent < 1 << 20, "{sent}");
    play.upstream_sends(&[complete(), ready('I')].concat());
    assert!(play.relay.wants_client_bytes());
}

#[test]
fn a_reading_that_changes_under_statements_already_judged_ends_the_session() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&[query("select"), query("select")].concat());
    let answers = [parameter("client_encoding", "LATIN1"), complete(), ready('I')].concat();
    assert_eq!(play.try_upstream_sends(&answers), Err(Violation::SettingUnderWay));
}

#[test]
fn a_closed_statement_is_gone() {
    check(
        expect![[r#"
            upstream: P(s|select) S C S H P(grille_refused|grille: refused) S
            client: 1 ZI 3 ZI E(UnknownStatement) ZI
            ended: "#]],
        |play| {
            play.client_sends(&[parse("s", "select"), sync()].concat());
            play.upstream_sends(&[empty(b'1'), ready('I')].concat());
            play.client_sends(&[close('S', "s"), sync(), bind("", "s"), sync()].concat());
            play.upstream_sends(&[empty(b'3'), ready('I')].concat());
            play.upstream_sends(&[error("syntax error"), ready('I')].concat());
        },
    );
}

#[test]
fn messages_outside_the_protocol_end_the_session() {
    let check = |bytes: &[u8], expected: Violation| {
        let mut play = Play::new(usize::MAX);
        assert_eq!(play.try_client_sends(bytes), Err(expected));
        assert!(play.relay.to_upstream.is_empty());
    };
    check(&msg(b'?', b""), Violation::Unexpected { tag: b'?' });
    check(&msg(b'p', b"secret\0"), Violation::Unexpected { tag: b'p' });
    check(&msg(b'S', b"x"), Violation::TooLong { tag: b'S', total: 6, limit: 5 });
    check(&msg(b'Q', b"no zero"), Violation::Malformed { tag: b'Q' });
    check(&msg(b'Q', b"two\0parts\0"), Violation::Malformed { tag: b'Q' });
    check(&[b'Q', 0, 0, 0, 3], Violation::BadLength { tag: b'Q', length: 3 });
    check(&[b'Q', 0x7f, 0xff, 0xff, 0xff], Violation::TooLong { tag: b'Q', total: 1 << 31, limit: 1 << 16 });
}

#[test]
fn answers_that_answer_nothing_end_the_session() {
    let check = |bytes: Vec<u8>| {
        let mut play = Play::new(usize::MAX);
        let tag = bytes[0];
        assert_eq!(play.try_upstream_sends(&bytes), Err(Violation::Unexpected { tag }));
        assert!(play.relay.to_client.is_empty());
    };
    for tag in *b"12CDGHIKRTVWZcdnst" {
        check(msg(tag, if tag == b'Z' { b"I" } else { b"" }));
    }
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("select"));
    assert_eq!(play.try_upstream_sends(&msg(b'H', b"")), Err(Violation::Unexpected { tag: b'H' }));
}

#[test]
fn a_stream_of_tiny_messages_waits_at_the_limit() {
    let mut play = Play::new(usize::MAX);
    for _ in 0..PENDING_MAX + 100 {
        play.client_sends(&sync());
    }
    assert_eq!(play.relay.pending.len(), PENDING_MAX);
    play.upstream_sends(&ready('I').repeat(PENDING_MAX));
    assert_eq!(play.relay.pending.len(), 100);
}
