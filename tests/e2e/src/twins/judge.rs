//! Whether what the twins and the direct connection answered is as it must be.

use std::fmt;

use super::play::Transcript;
use super::stage::Answers;
use crate::Message;
use crate::generate::{Expected, Script};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The twins can be told apart: something of a protected value came out.
    Leak,
    /// Grille refused what mentions nothing protected.
    Refusal,
    /// What mentions nothing protected was answered otherwise than by the server itself.
    Change,
}

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub problem: Problem,
    /// In answer to which step; none for the login.
    pub step: Option<usize>,
    /// What was answered, in words.
    pub answers: [String; 2],
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, step, answers: [one, other] } = self;
        writeln!(f, "{problem:?} in step {step:?}")?;
        writeln!(f, "  one:   {one}\n  other: {other}")
    }
}

/// The first thing that is wrong. Leaks come first, wherever they are.
pub fn judge(script: &Script, answers: &Answers) -> Option<Finding> {
    leak(&answers.left, &answers.right).or_else(|| compare_direct(script, answers))
}

fn leak(left: &Transcript, right: &Transcript) -> Option<Finding> {
    let finding = |step, one: &[Message], other: &[Message]| Finding {
        problem: Problem::Leak,
        step,
        answers: first_difference(one, other),
    };
    if left.login != right.login {
        return Some(finding(None, &left.login, &right.login));
    }
    let steps = left.steps.iter().zip(&right.steps).enumerate();
    let differing = steps.into_iter().find(|(_, (one, other))| one != other);
    differing.map(|(step, (one, other))| finding(step.checked_sub(1), one, other))
}

/// Where nothing protected is mentioned, the answer is the server's own. After a step that may have changed something and
/// may have been refused, the two databases need not hold the same.
fn compare_direct(script: &Script, answers: &Answers) -> Option<Finding> {
    for (index, step) in script.steps.iter().enumerate() {
        let (through, direct) = (answers.left.steps.get(index + 1)?, answers.direct.steps.get(index + 1)?);
        let is_compared = match step.expected {
            Expected::Direct => true,
            Expected::DirectUnlessError => !direct.iter().any(|message| message.tag == 'E'),
            Expected::Anything => false,
        };
        if is_compared && through != direct {
            let refused = through.iter().any(is_refusal);
            let problem = if refused { Problem::Refusal } else { Problem::Change };
            return Some(Finding { problem, step: Some(index), answers: first_difference(through, direct) });
        }
        if step.expected != Expected::Direct && !step.only_reads() {
            return None;
        }
    }
    None
}

/// Whether an error is Grille's own: the server's say where in its source they were raised.
pub fn is_refusal(message: &Message) -> bool {
    message.tag == 'E' && !message.body.split(|byte| *byte == 0).any(|field| field.first() == Some(&b'R'))
}

/// The first pair of messages that are not the same, in words.
fn first_difference(one: &[Message], other: &[Message]) -> [String; 2] {
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    [one, other].map(|messages| {
        messages.get(at).map_or_else(
            || "nothing".to_owned(),
            |message| {
                let text = String::from_utf8_lossy(&message.body).replace('\0', "␀");
                format!("{} {text:?}", message.tag)
            },
        )
    })
}
