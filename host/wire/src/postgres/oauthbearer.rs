//! SASL mechanism OAUTHBEARER (RFC 7628) in PostgreSQL's messages (manual, "SASL Authentication" and "SASL OAUTHBEARER
//! Authentication"): what the server asks, what the client answers, and what is said when that will not do. The token is
//! taken out, not looked at; how long a message may be is for who reads it to say.
//!
//! One round if the token is good: AuthenticationSASL, SASLInitialResponse, AuthenticationOk. Otherwise, or if the client has
//! none and wants to know where to get one: AuthenticationSASL, SASLInitialResponse, AuthenticationSASLContinue with a JSON
//! object, SASLResponse of one byte, ErrorResponse.

use bytes::{BufMut, BytesMut};

use super::frame::{self, Body, put};

/// The mechanism's name.
const MECHANISM: &str = "OAUTHBEARER";
/// What separates and ends the pairs of a client's response (RFC 7628, section 3.1).
const SEPARATOR: u8 = 0x01;

/// Room for what a SASLInitialResponse holds beside the token: message, mechanism, GS2 header, and pairs such as `host` and
/// `port`, which are passed over.
pub const BEARER_OVERHEAD_BYTES_MAX: usize = 1024;

/// What the client answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BearerRequest<'m> {
    /// It has no token, and asks where it could get one.
    Discovery,
    /// This is its token: `b64token` of RFC 6750, section 2.1.
    Token(&'m str),
}

impl std::fmt::Debug for BearerRequest<'_> {
    /// Not the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Discovery => "Discovery",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// The client's answer is not one of OAUTHBEARER. Its fault; the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// Another message, or one whose lengths do not fit.
    #[error("a SASL message was expected")]
    NotSasl,
    /// It chose a mechanism that was not offered.
    #[error("the client chose a SASL mechanism that was not offered: only {MECHANISM} is")]
    OtherMechanism,
    /// It wants channel binding, of which the mechanism knows nothing.
    #[error("{MECHANISM} has no channel binding")]
    ChannelBinding,
    /// It wants to be somebody else than the token says.
    #[error("an authorization identity beside the token is not supported")]
    AuthorizationIdentity,
    /// It does not have the mechanism's form.
    #[error("the {MECHANISM} message is malformed: {0}")]
    Malformed(&'static str),
}

/// Writes an AuthenticationSASL that offers the mechanism and no other.
pub fn put_bearer_request(out: &mut BytesMut) {
    put(out, b'R', |out| {
        out.put_u32(10);
        out.extend_from_slice(MECHANISM.as_bytes());
        // The name's end, and the list's.
        out.extend_from_slice(&[0, 0]);
    });
}

/// Writes an AuthenticationSASLContinue with the server's error result (RFC 7628, section 3.2.2): a JSON object.
pub fn put_bearer_refusal(out: &mut BytesMut, json: &str) {
    put(out, b'R', |out| {
        out.put_u32(11);
        out.extend_from_slice(json.as_bytes());
    });
}

/// Reads a whole SASLInitialResponse.
///
/// # Errors
/// When it is anything else, or its response is not the mechanism's.
pub fn take_bearer_request(message: &[u8]) -> Result<BearerRequest<'_>, BearerError> {
    let mut body = sasl_body(message)?;
    let mechanism = body.string().map_err(|_| BearerError::NotSasl)?;
    if mechanism != MECHANISM.as_bytes() {
        return Err(BearerError::OtherMechanism);
    }
    let response = body.value().map_err(|_| BearerError::NotSasl)?;
    body.end().map_err(|_| BearerError::NotSasl)?;
    // The client speaks first in this mechanism; libpq does so in this message.
    let response = response.ok_or(BearerError::Malformed("there is no initial response"))?;
    decode_response(response)
}

/// Reads the whole SASLResponse by which a client takes note of a refusal (RFC 7628, section 3.2.3).
///
/// # Errors
/// When it is anything else.
pub fn take_bearer_farewell(message: &[u8]) -> Result<(), BearerError> {
    let mut body = sasl_body(message)?;
    let taken = body.u8().map_err(|_| BearerError::NotSasl)?;
    if taken == SEPARATOR && body.end().is_ok() {
        Ok(())
    } else {
        Err(BearerError::Malformed("a refusal is answered by the byte 01 alone"))
    }
}

/// SASLInitialResponse and SASLResponse have the tag of PasswordMessage.
fn sasl_body(message: &[u8]) -> Result<Body<'_>, BearerError> {
    let header = frame::header(message).ok().flatten().ok_or(BearerError::NotSasl)?;
    if header.tag != b'p' || header.total != message.len() {
        return Err(BearerError::NotSasl);
    }
    Ok(Body::of(message))
}

