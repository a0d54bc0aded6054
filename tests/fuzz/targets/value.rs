//! Cells of every type as a hostile server might send them: read, masked, and what was planted is gone.
#![no_main]

use grille_fuzz::cells::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: Case| case.check());
