//! Words beside a finding, in the same text, that say what it is.

use std::ops::Range;

/// How far before a finding words count, in bytes.
const BEFORE_MAX: usize = 48;
/// How far behind it.
const BEHIND_MAX: usize = 24;

/// Whether one of the words (lower case) stands beside the place, in the same sentence. Whole words only, where
/// `cardNumber` and `card_number` are two.
pub(crate) fn stands_beside(text: &str, place: &Range<usize>, words: &[&str]) -> bool {
    let from = text.ceil_char_boundary(place.start.saturating_sub(BEFORE_MAX));
    let to = text.floor_char_boundary(text.len().min(place.end + BEHIND_MAX));
    has_word(sentence_end(&text[from..place.start]), words)
        || has_word(sentence_begin(&text[place.end..to]), words)
}

/// What follows the last sentence that ends in the text.
fn sentence_end(text: &str) -> &str {
    ends(text).last().map_or(text, |end| &text[end..])
}

/// What precedes the first sentence's end.
fn sentence_begin(text: &str) -> &str {
    ends(text).next().map_or(text, |end| &text[..end])
}

/// Where sentences end: a full stop, white space, a capital. `tel. 030` is none.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(['.', '!', '?']).map(|(place, _)| place + 1).filter(|&place| {
        let next = text[place..].trim_start();
        next.len() < text.len() - place && next.starts_with(char::is_uppercase)
    })
}

fn has_word(text: &str, words: &[&str]) -> bool {
    text.split(|c: char| !c.is_alphanumeric())
        .any(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known)) || has_hump(word, words))
}

/// Whether a word in camel case is made of one of the words.
fn has_hump(word: &str, words: &[&str]) -> bool {
    let mut rest = word;
    while let Some(end) = hump_end(rest) {
        let (hump, after) = rest.split_at(end);
        if words.iter().any(|known| hump.eq_ignore_ascii_case(known)) {
            return true;
        }
        rest = after;
    }
    rest.len() < word.len() && words.iter().any(|known| rest.eq_ignore_ascii_case(known))
}

/// Where a small letter is followed by a capital.
fn hump_end(word: &str) -> Option<usize> {
    let bytes = word.as_bytes();
    let hump = bytes.windows(2).position(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    hump.map(|place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_of_the_same_sentence_count() {
        let check = |text: &str, expected| {
            let start = text.find('#').expect("a place");
            assert_eq!(stands_beside(text, &(start..start + 1), &["card", "tel"]), expected, "{text}");
        };
        check("#", false);
        check("card #", true);
        check("# is my Card", true);
        check("{\"card_number\": \"#\"}", true);
        check("cardNumber=#", true);
        check("myCard=#", true);
        check("postcard #", false);
        check("cardboard #", false);
        check("tel. #", true);
        check("Lost my card. Order # today", false);
        check("Order #. Card follows", false);
        check("order #. card follows", true);
        check(&format!("card {}#", "x".repeat(48)), false);
        check(&format!("card {}#", "é".repeat(21)), true);
        check(&format!("#{} card", "é".repeat(24)), false);
    }
}