/// `client-resp` of RFC 7628, section 3.1: a GS2 header, a separator, pairs that each end with one, and one more.
fn decode_response(response: &[u8]) -> Result<BearerRequest<'_>, BearerError> {
    let mut rest = after_gs2_header(response)?;
    let mut auth = None;
    loop {
        let end = memchr::memchr(SEPARATOR, rest).ok_or(BearerError::Malformed("it has no end"))?;
        let (pair, behind) = (&rest[..end], &rest[end + 1..]);
        if pair.is_empty() {
            if !behind.is_empty() {
                return Err(BearerError::Malformed("something follows its end"));
            }
            return take_token(auth.ok_or(BearerError::Malformed("there is no `auth` in it"))?);
        }
        let (key, value) = split_pair(pair)?;
        if key == b"auth" && auth.replace(value).is_some() {
            return Err(BearerError::Malformed("there is more than one `auth` in it"));
        }
        rest = behind;
    }
}

/// RFC 5801, section 4: what the client says of channel binding, and an authorization identity.
fn after_gs2_header(response: &[u8]) -> Result<&[u8], BearerError> {
    match response {
        [b'n' | b'y', b',', b',', SEPARATOR, rest @ ..] => Ok(rest),
        [b'n' | b'y', b',', b'a', ..] => Err(BearerError::AuthorizationIdentity),
        [b'p', ..] => Err(BearerError::ChannelBinding),
        _ => Err(BearerError::Malformed("it does not begin with `n,,`")),
    }
}

/// A pair's key is letters, its value visible ASCII and white space.
fn split_pair(pair: &[u8]) -> Result<(&[u8], &[u8]), BearerError> {
    let equals = memchr::memchr(b'=', pair).ok_or(BearerError::Malformed("a pair has no `=`"))?;
    let (key, value) = (&pair[..equals], &pair[equals + 1..]);
    if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
        return Err(BearerError::Malformed("a pair's key is not letters"));
    }
    if !value.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        return Err(BearerError::Malformed("a pair's value is not visible ASCII"));
    }
    Ok((key, value))
}

