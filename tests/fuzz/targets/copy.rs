//! Data of a COPY as a hostile server might send it: nothing gets lost, what is not treated stays, and what is treated is gone.
#![no_main]

use grille_fuzz::copies::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: Case| case.check());
