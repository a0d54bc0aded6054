//! FunctionCall, alone, in a pipeline and beside an open segment. `lo_unlink` is refused.

use super::*;

const OPEN: u32 = 952;
const UNLINK: u32 = 964;
const QUERY_TO_XML: u32 = 2925;

pub(super) fn understand(sql: &'static str) -> Arc<Statement> {
    let kind = if sql.contains("lo_unlink") { "deny" } else { "select" };
    Arc::new(Statement::new(Bytes::from_static(sql.as_bytes()), vec![action(kind, None)]))
}

/// A FunctionCall with two arguments, of which one is NULL.
fn call(function: u32) -> Vec<u8> {
    let arguments = b"\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x2a\xff\xff\xff\xff\0\x01";
    msg(b'F', &[&function.to_be_bytes()[..], arguments].concat())
}
fn result(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    msg(b'V', &[&length.to_be_bytes()[..], text.as_bytes()].concat())
}
fn null() -> Vec<u8> {
    msg(b'V', b"\xff\xff\xff\xff")
}
fn notice() -> Vec<u8> {
    msg(b'N', b"SNOTICE\0C00000\0Mlook\0\0")
}

#[test]
fn a_result_passes_and_the_call_ends() {
    check(
        expect![[r#"
            upstream: F F
            client: N V(abc) ZT V() ZT
            ended: 1 Completed 1, 2 Completed 1"#]],
        |play| {
            play.client_sends(&call(OPEN).repeat(2));
            play.upstream_sends(&[notice(), result("abc"), ready('T'), null(), ready('T')].concat());
        },
    );
}

#[test]
fn calls_that_are_refused_or_not_known_fail_in_the_server_and_are_answered_in_order() {
    check(
        expect![[r#"
            upstream: Q(select) F Q(grille: refused) Q(grille: refused) F Q(select)
            client: C ZT V(a) ZT E(no) ZE E(UnknownFunction(2925)) ZE E(aborted) ZE C ZI
            ended: 1 Completed 0, 2 Completed 1, 3 Failed 0, 4 Completed 0"#]],
        |play| {
            let calls = [call(OPEN), call(UNLINK), call(QUERY_TO_XML), call(OPEN)].concat();
            play.client_sends(&[query("select"), calls, query("select")].concat());
            play.upstream_sends(&[complete(), ready('T'), result("a"), ready('T')].concat());
            play.upstream_sends(&[error("syntax error"), ready('E')].concat().repeat(2));
            play.upstream_sends(&[error("aborted"), ready('E'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn a_call_beside_an_open_segment_has_a_ready_of_its_own() {
    check(
        expect![[r#"
            upstream: P(select) B E F Q(grille: refused) S
            client: 1 2 C V(a) ZI E(no) ZI ZI
            ended: 1 Completed 0, 2 Completed 1"#]],
        |play| {
            let segment = [parse("", "select"), bind("", ""), execute("")].concat();
            play.client_sends(&[segment, call(OPEN), call(UNLINK), sync()].concat());
            play.upstream_sends(&[empty(b'1'), empty(b'2'), complete(), result("a"), ready('I')].concat());
            play.upstream_sends(&[error("syntax error"), ready('I'), ready('I')].concat());
        },
    );
}

#[test]
fn a_call_behind_an_error_is_skipped_up_to_the_sync() {
    check(
        expect![[r#"
            upstream: P(select) F Q(grille: refused) S F
            client: E(bad) ZI V(a) ZI
            ended: 1 Skipped 0, 2 Completed 1"#]],
        |play| {
            let skipped = [parse("", "select"), call(OPEN), call(UNLINK), sync()].concat();
            play.client_sends(&[skipped, call(OPEN)].concat());
            play.upstream_sends(&[error("bad"), ready('I'), result("a"), ready('I')].concat());
        },
    );
    check(
        expect![[r#"
            upstream: P(grille_refused|grille: refused) S F
            client: E(no) ZI V(a) ZI
            ended: 1 Completed 1"#]],
        |play| {
            play.client_sends(&[parse("", "deny"), call(OPEN), sync(), call(OPEN)].concat());
            play.upstream_sends(&[error("syntax error"), ready('I'), result("a"), ready('I')].concat());
        },
    );
}

#[test]
fn a_call_fails_before_its_result_or_at_its_commit() {
    check(
        expect![[r#"
            upstream: F F
            client: E(no such object) ZI V(a) E(at commit) ZI
            ended: 1 Failed 0, 2 Failed 1"#]],
        |play| {
            play.client_sends(&call(OPEN).repeat(2));
            play.upstream_sends(&[error("no such object"), ready('I')].concat());
            play.upstream_sends(&[result("a"), error("at commit"), ready('I')].concat());
        },
    );
}

#[test]
fn a_call_waits_while_statements_are_taken_one_by_one() {
    check(
        expect![[r#"
            upstream: Q(set client_encoding) H F H F
            client: C ZT V(a) ZI V(b) ZI
            ended: 1 Completed 0, 2 Completed 1, 3 Completed 1"#]],
        |play| {
            play.client_sends(&[query("set client_encoding"), call(OPEN).repeat(2)].concat());
            assert!(messages(&play.relay.to_upstream).all(|message| message[0] != b'F'));
            play.upstream_sends(&[complete(), ready('T')].concat());
            play.upstream_sends(&[result("a"), ready('I')].concat());
            play.upstream_sends(&[result("b"), ready('I')].concat());
        },
    );
}

#[test]
fn a_result_longer_than_what_is_held_passes_as_it_comes() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&call(OPEN));
    let long = result(&"x".repeat(5 << 20));
    let (first, rest) = long.split_at(1 << 20);
    play.upstream_sends(first);
    assert_eq!(play.relay.to_client, first);
    assert!(play.relay.is_mid_message());
    play.upstream_sends(rest).upstream_sends(&ready('I'));
    assert_eq!(play.relay.to_client.len(), long.len() + ready('I').len());
    assert_eq!(play.ended, [(1, Outcome::Completed, 1)]);
}

#[test]
fn what_is_no_answer_to_a_call_ends_the_session() {
    let check = |answers: &[Vec<u8>], tag: u8| {
        let mut play = Play::new(usize::MAX);
        play.client_sends(&call(OPEN));
        let expected = Err(Violation::Unexpected { tag });
        assert_eq!(play.try_upstream_sends(&answers.concat()), expected, "{:?}", char::from(tag));
    };
    for tag in *b"12CDGHITcdnst" {
        check(&[empty(tag)], tag);
        check(&[result("a"), empty(tag)], tag);
    }
    check(&[ready('I')], b'Z');
    check(&[result("a"), result("b")], b'V');
    check(&[error("no"), result("a")], b'V');
}

#[test]
fn a_result_answers_nothing_but_a_call() {
    for asked in [query("select"), [parse("", "select"), bind("", ""), execute("")].concat(), sync()] {
        let mut play = Play::new(usize::MAX);
        play.client_sends(&asked);
        assert_eq!(play.try_upstream_sends(&result("a")), Err(Violation::Unexpected { tag: b'V' }));
        assert!(play.relay.to_client.is_empty());
    }
}

#[test]
fn a_result_that_should_be_inspected_never_passes() {
    let mut play = Play::new(usize::MAX);
    play.inspects = true;
    play.client_sends(&call(OPEN));
    assert_eq!(play.try_upstream_sends(&result("secret")), Err(Violation::RowsUndescribed));
    assert!(play.relay.to_client.is_empty());
}

#[test]
fn malformed_calls_end_the_session() {
    let whole = call(OPEN);
    let body = &whole[super::super::super::HEADER_BYTES..];
    let check = |body: &[u8]| {
        let mut play = Play::new(usize::MAX);
        assert_eq!(play.try_client_sends(&msg(b'F', body)), Err(Violation::Malformed { tag: b'F' }));
        assert!(play.relay.to_upstream.is_empty());
    };
    (0..body.len()).for_each(|length| check(&body[..length]));
    check(&[body, b"\0"].concat());
}

#[test]
fn a_call_without_an_answer_is_lost_with_its_connection() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&call(OPEN));
    let lost: Vec<Outcome> = play.relay.lose_pending().iter().map(|ended| ended.outcome).collect();
    assert_eq!(lost, [Outcome::Lost]);
}
