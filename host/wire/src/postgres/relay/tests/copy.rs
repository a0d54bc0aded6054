//! COPY, both ways, in both protocols.

use super::*;

fn data(text: &str) -> Vec<u8> {
    msg(b'd', text.as_bytes())
}
fn done() -> Vec<u8> {
    empty(b'c')
}
fn fail() -> Vec<u8> {
    msg(b'f', b"never mind\0")
}
fn copied(rows: u32) -> Vec<u8> {
    msg(b'C', format!("COPY {rows}\0").as_bytes())
}
/// CopyInResponse (`G`) or CopyOutResponse (`H`) of so many columns.
fn response(tag: char, format: u8, columns: u8) -> Vec<u8> {
    msg(tag as u8, &[&[format, 0, columns][..], &[0, format].repeat(columns.into())].concat())
}
fn into() -> Vec<u8> {
    response('G', 0, 2)
}
fn out() -> Vec<u8> {
    response('H', 0, 2)
}
/// A segment up to where an Execute runs.
fn extended(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("")].concat()
}
fn bound() -> Vec<u8> {
    [empty(b'1'), empty(b'2')].concat()
}

#[test]
fn data_reaches_the_server_when_it_waits_for_it() {
    check(
        expect![[r#"
            upstream: Q(copy in) H d(a|1
            ) d(b|2
            ) c H
            client: G C ZI
            ended: 1 Completed 2"#]],
        |play| {
            play.client_sends(&query("copy in"));
            play.upstream_sends(&into());
            play.client_sends(&[data("a|1\n"), data("b|2\n"), done()].concat());
            play.upstream_sends(&[copied(2), ready('I')].concat());
        },
    );
}

#[test]
fn a_client_that_does_not_wait_has_its_data_held() {
    check(
        expect![[r#"
            upstream: Q(copy in) H d(a|1) c H Q(select)
            client: G C ZI C ZI
            ended: 1 Completed 1, 2 Completed 0"#]],
        |play| {
            play.client_sends(&[query("copy in"), data("a|1"), done(), query("select")].concat());
            assert!(messages(&play.relay.to_upstream).all(|message| message[0] != b'd'));
            play.upstream_sends(&into());
            play.upstream_sends(&[copied(1), ready('I')].concat());
            play.upstream_sends(&[complete(), ready('I')].concat());
        },
    );
}

#[test]
fn data_for_a_copy_that_never_began_is_dropped() {
    check(
        expect![[r#"
            upstream: Q(copy in) H Q(select)
            client: E(no such table) ZI C ZI
            ended: 1 Failed 0, 2 Completed 0"#]],
        |play| {
            play.client_sends(&[query("copy in"), data("a|1"), done(), query("select")].concat());
            play.upstream_sends(&[error("no such table"), ready('I')].concat());
            play.upstream_sends(&[complete(), ready('I')].concat());
        },
    );
}

#[test]
fn data_for_a_refused_copy_is_dropped() {
    check(
        expect![[r#"
            upstream: Q(grille: refused) Q(select)
            client: E(no) ZI C ZI
            ended: 1 Completed 0"#]],
        |play| {
            play.client_sends(&[query("deny"), data("a|1"), fail(), query("select")].concat());
            play.upstream_sends(&[error("syntax error"), ready('I'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn data_behind_an_error_of_the_server_is_dropped() {
    check(
        expect![[r#"
            upstream: Q(copy in) H d(a|1) Q(select)
            client: G E(bad row) ZT C ZT
            ended: 1 Failed 0, 2 Completed 0"#]],
        |play| {
            play.client_sends(&query("copy in"));
            play.upstream_sends(&into());
            play.client_sends(&data("a|1"));
            play.upstream_sends(&[error("bad row"), ready('T')].concat());
            play.client_sends(&[data("b|2"), done(), query("select")].concat());
            play.upstream_sends(&[complete(), ready('T')].concat());
        },
    );
}

#[test]
fn a_client_may_give_up() {
    check(
        expect![[r#"
            upstream: Q(copy in) H d(a|1) f(never mind) H
            client: G E(COPY failed) ZI
            ended: 1 Failed 0"#]],
        |play| {
            play.client_sends(&query("copy in"));
            play.upstream_sends(&into());
            play.client_sends(&[data("a|1"), fail()].concat());
            play.upstream_sends(&[error("COPY failed"), ready('I')].concat());
        },
    );
}

#[test]
fn sync_and_flush_within_the_data_end_here() {
    check(
        expect![[r#"
            upstream: P(copy in) B E H d(a|1) d(b|2) c H S
            client: 1 2 G C ZI
            ended: 1 Completed 2"#]],
        |play| {
            play.client_sends(&[extended("copy in"), sync(), empty(b'H')].concat());
            play.upstream_sends(&[bound(), into()].concat());
            play.client_sends(&[data("a|1"), sync(), data("b|2"), empty(b'H'), done(), sync()].concat());
            play.upstream_sends(&copied(2));
            play.upstream_sends(&ready('I'));
        },
    );
}

#[test]
fn a_sync_behind_a_copy_that_never_began_counts() {
    check(
        expect![[r#"
            upstream: P(copy in) B E H S S
            client: 1 2 E(no such table) ZI ZI
            ended: 1 Failed 0"#]],
        |play| {
            play.client_sends(&[extended("copy in"), sync(), data("a|1"), done(), sync()].concat());
            play.upstream_sends(&[bound(), error("no such table")].concat());
            play.upstream_sends(&[ready('I'), ready('I')].concat());
        },
    );
}

#[test]
fn an_error_within_the_data_skips_the_segment() {
    check(
        expect![[r#"
            upstream: P(copy in) B E H d(a|1) S Q(select)
            client: 1 2 G E(bad row) ZI C ZI
            ended: 1 Failed 0, 2 Completed 0"#]],
        |play| {
            play.client_sends(&[extended("copy in"), sync()].concat());
            play.upstream_sends(&[bound(), into()].concat());
            play.client_sends(&data("a|1"));
            play.upstream_sends(&error("bad row"));
            play.client_sends(&[data("b|2"), done(), execute(""), sync(), query("select")].concat());
            play.upstream_sends(&[ready('I'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn copies_take_turns_in_one_message() {
    check(
        expect![[r#"
            upstream: Q(copy in;select;copy in;copy out) H d(a|1) c H d(b|2) c H
            client: G C T D(x) C G C H d(r|s) c C ZI
            ended: 1 Completed 4"#]],
        |play| {
            let sent = [query("copy in;select;copy in;copy out"), data("a|1"), done(), data("b|2"), done()];
            play.client_sends(&sent.concat());
            play.upstream_sends(&into());
            play.upstream_sends(&[copied(1), columns(), row("x"), complete(), into()].concat());
            play.upstream_sends(&[copied(1), out(), data("r|s\n"), done(), copied(1), ready('I')].concat());
        },
    );
}

#[test]
fn what_is_no_data_ends_the_session_within_a_copy() {
    for message in
        [query("select"), parse("", "select"), bind("", ""), execute(""), describe('S', ""), close('S', "")]
    {
        let mut play = Play::new(usize::MAX);
        play.client_sends(&query("copy in")).upstream_sends(&into());
        let tag = message[0];
        assert_eq!(play.try_client_sends(&message), Err(Violation::Unexpected { tag }));
    }
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("copy in")).upstream_sends(&into());
    let long = msg(b'f', &vec![b'x'; 1 << 20]);
    assert!(matches!(play.try_client_sends(&long), Err(Violation::TooLong { tag: b'f', .. })));
}

#[test]
fn a_client_that_goes_within_a_copy_is_gone() {
    check(
        expect![[r#"
            upstream: Q(copy in) H d(a|1) X
            client: G
            ended: "#]],
        |play| {
            play.client_sends(&query("copy in"));
            play.upstream_sends(&into());
            play.client_sends(&[data("a|1"), empty(b'X'), data("b|2")].concat());
            assert!(play.relay.is_terminated());
        },
    );
}

#[test]
fn within_a_data_message_nobody_says_goodbye() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("copy in")).upstream_sends(&into());
    play.relay.to_upstream.clear();
    play.client_sends(&data("a|1\n")[..7]);
    play.relay.say_goodbye();
    assert_eq!(play.relay.to_upstream, data("a|1\n")[..7]);
    assert!(play.relay.is_cut_short());
}

#[test]
fn data_is_never_held_once_it_is_waited_for() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("copy in")).upstream_sends(&into());
    play.relay.to_upstream.clear();
    let long = data(&"x".repeat(1 << 20));
    play.client_sends(&long[..1000]);
    assert_eq!(play.relay.to_upstream.split(), long[..1000]);
    assert!(play.relay.wants_client_bytes());
    play.client_sends(&[&long[1000..], &done()].concat());
    assert_eq!(play.relay.to_upstream.len(), long.len() - 1000 + 10);
}

#[test]
fn junk_is_never_held() {
    let mut play = Play::new(usize::MAX);
    let long = data(&"x".repeat(1 << 20));
    play.client_sends(&long[..1000]);
    assert!(play.relay.wants_client_bytes() && play.relay.client.is_empty());
    play.client_sends(&[&long[1000..], &query("select")].concat());
    assert_eq!(play.relay.to_upstream, query("select"));
}

#[test]
fn data_that_comes_early_waits_in_the_socket() {
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("copy in"));
    let mut sent = 0;
    while play.relay.wants_client_bytes() {
        play.client_sends(&data(&"x".repeat(1000)));
        sent += 1000;
    }
    assert!((1 << 17..1 << 19).contains(&sent), "{sent}");
}

#[test]
fn rows_pass_as_they_are() {
    check(
        expect![[r#"
            upstream: Q(copy out) Q(select)
            client: H d(a|1) d(b|2) c C ZI C ZI
            ended: 1 Completed 2, 2 Completed 0"#]],
        |play| {
            play.client_sends(&[query("copy out"), query("select")].concat());
            play.upstream_sends(&[out(), data("a|1\n"), data("b|2\n"), done(), copied(2)].concat());
            play.upstream_sends(&[ready('I'), complete(), ready('I')].concat());
        },
    );
}

#[test]
fn inspected_rows_come_one_in_each_message() {
    check(
        expect![[r#"
            upstream: P(copy out) B D E S
            client: 1 2 H d(##|#) d(#|\N) d(|###) c C ZI
            ended: 1 Completed 3"#]],
        |play| {
            play.inspects = true;
            play.client_sends(&[extended("copy out"), sync()].concat());
            play.upstream_sends(&[bound(), empty(b'n'), out()].concat());
            play.upstream_sends(&[data("a\\||1\nb|"), data("\\N\n|3"), data("45\n")].concat());
            play.upstream_sends(&[done(), copied(3), ready('I')].concat());
        },
    );
}

#[test]
fn a_header_is_shown_and_counts_for_nothing() {
    for inspects in [false, true] {
        let mut play = Play::new(1);
        (play.inspects, play.row_cap) = (inspects, Some(1));
        play.client_sends(&query("copy out with header"));
        play.upstream_sends(&[out(), data("a,b\n"), data("1,2\n"), done(), copied(1), ready('I')].concat());
        let row = if inspects { "d(#,#)" } else { "d(1,2)" };
        let expected = format!("client: H d(a,b) {row} c C ZI\nended: 1 Completed 1");
        assert!(play.story().ends_with(&expected), "{expected}");
    }
}

const OPENING: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

#[test]
fn a_trailer_counts_for_nothing() {
    let row = b"\0\x01\0\0\0\x02ab".as_slice();
    let sent = [&[OPENING, row].concat(), row, b"\xff\xff"].map(|body| msg(b'd', body)).concat();
    for (inspects, hidden) in [(false, row), (true, b"\0\x01\0\0\0\x02##")] {
        for chunk in [1, usize::MAX] {
            let mut play = Play::new(chunk);
            (play.inspects, play.row_cap) = (inspects, Some(2));
            play.client_sends(&query("copy out in binary"));
            let answers = [response('H', 1, 1), sent.clone(), done(), copied(2), ready('I')];
            play.upstream_sends(&answers.concat());
            let expected =
                [&[OPENING, hidden].concat(), hidden, b"\xff\xff"].map(|body| msg(b'd', body)).concat();
            let client = play.relay.to_client.split();
            assert!(client.windows(expected.len()).any(|window| window == expected), "{client:?}");
            assert_eq!(play.ended, [(1, Outcome::Completed, 2)]);
        }
    }
    let mut play = Play::new(1);
    play.row_cap = Some(1);
    play.client_sends(&query("copy out in binary"));
    let nothing = msg(b'd', &[OPENING, b"\xff\xff"].concat());
    play.upstream_sends(&[response('H', 1, 1), nothing, done(), copied(0), ready('I')].concat());
    assert_eq!(play.ended, [(1, Outcome::Completed, 0)]);
}

#[test]
fn a_copy_over_the_cap_ends_in_an_error_and_the_rest_is_dropped() {
    for inspects in [false, true] {
        let row = if inspects { "d(#|#)" } else { "d(a|1)" };
        let play = |chunk, rows: &[Vec<u8>]| {
            let mut play = Play::new(chunk);
            (play.inspects, play.row_cap) = (inspects, Some(1));
            play.client_sends(&query("copy out"));
            play.upstream_sends(&[&out()[..], &rows.concat(), &done(), &copied(3), &ready('I')].concat());
            play.story()
        };
        let expected = format!("upstream: Q(copy out) H\nclient: H {row} E(cap) ZI\nended: 1 Stopped 1");
        let apart = [data("a|1\n"), data("b|2\n"), data("c|3\n")];
        for chunk in [1, usize::MAX] {
            assert_eq!(play(chunk, &apart), expected);
        }
        if inspects {
            assert_eq!(play(1, &[data("a|1\nb|2\nc|"), data("3\n")]), expected);
        }
    }
}

#[test]
fn an_error_among_the_rows_ends_the_copy() {
    for inspects in [false, true] {
        for partial in ["", "b|"] {
            let mut play = Play::new(1);
            play.inspects = inspects;
            play.client_sends(&[query("copy out"), query("copy out")].concat());
            let more = if partial.is_empty() { vec![] } else { data(partial) };
            play.upstream_sends(&[out(), data("a|1\n"), more, error("out of luck"), ready('I')].concat());
            play.upstream_sends(&[out(), data("c|3\n"), done(), copied(1), ready('I')].concat());
            let story = play.story();
            assert!(story.contains("E(out of luck) ZI H d("), "{story}");
            assert!(story.contains("ended: 1 Failed") && story.ends_with("2 Completed 1"), "{story}");
            assert!(!inspects || !story.contains("d(b|)"), "{story}");
        }
    }
}

#[test]
fn a_long_row_passes_in_parts_and_is_not_inspected() {
    let long = data(&format!("{}|1\n", "x".repeat(1 << 17)));
    let mut play = Play::new(usize::MAX);
    play.client_sends(&query("copy out")).upstream_sends(&[&out(), &long[..1000]].concat());
    assert!(play.relay.upstream.is_empty() && play.relay.is_mid_message());

    let check = |sent: &[u8]| {
        let mut play = Play::new(1 << 12);
        play.inspects = true;
        play.client_sends(&query("copy out")).upstream_sends(&out());
        let ended = play.try_upstream_sends(sent);
        assert!(matches!(ended, Err(Violation::TooLong { tag: b'd', .. })), "{ended:?}");
        assert!(play.relay.upstream.len() < 1 << 17);
    };
    check(&long);
    check(&data(&"x".repeat(1 << 12)).repeat(20));
}

#[test]
fn a_copy_that_is_cut_short_ends_the_session() {
    let check = |sent: &[u8], tag: u8| {
        let mut play = Play::new(1);
        play.inspects = true;
        play.client_sends(&query("copy out")).upstream_sends(&out());
        let ended = play.try_upstream_sends(sent);
        assert!(
            matches!(ended, Err(Violation::Malformed { tag: t } | Violation::Unexpected { tag: t }) if t == tag),
            "{ended:?}"
        );
    };
    check(&[data("a|1\nb|"), done()].concat(), b'd');
    check(&[data("a|1\n"), copied(1)].concat(), b'C');
    check(&[data("a|1\n"), ready('I')].concat(), b'Z');
    check(&data("a|1|2\n"), b'd');
    check(&row("a"), b'D');
    check(&out(), b'H');
    check(&[done(), done()].concat(), b'c');
    check(&[done(), data("a|1\n")].concat(), b'd');
}

#[test]
fn a_copy_that_nobody_asked_for_ends_the_session() {
    let check = |sql: &str, answer: &[u8], violation: Violation| {
        let mut play = Play::new(usize::MAX);
        play.inspects = true;
        play.client_sends(&query(sql));
        assert_eq!(play.try_upstream_sends(answer), Err(violation), "{sql}");
        assert!(play.relay.to_client.is_empty());
    };
    let unexpected = |tag| Violation::Unexpected { tag };
    check("select", &into(), unexpected(b'G'));
    check("select", &out(), unexpected(b'H'));
    check("copy out", &into(), unexpected(b'G'));
    check("copy in", &out(), unexpected(b'H'));
    check("deny", &into(), unexpected(b'G'));
    check("copy in;copy out", &out(), unexpected(b'H'));
    // CopyBothResponse: replication.
    check("copy in", &response('W', 0, 2), unexpected(b'W'));
    check("copy out", &response('H', 1, 2), Violation::Malformed { tag: b'H' });
    check("copy out in binary", &out(), Violation::Malformed { tag: b'H' });
    check("copy out", &msg(b'H', &[0, 0, 1, 0, 1]), Violation::Malformed { tag: b'H' });
    check("copy out", &data("a|1\n"), unexpected(b'd'));
}

#[test]
fn a_stopped_message_never_waits_for_data() {
    check(
        expect![[r#"
            upstream: Q(select;copy in) H f(stopped) H
            client: T D(a) E(cap) ZI
            ended: 1 Stopped 1"#]],
        |play| {
            play.row_cap = Some(1);
            play.client_sends(&query("select;copy in"));
            play.upstream_sends(&[columns(), row("a"), row("b"), complete(), into()].concat());
            play.upstream_sends(&[error("COPY failed"), ready('I')].concat());
        },
    );
}

#[test]
fn what_is_lost_within_a_copy_is_known() {
    for (sql, answer) in [("copy in", into()), ("copy out", out())] {
        let mut play = Play::new(usize::MAX);
        play.client_sends(&query(sql)).upstream_sends(&answer);
        let lost = play.relay.lose_pending();
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].outcome, Outcome::Lost);
    }
}

#[test]
fn a_query_refused_for_an_open_reading_has_an_answer_of_its_own() {
    check(
        expect![[r#"
            upstream: P(set client_encoding) B E H Q(grille: refused) S
            client: 1 2 C E(ReadingOpen) ZI ZI
            ended: 1 Completed 0"#]],
        |play| {
            play.client_sends(&[extended("set client_encoding"), query("select"), sync()].concat());
            play.upstream_sends(&[bound(), complete()].concat());
            play.upstream_sends(&[error("syntax error"), ready('I'), ready('I')].concat());
        },
    );
}
