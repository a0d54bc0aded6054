//! The real things that end-to-end tests, the demonstration and the driver suites run against: PostgreSQL from the
//! system's packages, an OpenID Connect issuer, drivers, and the built `grille`.
//!
//! Starts, stops and speaks to processes; holds no expectation about what Grille does. Everything listens on loopback,
//! on free ports, with passwords, keys and certificates made when it starts, and goes away with the test that started it.
#![forbid(unsafe_code)]

pub mod authority;
pub mod component;
pub mod distribution;
pub mod endpoint;
pub mod grille;
pub mod http;
pub mod identity_provider;
pub mod loopback;
pub mod policy;
pub mod postgres;
pub mod prepared;
pub mod python;
pub mod random;
pub mod sample;
pub mod scratch;
pub mod supervised;
pub mod tls;
pub mod usage;
pub mod vendor;
pub mod wait;
pub mod workspace;

pub use authority::Authority;
pub use distribution::Distribution;
pub use endpoint::{Endpoint, Ran};
pub use grille::{Grille, GrilleOptions};
pub use identity_provider::{IdentityClient, IdentityProvider, Signature};
pub use postgres::{PostgresOptions, PostgresServer};
pub use python::Python;
pub use vendor::Vendor;
