//! Sessions in which both sides keep to the protocol: through the relay a client gets what a server gives that judges by
//! itself, whatever arrives when.
#![no_main]

use grille_fuzz::script::Session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|session: Session| {
    assert_eq!(session.through_relay(), session.direct(), "{session:?}");
});
