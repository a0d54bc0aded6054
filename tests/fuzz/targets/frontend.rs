//! Whatever bytes a client sends: nothing runs that was not permitted as it runs, memory is bounded, and how the bytes were
//! cut makes no difference.
#![no_main]

use grille_fuzz::play::Play;
use grille_wire::postgres::Violation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (whole, ended_whole) = play(bytes, usize::MAX);
    let (parts, ended_parts) = play(bytes, 1);
    assert_eq!(ended_whole, ended_parts, "cut differently, it ends differently");
    // Once the client has broken the protocol, what was still on its way is lost.
    if ended_whole.is_ok() {
        assert_eq!(whole.received, parts.received, "cut differently, the client gets something else");
        assert_eq!(whole.reached, parts.reached, "cut differently, the server gets something else");
    }
});

/// The client's bytes, then everything the server has to say of them, each in chunks.
fn play(bytes: &[u8], chunk: usize) -> (Play, Result<(), Violation>) {
    let mut play = Play::new();
    let sent = bytes.chunks(chunk).try_for_each(|chunk| play.client_sends(chunk));
    // What was released before the client broke the protocol is on its way.
    let ended = sent.and_then(|()| play.run_dry(chunk));
    (play, ended)
}
