//! Where a request may go: the operator's list, the addresses a URL names, and which IP addresses are public.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host that a plugin may send requests to: `HOST:PORT`, or `HOST:PORT=ADDRESS` with the address pinned, which is how a
/// host in a private network is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressHost {
    name: String,
    port: u16,
    address: Option<IpAddr>,
}

/// A text that is no such host: the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressHostError {
    /// Another shape.
    #[error("`{0}` is not a host: write HOST:PORT, such as calendar.example.com:443, or HOST:PORT=ADDRESS")]
    Shape(String),
    /// An address where a name belongs: certificates are for names, and which addresses are private is easily overlooked.
    #[error("`{0}` is an address: write the host's name, and the address behind it: NAME:PORT={0}")]
    Address(String),
    /// Pinned to what is no single host's address.
    #[error("{0} is not the address of a host")]
    NotAHost(IpAddr),
}

/// Longest DNS name (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

impl EgressHost {
    /// The DNS name, in lower case: what the certificate must be for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The only address to connect to, public or not; without one the name is resolved and must lead to public ones.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl FromStr for EgressHost {
    type Err = EgressHostError;

    fn from_str(text: &str) -> Result<Self, EgressHostError> {
        let shape = || EgressHostError::Shape(text.to_owned());
        let (authority, address) = match text.split_once('=') {
            Some((authority, address)) => (authority, Some(address.parse().map_err(|_| shape())?)),
            None => (text, None),
        };
        let (name, port) = authority.rsplit_once(':').ok_or_else(shape)?;
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err(EgressHostError::Address(bare.to_owned()));
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(shape)?;
        if !is_name(name) {
            return Err(shape());
        }
        match address {
            Some(address) if !is_host_address(address) => Err(EgressHostError::NotAHost(address)),
            address => Ok(Self { name: name.to_ascii_lowercase(), port, address }),
        }
    }
}

impl fmt::Display for EgressHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)?;
        self.address.map_or(Ok(()), |address| write!(f, "={address}"))
    }
}

/// Letters, digits and hyphens between dots, and not all digits at the end, which some resolvers take for an address.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(is_label)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !last.starts_with("0x")
}

fn is_host_address(address: IpAddr) -> bool {
    let address = address.to_canonical();
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Whether an address is one of the public Internet's: none of the ranges that IANA's special-purpose registries (RFC 6890)
/// set aside, and none that carries another address inside it.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let reserved = match address.octets() {
        // This network, and what is reserved for later with broadcast.
        [0, ..] | [240..=255, ..] => true,
        // Shared by carriers (RFC 6598).
        [100, 64..=127, ..] => true,
        // Protocol assignments; relays to IPv6; benchmarks.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => true,
        _ => false,
    };
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation();
    !reserved && !special
}

/// Global unicast is `2000::/3`; in it are protocol assignments with Teredo (`2001::/23`), documentation (`2001:db8::/32`,
/// `3fff::/20`) and 6to4 (`2002::/16`).
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

/// Where a URL leads: host, port and path with query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'u> {
    pub(super) name: &'u str,
    pub(super) port: u16,
    pub(super) path: &'u str,
}

impl<'u> Target<'u> {
    /// Reads an `https` URL strictly: a DNS name, no user, no fragment, printable ASCII. What other readers could take for
    /// another host is refused.
    pub(super) fn parse(url: &'u str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, number(port)?),
            None => (authority, 443),
        };
        let printable = |byte: u8| byte.is_ascii_graphic() && !b"#\\\"<>`{}|^".contains(&byte);
        (is_name(name) && path.starts_with('/') && path.bytes().all(printable)).then_some(Self {
            name,
            port,
            path,
        })
    }

    pub(super) fn is_at(&self, host: &EgressHost) -> bool {
        self.port == host.port && self.name.eq_ignore_ascii_case(&host.name)
    }
}

/// Digits and nothing else: `str::parse` would take a sign.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_with_ports() {
        let check = |text: &str, expected: Result<&str, EgressHostError>| {
            let host = text.parse::<EgressHost>();
            assert_eq!(host.map(|host| host.to_string()), expected.map(str::to_owned), "{text}");
        };
        let shape = |text: &str| Err(EgressHostError::Shape(text.to_owned()));
        let address = |text: &str| Err(EgressHostError::Address(text.to_owned()));
        check("calendar.example.com:443", Ok("calendar.example.com:443"));
        check("Calendar.Example.com:8443", Ok("calendar.example.com:8443"));
        check("calendar.internal:443=10.1.2.3", Ok("calendar.internal:443=10.1.2.3"));
        check("localhost:443=::1", Ok("localhost:443=::1"));
        check("10.1.2.3:443", address("10.1.2.3"));
        check("127.0.0.1:443", address("127.0.0.1"));
        check("[::1]:443", address("::1"));
        check("h:443=0.0.0.0", Err(EgressHostError::NotAHost(Ipv4Addr::UNSPECIFIED.into())));
        check("h:443=255.255.255.255", Err(EgressHostError::NotAHost(Ipv4Addr::BROADCAST.into())));
        check(
            "h:443=::ffff:224.0.0.1",
            Err(EgressHostError::NotAHost("::ffff:224.0.0.1".parse().expect("one"))),
        );
        for wrong in [
            "",
            "h",
            ":443",
            "h:",
            "h:0",
            "h:65536",
            "h:443=",
            "h:443=h",
            "https://h:443",
            "*.example.com:443",
            "u@h:443",
            "h..i:443",
            "-h:443",
            "h-:443",
            "2130706433:443",
            "0x7f.1:443",
            "0x7f000001:443",
            "h :443",
        ] {
            check(wrong, shape(wrong));
        }
    }

    #[test]
    fn what_is_not_public_is_known() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_public(text.parse().expect("an address")), expected, "{text}");
        };
        for public in
            ["1.1.1.1", "93.184.216.34", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
        {
            check(public, true);
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(other, false);
        }
    }

    #[test]
    fn urls_are_read_strictly() {
        let check = |url: &str, expected: Option<(&str, u16, &str)>| {
            let target = Target::parse(url).map(|target| (target.name, target.port, target.path));
            assert_eq!(target, expected, "{url}");
        };
        check("https://h.example", Some(("h.example", 443, "/")));
        check("https://h.example/a?b=c&d=%20", Some(("h.example", 443, "/a?b=c&d=%20")));
        check("https://H.example:8443/", Some(("H.example", 8443, "/")));
        for wrong in [
            "",
            "http://h.example/",
            "HTTPS://h.example/",
            "//h.example/",
            "https://",
            "https:///a",
            "https://h.example?a",
            "https://h.example#a",
            "https://h.example/#a",
            "https://h.example\\@evil.example/",
            "https://u@h.example/",
            "https://u:p@h.example/",
            "https://h.example:/",
            "https://h.example:+443/",
            "https://h.example:99999/",
            "https://h.example./",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://h.example/a b",
            "https://h.example/a\r\nHost: evil.example",
            "https://h.example/é",
            "https://hé.example/",
        ] {
            check(wrong, None);
        }
    }
}
