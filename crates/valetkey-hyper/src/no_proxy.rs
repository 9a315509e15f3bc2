//! NO_PROXY: the hosts that are reached without a proxy.

use std::net::IpAddr;

/// An entry of NO_PROXY: a domain with what is under it, an address, or a network; maybe one port of it.
#[derive(Debug)]
pub(crate) struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    All,
    Domain(String),
    Network { address: IpAddr, bits: u32 },
}

impl Exception {
    /// An entry that makes no sense is left out, as everybody does.
    pub(crate) fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim();
        let (hosts, port) = match entry.rsplit_once(':') {
            // One colon: a port. More: an address of IPv6, in brackets if a port follows.
            Some((hosts, port)) if !hosts.contains(':') || hosts.ends_with(']') => {
                (hosts, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        let hosts = hosts.trim_start_matches('[').trim_end_matches(']');
        Some(Self { hosts: Hosts::parse(hosts)?, port })
    }

    /// Whether this host, in lower case and without brackets, is reached directly.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.hosts.contain(host)
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let width = if address.is_ipv4() { 32 } else { 128 };
            return Some(Self::Network { address, bits: bits.unwrap_or(width).min(width) });
        }
        let domain = text.trim_start_matches("*.").trim_matches('.');
        (!domain.is_empty()).then(|| Self::Domain(domain.to_ascii_lowercase()))
    }

    fn contain(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            // "10" is no domain of 10.1.2.10.
            Self::Domain(domain) => {
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    && host.parse::<IpAddr>().is_err()
            }
            Self::Network { address, bits } => match (address, host.parse()) {
                (IpAddr::V4(net), Ok(IpAddr::V4(host))) => {
                    same_prefix(net.to_bits().into(), host.to_bits().into(), 32, *bits)
                }
                (IpAddr::V6(net), Ok(IpAddr::V6(host))) => {
                    same_prefix(net.to_bits(), host.to_bits(), 128, *bits)
                }
                _ => false,
            },
        }
    }
}

fn same_prefix(one: u128, other: u128, width: u32, bits: u32) -> bool {
    (one ^ other).checked_shr(width - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, host: &str) -> bool {
        Exception::parse(entry).is_some_and(|entry| entry.covers(host, 443))
    }

    #[test]
    fn domains_addresses_networks_and_ports() {
        for (entry, host) in [
            ("*", "a.test"),
            ("A.test", "a.test"),
            (".a.test", "b.a.test"),
            ("*.a.test", "b.a.test"),
            ("a.test:443", "a.test"),
            ("10.1.0.0/16", "10.1.2.3"),
            ("0.0.0.0/0", "10.1.2.3"),
            ("::/0", "2001:db8::1"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/99", "10.1.2.3"),
            ("10.1.2.3:443", "10.1.2.3"),
            ("2001:db8::/32", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert!(covers(entry, host), "{entry} {host}");
        }
        for (entry, host) in [
            ("", "a.test"),
            (".", "a.test"),
            ("a.test", "ba.test"),
            ("b.a.test", "a.test"),
            ("a.test:444", "a.test"),
            ("a.test:x", "a.test"),
            ("10.1.0.0/16", "10.2.2.3"),
            ("10.1.0.0/x", "10.1.2.3"),
            ("10.1.2.3", "2001:db8::1"),
            ("2001:db8::/32", "2001:db9::1"),
            ("10", "10.1.2.10"),
        ] {
            assert!(!covers(entry, host), "{entry} {host}");
        }
    }
}
