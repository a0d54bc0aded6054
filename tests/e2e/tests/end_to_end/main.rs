//! What clients see, end to end: one program, so that it is linked once, and so that tests of one matter go on while those of
//! another wait for a server. Those of `robustness.rs` count what processes use, and are a program of their own.
#![forbid(unsafe_code)]

mod blocking;
mod bypasses;
mod canaries;
mod concurrent_definitions;
mod copy;
mod example_plugins;
mod expiry;
mod function_call;
mod hostile;
mod hostile_languages;
mod kill;
mod leaks;
mod lineage;
mod lineage_review;
mod masking;
mod noninterference;
mod oauthbearer;
mod observation;
mod plugin_cli;
mod plugin_dev;
mod plugin_trust;
mod protocol;
mod raw_client;
mod rollout;
mod round_trip;
mod signed_swaps;
mod string_literals;
mod swapping;
mod tokens;
mod vectors;
