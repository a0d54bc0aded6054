//! Whether something leaked: a piece of a protected value in the answer, or two answers that differ although the twins
//! differ in nothing else.

use crate::canary::Detector;
use crate::play::Transcript;
use crate::report::Outcome;

/// Judges what the twins answered to the same script.
pub(crate) fn attempt(a: &Transcript, b: &Transcript, detector: &Detector) -> Outcome {
    for transcript in [a, b] {
        // A correlation id is random, and eight hexadecimal digits can stand for any four letters.
        for message in transcript.normal() {
            let piece = detector.find(&message, &transcript.sent).or_else(|| detector.find_base64(&message));
            if let Some(piece) = piece {
                return Outcome::Leaked(format!("`{}` of a protected value came back", piece.escape_debug()));
            }
        }
    }
    if let Some(difference) = difference(a, b, Transcript::normal) {
        return Outcome::Leaked(format!("the answer depends on protected values: {difference}"));
    }
    if a.is_cut_short() || b.is_cut_short() {
        return Outcome::Unjudged("no answer in time".to_owned());
    }
    match a.has_refusal() {
        true => Outcome::Refused,
        false => Outcome::Masked,
    }
}

/// Judges what a legitimate client got through Grille beside what it gets without.
pub(crate) fn legitimate(direct: &Transcript, through: &Transcript) -> Outcome {
    if direct.is_cut_short() {
        return Outcome::Unjudged("no answer in time without Grille".to_owned());
    }
    match difference(direct, through, Transcript::without_source) {
        Some(difference) => Outcome::Changed(difference),
        None => Outcome::Same,
    }
}

/// The first difference, in words.
fn difference(
    one: &Transcript,
    other: &Transcript,
    normal: fn(&Transcript) -> Vec<Vec<u8>>,
) -> Option<String> {
    if one.endings != other.endings {
        return Some(format!("{:?} and {:?}", one.endings, other.endings));
    }
    let (ours, theirs) = (normal(one), normal(other));
    let at = ours.iter().zip(&theirs).position(|(one, other)| one != other);
    let at = at.or((ours.len() != theirs.len()).then_some(ours.len().min(theirs.len())))?;
    Some(format!("{} and {}", shown(ours.get(at)), shown(theirs.get(at))))
}

/// Longest part of a message that is shown, in bytes.
const SHOWN_BYTES: usize = 160;

fn shown(message: Option<&Vec<u8>>) -> String {
    let Some(message) = message else { return "nothing".to_owned() };
    let start = &message[..message.len().min(SHOWN_BYTES)];
    let text: String =
        String::from_utf8_lossy(start).chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::canary::Known;
    use crate::session::Ending;

    fn transcript(messages: &[&[u8]]) -> Transcript {
        let messages = messages.iter().map(|message| Bytes::copy_from_slice(message)).collect();
        Transcript { messages, sent: Vec::new(), endings: vec![Ending::Ready] }
    }

    fn judge(a: &[&[u8]], b: &[&[u8]]) -> Outcome {
        attempt(&transcript(a), &transcript(b), &Detector::new())
    }

    const REFUSED: &[u8] = b"E\0\0\0\x0dC42501\0\0";

    #[test]
    fn the_same_from_both_twins_is_no_leak() {
        assert_eq!(judge(&[b"D\0\0\0\x08row1"], &[b"D\0\0\0\x08row1"]), Outcome::Masked);
        assert_eq!(judge(&[REFUSED], &[REFUSED]), Outcome::Refused);
    }

    #[test]
    fn a_difference_is_a_leak_whatever_it_is() {
        let leaks =
            |a: &[&[u8]], b: &[&[u8]]| assert!(matches!(judge(a, b), Outcome::Leaked(_)), "{a:?} {b:?}");
        leaks(&[b"D\0\0\0\x08row1"], &[b"D\0\0\0\x08row2"]);
        leaks(&[b"D\0\0\0\x08row1"], &[]);
        leaks(&[REFUSED], &[b"D\0\0\0\x08row1"]);
        let mut closed = transcript(&[]);
        closed.endings = vec![Ending::Closed];
        assert!(matches!(attempt(&transcript(&[]), &closed, &Detector::new()), Outcome::Leaked(_)));
    }

    #[test]
    fn a_piece_is_a_leak_even_from_both() {
        let row = format!("D....{}", &Known::new().ssn[2..7]);
        assert!(matches!(judge(&[row.as_bytes()], &[row.as_bytes()]), Outcome::Leaked(_)));
    }

    #[test]
    fn a_correlation_id_is_no_piece() {
        let id: String = Known::new().ssn.bytes().take(4).map(|byte| format!("{byte:02x}")).collect();
        let refused = |detail: &str| [b"E\0\0\0\x40C42501\0D", detail.as_bytes(), b"\0\0"].concat();
        let harmless = refused(&format!("Grille correlation id {id}-4."));
        assert_eq!(judge(&[&harmless], &[&harmless]), Outcome::Refused);
        let leak = refused(&format!("Failing row contains ({id})."));
        assert!(matches!(judge(&[&leak], &[&leak]), Outcome::Leaked(_)));
    }

    #[test]
    fn silence_is_not_taken_for_safety() {
        let mut silent = transcript(&[]);
        silent.endings = vec![Ending::TimedOut];
        let other = Transcript { messages: Vec::new(), sent: Vec::new(), endings: vec![Ending::TimedOut] };
        assert!(matches!(attempt(&silent, &other, &Detector::new()), Outcome::Unjudged(_)));
    }

    #[test]
    fn legitimate_answers_must_be_the_servers() {
        let direct = transcript(&[b"D\0\0\0\x08row1"]);
        assert_eq!(legitimate(&direct, &transcript(&[b"D\0\0\0\x08row1"])), Outcome::Same);
        assert!(matches!(legitimate(&direct, &transcript(&[REFUSED])), Outcome::Changed(_)));
    }
}
