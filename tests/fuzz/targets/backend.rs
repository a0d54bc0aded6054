//! Whatever a server sends: no row under inspection reaches the client as it was.
#![no_main]

use grille_fuzz::backend::Hostility;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|hostility: Hostility| hostility.play());
