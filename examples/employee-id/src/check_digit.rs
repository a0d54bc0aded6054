//! The check digit: digits times 7, 6, 5, … summed, and what is missing to a multiple of eleven; numbers for which that would
//! be ten are not given out.

/// Whether `check` is the digit that belongs to `digits`. Whatever is no digit belongs to nothing.
pub(crate) fn holds(digits: &[u8], check: u8) -> bool {
    if !digits.iter().chain([&check]).all(u8::is_ascii_digit) {
        return false;
    }
    let weights = (2..=digits.len() + 1).rev();
    let sum: usize =
        digits.iter().zip(weights).map(|(digit, weight)| usize::from(digit - b'0') * weight).sum();
    (sum + usize::from(check - b'0')) % 11 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_digit_holds_at_most() {
        for (number, expected) in [("104233", "5"), ("000000", "0"), ("000017", "5")] {
            let holding: String =
                ('0'..='9').filter(|check| holds(number.as_bytes(), *check as u8)).collect();
            assert_eq!(holding, expected, "{number}");
        }
    }

    #[test]
    fn a_slip_is_noticed() {
        assert!(holds(b"104233", b'5'));
        for slip in [&b"104232"[..], b"014233", b"104323", b"1O4233", b""] {
            assert!(!holds(slip, b'5'), "{slip:?}");
        }
    }
}
