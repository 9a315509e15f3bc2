//! Which addresses a request may go to, so that nobody on the network has requests made inside of ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that a request may go to.
///
/// ```
/// use valetkey_http::Addresses;
///
/// assert!(Addresses::Public.allows("93.184.215.14".parse()?));
/// assert!(!Addresses::Public.allows("169.254.169.254".parse()?));
/// assert!(!Addresses::Public.allows_host("127.1"));
/// assert!(Addresses::Any.allows_host("localhost"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addresses {
    /// Any: whoever chose the URL is trusted.
    #[default]
    Any,
    /// Those of the public Internet alone, after the name is looked up: the URL was learned from the network.
    Public,
}

impl Addresses {
    /// Whether a connection to this address may be made.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Any || is_public(address)
    }

    /// Whether this host of a URL may be looked up; its addresses must be [allowed](Self::allows) as well.
    #[must_use]
    pub fn allows_host(self, host: &str) -> bool {
        self == Self::Any || is_public_host(host)
    }
}

/// Whether an address is one of the public Internet, by the special-purpose registries of IANA (RFC 6890).
///
/// Private, shared, loopback, link-local, documentation, benchmarking, multicast and reserved addresses are not, nor is
/// what IPv6 has outside of `2000::/3`. An address that leads to one of IPv4 (mapped, NAT64, 6to4) is what that one is;
/// Teredo, ORCHID and the rest of `2001::/23` are not public, nor is a network's own NAT64.
///
/// ```
/// use valetkey_http::is_public;
///
/// assert!(is_public("2a00:1450::8a".parse()?) && is_public("64:ff9b::8.8.8.8".parse()?));
/// assert!(!is_public("::ffff:10.0.0.1".parse()?) && !is_public("fd00:ec2::254".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether the host of a URL may be public by what is written there: it is neither an address that is not
/// [public](is_public), in whatever form resolvers read (`127.1`, `0x7f.1`, `2130706433`, `[::1]`), nor `localhost` or a
/// name under it (RFC 6761 §6.3). What a name leads to, only looking it up tells.
///
/// ```
/// use valetkey_http::is_public_host;
///
/// assert!(is_public_host("as.example") && is_public_host("8.8.8.8"));
/// for host in ["localhost.", "a.LOCALHOST", "0177.0.0.1", "2130706433", "[::1]", "[fe80::1%25eth0]"] {
///     assert!(!is_public_host(host), "{host}");
/// }
/// ```
#[must_use]
pub fn is_public_host(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        let address = bracketed.strip_suffix(']').and_then(|address| address.parse().ok());
        return address.is_some_and(is_public_v6);
    }
    let name = host.trim_end_matches('.');
    let last = name.rsplit('.').next().unwrap_or_default();
    // Escapes are undone by some clients after they are checked.
    if last.is_empty() || name.contains('%') || last.eq_ignore_ascii_case("localhost") {
        return false;
    }
    !is_number(last) || address(name).is_some_and(is_public_v4)
}

/// The networks of IPv4 that are not public (IANA IPv4 Special-Purpose Address Registry; RFC 5771 for multicast).
const SPECIAL: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL.iter().any(|(network, bits)| (network.to_bits() ^ address.to_bits()) >> (32 - bits) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IPv4-mapped (RFC 4291 §2.5.5.2), and NAT64 (RFC 6052 §2.1), by which a network without IPv4 reaches all of it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(joined(high, low))
        }
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => is_public_v4(joined(high, low)),
        // Protocol assignments (RFC 2928), among them Teredo and ORCHID; documentation (RFC 3849, RFC 9637).
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // Global unicast (RFC 4291 §2.4): of the rest, nothing is given out, or nothing of it is public.
        [first, ..] => first >> 13 == 1,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// Whether a host that ends so is an address of IPv4, or none at all (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// An address of IPv4 as `inet_aton` reads it: one to four numbers, decimal, octal or hexadecimal, of which the last one
/// fills what the others leave.
fn address(text: &str) -> Option<Ipv4Addr> {
    let mut numbers = text.split('.').map(number).collect::<Option<Vec<_>>>()?;
    let last = numbers.pop()?;
    let room = 4_usize.checked_sub(numbers.len()).filter(|room| *room > 0)?;
    let mut bits = u64::from(last);
    for (at, number) in numbers.iter().enumerate() {
        bits += u64::from(u8::try_from(*number).ok()?) << (24 - 8 * at);
    }
    let fits = u64::from(last) < 1 << (8 * room);
    u32::try_from(bits).ok().filter(|_| fits).map(Ipv4Addr::from_bits)
}

fn number(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u32::from_str_radix(digits, 16).ok()
    } else if let Some(digits) = text.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        u32::from_str_radix(digits, 8).ok()
    } else {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of every network that is not public.
    const SPECIAL_ENDS: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.0",
        "192.88.99.255",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::10.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "100::",
        "100::ffff:ffff:ffff:ffff",
        "100:0:0:1::",
        "2001::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:20::",
        "2001:2f:ffff::",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002:a00:1::",
        "2002:7f00:1::1",
        "2002:c0a8:1::",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::",
        "5f00::1",
        "fc00::",
        "fd00:ec2::254",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe80::1",
        "febf:ffff::",
        "fec0::1",
        "feff:ffff::",
        "ff00::",
        "ff02::1",
    ];

    /// What lies next to them.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2000::1",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2002:808:808::",
        "2a00:1450:4001::8a",
        "3ffe:ffff::",
        "3fff:1000::",
    ];

    #[test]
    fn v_ssrf_2_special_addresses_are_not_public() {
        for (list, expected) in [(SPECIAL_ENDS, false), (PUBLIC, true)] {
            for text in list {
                let address: IpAddr = text.parse().expect(text);
                assert_eq!(is_public(address), expected, "{text}");
                assert_eq!(Addresses::Public.allows(address), expected, "{text}");
                assert!(Addresses::Any.allows(address));
                let host = if address.is_ipv6() { format!("[{text}]") } else { (*text).to_owned() };
                assert_eq!(is_public_host(&host), expected, "{host}");
            }
        }
    }

    #[test]
    fn s_net_10_an_address_is_found_however_it_is_written() {
        for host in [
            "localhost",
            "LocalHost.",
            "sub.localhost",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0X7F.1",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "0177.0.0.1",
            "0xa9fe.43518",
            "0xa9.0xfe.0xa9.0xfe",
            "10.1",
            "0",
            // No addresses, and not to be looked up as names either.
            "1.2.3.4.5",
            "256.1.1.1",
            "8.8.8.256",
            "8.16777216",
            "4294967296",
            "0x",
            "08.8.8.8",
            "a.1",
            "",
            ".",
            "127%2e0%2e0%2e1",
            "%6cocalhost",
            "[::1",
            "[]",
            "[127.0.0.1]",
            "[fe80::1%25lo]",
        ] {
            assert!(!is_public_host(host), "{host}");
            assert!(Addresses::Any.allows_host(host));
        }
        for host in [
            "as.example",
            "AS.example.",
            "134744072",
            "010.8.8.8",
            "8.526344",
            "localhost.example",
            "0x7f.example",
            "1e100.example",
        ] {
            assert!(is_public_host(host), "{host}");
        }
    }
}
