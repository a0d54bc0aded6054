//! The first packet of a connection and the messages that carry a token, from bytes of a client that nobody knows yet.
#![no_main]

use bytes::BytesMut;
use grille_wire::postgres::{
    BearerRequest, FirstPacket, Startup, decode_first_packet, first_packet_length,
    put_negotiate_protocol_version, take_bearer_farewell, take_bearer_request, take_password,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check_password(bytes);
    check_bearer(bytes);
    let Some((length, packet)) = bytes.split_first_chunk::<4>() else { return };
    if let Ok(length) = first_packet_length(*length) {
        assert!((4..=9996).contains(&length));
    }
    match decode_first_packet(packet) {
        Ok(FirstPacket::Startup(startup)) => check_startup(&startup, packet),
        Ok(FirstPacket::CancelRequest(key)) => assert!((4..=256).contains(&key.secret.len())),
        Ok(FirstPacket::SslRequest | FirstPacket::GssEncryptionRequest) => assert_eq!(packet.len(), 4),
        Err(_) => {}
    }
});

fn check_startup(startup: &Startup, packet: &[u8]) {
    let texts = startup.parameters.iter().map(|(name, value)| name.len() + value.len());
    assert!(texts.sum::<usize>() < packet.len(), "more came out than went in");
    for (name, _) in &startup.parameters {
        assert!(startup.parameter(name).is_some() && !name.starts_with("_pq_."));
    }
    assert!(startup.agreed_protocol() <= startup.protocol.max(startup.agreed_protocol()));
    put_negotiate_protocol_version(&mut BytesMut::new(), startup);
    if startup.options.is_empty() {
        assert_eq!(decode_first_packet(&encoded(startup)), Ok(FirstPacket::Startup(startup.clone())));
    }
}

/// The packet as a client that has these parameters would send it.
fn encoded(startup: &Startup) -> Vec<u8> {
    let mut packet = startup.protocol.to_be_bytes().to_vec();
    for (name, value) in &startup.parameters {
        packet.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    packet.push(0);
    packet
}

/// A token is a part of the message, in characters that a token has; no message is both, an answer and a farewell.
fn check_bearer(bytes: &[u8]) {
    let taken = take_bearer_request(bytes);
    if let Ok(BearerRequest::Token(token)) = taken {
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    if taken.is_ok() {
        assert!(take_bearer_farewell(bytes).is_err());
    }
}

/// A password is what stands between the header and the one zero byte at the end.
fn check_password(bytes: &[u8]) {
    if let Some(password) = take_password(bytes) {
        assert_eq!(bytes, grille_fuzz::wire::texts(b'p', &[password.as_bytes()]));
    }
}
