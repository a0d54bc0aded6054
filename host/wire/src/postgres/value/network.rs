//! `inet`, `cidr`, `macaddr` and `macaddr8`.
//!
//! Binary `inet` and `cidr` are `network_send`'s: family (2 or 3, whatever the platform's numbers), prefix length, whether
//! it is a cidr, count of address bytes, address.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The one host of no network.
const SURROGATE: Network = Network { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 32 };

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let longest = bits(address);
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (address, prefix) = match *bytes {
            [FAMILY_V4, prefix, _, 4, a, b, c, d] => (IpAddr::from([a, b, c, d]), prefix),
            [FAMILY_V6, prefix, _, 16, ref address @ ..] => {
                (IpAddr::from(<[u8; 16]>::try_from(address).ok()?), prefix)
            }
            _ => return None,
        };
        (prefix <= bits(address)).then_some(Self { address, prefix })
    }

    fn encode(self, is_cidr: u8, out: &mut Vec<u8>) {
        match self.address {
            IpAddr::V4(address) => {
                out.extend([FAMILY_V4, self.prefix, is_cidr, 4]);
                out.extend(address.octets());
            }
            IpAddr::V6(address) => {
                out.extend([FAMILY_V6, self.prefix, is_cidr, 16]);
                out.extend(address.octets());
            }
        }
    }

    fn redacted(self) -> Self {
        let address = match self.address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self { address, ..self }
    }

    /// An address for private use (RFC 1918, RFC 4193), so that a token is never somebody's.
    fn tokenised(self, tokens: &Tokenizer) -> Self {
        let mut value = Vec::new();
        self.encode(0, &mut value);
        let mut stream = tokens.stream(Domain::Network, &value);
        let address: IpAddr = match self.address {
            IpAddr::V4(_) => {
                let [b, c, d] = stream.bytes();
                [10, b, c, d].into()
            }
            IpAddr::V6(_) => {
                let mut octets: [u8; 16] = stream.bytes();
                octets[0] = 0xfd;
                octets.into()
            }
        };
        Self { address, ..self }.unless(self)
    }

    /// Itself, or all zeros when it is the value it was made from.
    fn unless(self, value: Self) -> Self {
        if self == value { self.redacted() } else { self }
    }

    /// The network without the bits of a host, as `cidr` demands.
    fn without_host(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Self { address, ..self }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A value of type `inet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inet(Network);

impl Scalar for Inet {
    fn surrogate(_typmod: i32) -> Self {
        Self(SURROGATE)
    }

    fn from_text(text: &str) -> Option<Self> {
        Network::parse(text).map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        Network::decode(bytes).map(Self)
    }

    fn redacted(&self) -> Self {
        Self(self.0.redacted())
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(self.0.tokenised(tokens))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let Network { address, prefix } = self.0;
        let text = if prefix == bits(address) { address.to_string() } else { format!("{address}/{prefix}") };
        out.extend_from_slice(text.as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        self.0.encode(0, out);
    }
}

/// A value of type `cidr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr(Network);

impl Scalar for Cidr {
    fn surrogate(_typmod: i32) -> Self {
        Self(SURROGATE)
    }

    fn from_text(text: &str) -> Option<Self> {
        Network::parse(text).map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        Network::decode(bytes).map(Self)
    }

    fn redacted(&self) -> Self {
        Self(self.0.redacted())
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(self.0.tokenised(tokens).without_host().unless(self.0))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{}/{}", self.0.address, self.0.prefix).as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        self.0.encode(1, out);
    }
}

/// A value of type `macaddr` (6 bytes) or `macaddr8` (8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HardwareAddress<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Scalar for HardwareAddress<BYTES> {
    fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2)?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn surrogate(_typmod: i32) -> Self {
        Self([0; BYTES])
    }

    /// A locally administered address of a single station (IEEE 802 section 8.2), so that a token is never a device's.
    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        let mut keyed = tokens.stream(Domain::HardwareAddress, &self.0).bytes();
        if let [first, ..] = &mut keyed[..] {
            *first = *first & 0xfc | 0x02;
        }
        if keyed == self.0 { self.redacted() } else { Self(keyed) }
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let mut text = String::new();
        for (at, byte) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ":" };
            write!(text, "{separator}{byte:02x}").expect("a string takes everything");
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn text<S: Scalar>(value: &S) -> String {
        let mut out = Vec::new();
        value.write_text(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn prefixes_stay() {
        let check = |inet: &str, redacted: &str, start: &str, end: &str| {
            let value = Inet::from_text(inet).expect("an address");
            assert_eq!(text(&value), inet);
            assert_eq!(text(&value.redacted()), redacted);
            let token = text(&value.tokenised(&tokens()));
            assert!(token.starts_with(start) && token.ends_with(end), "{inet} became {token}");
        };
        check("192.0.2.1", "0.0.0.0", "10.", "");
        check("192.0.2.1/24", "0.0.0.0/24", "10.", "/24");
        check("2001:db8::1", "::", "fd", "");
        check("2001:db8::1/64", "::/64", "fd", "/64");
    }

    #[test]
    fn a_cidr_has_no_host_bits() {
        for cidr in
            ["192.0.2.0/24", "10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1", "2001:db8::/32", "::/0", "::1/128"]
        {
            let value = Cidr::from_text(cidr).expect("a network");
            assert_eq!(text(&value), cidr);
            let token = value.tokenised(&tokens());
            assert_eq!(token.0.without_host(), token.0, "{cidr}");
            assert_eq!(token.0.prefix, value.0.prefix);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for inet in ["", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1", "a/b"] {
            assert_eq!(Inet::from_text(inet), None, "{inet}");
        }
        let binaries: [&[u8]; 4] =
            [&[], &[2, 33, 0, 4, 1, 2, 3, 4], &[2, 32, 0, 4, 1, 2, 3], &[3, 128, 0, 16, 0, 0]];
        for bytes in binaries {
            assert_eq!(Inet::from_binary(bytes), None, "{bytes:?}");
        }
        for mac in ["", "08:00:2b:01:02", "08:00:2b:01:02:03:04", "08-00-2b-01-02-03", "8:0:2b:1:2:3"] {
            assert_eq!(HardwareAddress::<6>::from_text(mac), None, "{mac}");
        }
    }

    #[test]
    fn hardware_tokens_are_locally_administered() {
        let value = HardwareAddress::<6>::from_text("08:00:2b:01:02:03").expect("an address");
        assert_eq!(text(&value), "08:00:2b:01:02:03");
        let token = value.tokenised(&tokens());
        assert_eq!(token.0[0] & 3, 2);
        assert_eq!(text(&value.redacted()), "00:00:00:00:00:00");
    }
}
