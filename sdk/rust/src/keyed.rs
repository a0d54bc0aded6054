//! Capability of maskers: transforms under a key that the host keeps and no plugin sees. Equal inputs give equal outputs
//! within a plugin and a domain, unrelated ones elsewhere.
//!
//! In native tests a plugin has what `testing::Capabilities` granted it on this thread, and else nothing but failures.

use crate::Failure;

/// The method that makes 20 printable characters of a value.
pub const TOKEN: &str = "token";

/// The method that makes 64 hexadecimal digits of a value.
pub const HMAC_SHA256: &str = "hmac-sha256";

/// As many values as were given, in their order; at most 65,536 in one call, which is cheaper than many calls. `domain` has at
/// most 256 bytes: `email`, `customer-id`.
///
/// # Errors
/// There is no such method, or there are too many values.
pub fn transform(method: &str, domain: &str, values: &[&[u8]]) -> Result<Vec<Vec<u8>>, Failure> {
    #[cfg(target_arch = "wasm32")]
    return on_the_host(method, domain, values);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::native::with(|granted| granted.transform(method, domain, values));
}

#[cfg(target_arch = "wasm32")]
fn on_the_host(method: &str, domain: &str, values: &[&[u8]]) -> Result<Vec<Vec<u8>>, Failure> {
    use crate::component::masker::bindings::grille::plugin::keyed as wit;
    let mut input = wit::Values { offsets: vec![0], data: Vec::new() };
    for value in values {
        input.data.extend_from_slice(value);
        let end = u32::try_from(input.data.len()).map_err(|_| Failure::new("more than 4 GiB of values"))?;
        input.offsets.push(end);
    }
    let output = wit::transform(method, domain, &input).map_err(crate::component::failure)?;
    let cut = |ends: &[u32]| output.data.get(ends[0] as usize..ends[1] as usize).map(<[u8]>::to_vec);
    let made: Option<Vec<_>> = output.offsets.windows(2).map(cut).collect();
    made.filter(|made| made.len() == values.len())
        .ok_or_else(|| Failure::new("the host broke its promise about values"))
}
