//! Plays a script in a session of its own, in a transaction that is rolled back in the end.

use crate::generate::{Delivery, Script, Step};
use crate::raw::{close, describe, execute, message, parse, query, sync, text};
use crate::{Message, Raw};

/// Stands in a transcript where the connection ended, or nothing came.
const GONE: char = '!';

/// Rows asked for at a time by [`Delivery::Portions`].
const PORTION: u32 = 2;

/// Everything a client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Before the first ReadyForQuery.
    pub login: Vec<Message>,
    /// In answer to each step, up to where the connection ended.
    pub steps: Vec<Vec<Message>>,
}

/// The name of the statement that stays.
const NAME: &str = "kept";

/// Result formats (manual, "Formats and Format Codes").
#[derive(Clone, Copy)]
enum Format {
    Text = 0,
    Binary = 1,
}

/// Plays a script on a connection that is logged in.
pub(super) fn play(mut raw: Raw, login: Vec<Message>, script: &Script) -> Transcript {
    let mut steps = vec![ask(&mut raw, &query("BEGIN"), "")];
    for step in &script.steps {
        let mut answer = ask(&mut raw, &query("SAVEPOINT before"), "");
        for bytes in sent(step) {
            answer.extend(ask(&mut raw, &bytes, &step.input));
            if failed(&answer) {
                break;
            }
        }
        if failed(&answer) {
            answer.extend(ask(&mut raw, &query("ROLLBACK TO before"), ""));
        }
        steps.push(answer);
    }
    steps.push(ask(&mut raw, &query("ROLLBACK"), ""));
    // A connection that is gone already needs no farewell.
    let _ = raw.send(&message('X', &[]));
    Transcript { login, steps }
}

/// Whether the transaction waits for a rollback (manual, "ReadyForQuery").
fn failed(answer: &[Message]) -> bool {
    answer.last().is_some_and(|last| last.tag == 'Z' && last.body == b"E")
}

/// What a step sends, a segment for each ReadyForQuery.
fn sent(step: &Step) -> Vec<Vec<u8>> {
    let each = |compose: fn(&str, &[String]) -> Vec<u8>| -> Vec<Vec<u8>> {
        step.statements.iter().map(|sql| [compose(sql, &step.parameters), sync()].concat()).collect()
    };
    match step.delivery {
        Delivery::Simple => step.statements.iter().map(|sql| query(sql)).collect(),
        Delivery::Together => vec![query(&step.statements.join("; "))],
        Delivery::Extended => each(|sql, parameters| extended(sql, parameters, Format::Text, &[0])),
        Delivery::Binary => each(|sql, parameters| extended(sql, parameters, Format::Binary, &[0])),
        Delivery::Portions => {
            each(|sql, parameters| extended(sql, parameters, Format::Binary, &[PORTION, PORTION, 0]))
        }
        Delivery::Pipelined => {
            let statements = step.statements.iter().map(|sql| extended(sql, &[], Format::Text, &[0]));
            vec![[statements.collect::<Vec<_>>().concat(), sync()].concat()]
        }
        Delivery::Named => each(|sql, parameters| {
            let again = bind(NAME, parameters, Format::Text);
            [close('S', NAME), parse(NAME, sql), again, describe('P', ""), execute("", 0)].concat()
        }),
        Delivery::Again => each(|_, parameters| {
            [bind(NAME, parameters, Format::Text), describe('P', ""), execute("", 0)].concat()
        }),
    }
}

fn extended(sql: &str, parameters: &[String], format: Format, portions: &[u32]) -> Vec<u8> {
    let executed: Vec<Vec<u8>> = portions.iter().map(|rows_max| execute("", *rows_max)).collect();
    [parse("", sql), bind("", parameters, format), describe('P', ""), executed.concat()].concat()
}

/// Bind of a statement to the unnamed portal (manual, "Bind"), parameters in text.
fn bind(statement: &str, parameters: &[String], format: Format) -> Vec<u8> {
    let count = u16::try_from(parameters.len()).expect("a statement has few parameters");
    let mut body = [text(""), text(statement), vec![0, 0], count.to_be_bytes().to_vec()].concat();
    for value in parameters {
        let length = u32::try_from(value.len()).expect("a parameter is short");
        body.extend(length.to_be_bytes());
        body.extend(value.as_bytes());
    }
    body.extend([0, 1, 0, format as u8]);
    message('B', &body)
}

/// Sends, and reads up to ReadyForQuery or the connection's end. `input` is sent when the server asks for data.
fn ask(raw: &mut Raw, bytes: &[u8], input: &str) -> Vec<Message> {
    let mut answer = Vec::new();
    let gone = |text: String| Message { tag: GONE, body: text.into_bytes() };
    if let Err(error) = raw.send(bytes) {
        return vec![gone(error.to_string())];
    }
    loop {
        match raw.message() {
            Ok(Some(next)) => {
                let tag = next.tag;
                answer.push(next);
                match tag {
                    'Z' => return answer,
                    // CopyInResponse.
                    'G' => {
                        let data = [message('d', input.as_bytes()), message('c', &[])].concat();
                        if let Err(error) = raw.send(&data) {
                            answer.push(gone(error.to_string()));
                            return answer;
                        }
                    }
                    _ => {}
                }
            }
            Ok(None) => {
                answer.push(gone("closed".to_owned()));
                return answer;
            }
            Err(error) => {
                answer.push(gone(error.to_string()));
                return answer;
            }
        }
    }
}