/// `Bearer`, in any case, and a token (RFC 6750, section 2.1); nothing at all is a question.
fn take_token(auth: &[u8]) -> Result<BearerRequest<'_>, BearerError> {
    const NO_BEARER: BearerError = BearerError::Malformed("`auth` is not `Bearer` and a token");
    if auth.is_empty() {
        return Ok(BearerRequest::Discovery);
    }
    let auth = std::str::from_utf8(auth).map_err(|_| NO_BEARER)?;
    let (scheme, token) = auth.split_once(' ').ok_or(NO_BEARER)?;
    let token = token.trim_start_matches(' ');
    let without_padding = token.trim_end_matches('=');
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let is_token = !without_padding.is_empty() && without_padding.bytes().all(allowed);
    if scheme.eq_ignore_ascii_case("Bearer") && is_token {
        Ok(BearerRequest::Token(token))
    } else {
        Err(NO_BEARER)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(body: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out, b'p', |out| out.extend_from_slice(body));
        out.to_vec()
    }

    fn initial(mechanism: &str, response: &[u8]) -> Vec<u8> {
        let length = u32::try_from(response.len()).expect("a short response").to_be_bytes();
        message(&[mechanism.as_bytes(), &[0], &length, response].concat())
    }

    fn check(response: &str, expected: Result<BearerRequest<'_>, BearerError>) {
        let message = initial(MECHANISM, response.as_bytes());
        let taken = take_bearer_request(&message);
        assert!(taken == expected, "{response:?}: {taken:?}");
    }

    fn refused(response: &str, why: &'static str) {
        check(response, Err(BearerError::Malformed(why)));
    }

    #[test]
    fn what_libpq_sends_is_understood() {
        check(
            "n,,\x01auth=Bearer abc.def-1_2~3+4/5==\x01\x01",
            Ok(BearerRequest::Token("abc.def-1_2~3+4/5==")),
        );
        check("n,,\x01auth=\x01\x01", Ok(BearerRequest::Discovery));
    }

    #[test]
    fn other_spellings_of_the_same_are_understood() {
        check("y,,\x01auth=bearer   abc\x01\x01", Ok(BearerRequest::Token("abc")));
        check(
            "n,,\x01host=db.example.com\x01port=5432\x01auth=BEARER abc\x01note=\t\x01\x01",
            Ok(BearerRequest::Token("abc")),
        );
    }

    #[test]
    fn what_is_not_in_the_form_of_the_mechanism_is_refused() {
        refused("", "it does not begin with `n,,`");
        refused("n", "it does not begin with `n,,`");
        refused("n,\x01auth=Bearer abc\x01\x01", "it does not begin with `n,,`");
        refused("n,,auth=Bearer abc\x01\x01", "it does not begin with `n,,`");
        refused("n,,\x01auth=Bearer abc", "it has no end");
        refused("n,,\x01auth=Bearer abc\x01", "it has no end");
        refused("n,,\x01auth=Bearer abc\x01\x01x", "something follows its end");
        refused("n,,\x01\x01", "there is no `auth` in it");
        refused("n,,\x01host=x\x01\x01", "there is no `auth` in it");
        refused("n,,\x01auth=\x01auth=Bearer abc\x01\x01", "there is more than one `auth` in it");
        refused("n,,\x01auth\x01\x01", "a pair has no `=`");
        refused("n,,\x01=x\x01auth=\x01\x01", "a pair's key is not letters");
        refused("n,,\x01au th=x\x01\x01", "a pair's key is not letters");
        refused("n,,\x01auth=Bearer a\0b\x01\x01", "a pair's value is not visible ASCII");
        refused("n,,\x01auth=Bearer ä\x01\x01", "a pair's value is not visible ASCII");
        for auth in
            ["abc", "Bearer", "Bearer ", "Bearer ==", "Bearer a b", "Bearer a=b", "Basic abc", "Bearer\tabc"]
        {
            refused(&format!("n,,\x01auth={auth}\x01\x01"), "`auth` is not `Bearer` and a token");
        }
        check("p=tls-exporter,,\x01auth=\x01\x01", Err(BearerError::ChannelBinding));
        check("n,a=ada,\x01auth=\x01\x01", Err(BearerError::AuthorizationIdentity));
    }

    #[test]
    fn only_a_whole_message_of_the_mechanism_is_taken() {
        let good = initial(MECHANISM, b"n,,\x01auth=\x01\x01");
        let check =
            |message: &[u8], expected| assert_eq!(take_bearer_request(message), Err(expected), "{message:?}");
        for end in 0..good.len() {
            check(&good[..end], BearerError::NotSasl);
        }
        check(&[&good[..], b"x"].concat(), BearerError::NotSasl);
        check(&[b"q", &good[1..]].concat(), BearerError::NotSasl);
        check(&initial("SCRAM-SHA-256", b"n,,"), BearerError::OtherMechanism);
        check(&initial("", b""), BearerError::OtherMechanism);
        check(
            &message(b"OAUTHBEARER\0\xff\xff\xff\xff"),
            BearerError::Malformed("there is no initial response"),
        );
        for length in [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xfe", b"\0\0\0\x05"] {
            check(&message(&[b"OAUTHBEARER\0", &length[..], b"n,,"].concat()), BearerError::NotSasl);
        }
        // A password, which has the same tag.
        check(&message(b"a-token\0"), BearerError::OtherMechanism);
    }

    #[test]
    fn a_refusal_is_answered_by_one_byte() {
        assert_eq!(take_bearer_farewell(&message(b"\x01")), Ok(()));
        assert_eq!(take_bearer_farewell(&message(b"")), Err(BearerError::NotSasl));
        for other in [&b"\x00"[..], b"\x01\x01", b"n,,"] {
            assert!(matches!(take_bearer_farewell(&message(other)), Err(BearerError::Malformed(_))));
        }
    }

    #[test]
    fn what_the_server_says_has_its_layout() {
        let mut out = BytesMut::new();
        put_bearer_request(&mut out);
        assert_eq!(&out[..], b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0");
        out.clear();
        put_bearer_refusal(&mut out, "{}");
        assert_eq!(&out[..], b"R\0\0\0\x0a\0\0\0\x0b{}");
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", BearerRequest::Token("abc")), "Token(…)");
    }

    proptest! {
        #[test]
        fn every_token_comes_back_as_it_was(token in "[A-Za-z0-9._~+/-]{1,200}={0,2}") {
            let message = initial(MECHANISM, format!("n,,\x01auth=Bearer {token}\x01\x01").as_bytes());
            prop_assert_eq!(take_bearer_request(&message), Ok(BearerRequest::Token(&token)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = take_bearer_request(&bytes);
            let _ = take_bearer_request(&message(&bytes));
            let _ = take_bearer_request(&initial(MECHANISM, &bytes));
            let _ = take_bearer_farewell(&bytes);
        }

        #[test]
        fn what_is_taken_of_near_misses_is_a_token(pieces in proptest::collection::vec(
            prop_oneof![
                Just("n,,"), Just("y,"), Just("p="), Just("\x01"), Just("auth="), Just("Bearer "), Just("="),
                Just("abc"), Just("\0"), Just("host=x"), Just(" ")
            ],
            0..12,
        )) {
            let message = initial(MECHANISM, pieces.concat().as_bytes());
            if let Ok(BearerRequest::Token(token)) = take_bearer_request(&message) {
                prop_assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
