//! Which part of the network an address belongs to. What is reached through a name is checked
//! after the name was resolved, so that a name cannot lead where its address may not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From the least to the most protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Anybody's.
    Public,
    /// The operator's own network: RFC 1918, RFC 4193, and RFC 6598's shared space.
    Private,
    /// This machine, its link (where clouds keep their metadata service), and what is no host at all.
    Local,
}

pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// By <https://www.iana.org/assignments/iana-ipv4-special-registry>.
fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        // This network, loopback, link-local, multicast, reserved and broadcast.
        (0 | 127 | 224..=255, ..) | (169, 254, _) => Reach::Local,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Reach::Local,
        _ => Reach::Public,
    }
}

/// By <https://www.iana.org/assignments/iana-ipv6-special-registry>. An address that carries an
/// IPv4 address leads where that one does.
fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Reach::Local,
        // Mapped, compatible, translated (RFC 6052, RFC 8215) and 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => Reach::Local,
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Only 2000::/3 is given to hosts at large; in it, Teredo, documentation and the like are not.
        [0x2001, 0..=0x1ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Local,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (address, expected) in [
            ("1.1.1.1", Reach::Public),
            ("172.15.0.1", Reach::Public),
            ("172.32.0.1", Reach::Public),
            ("10.0.0.1", Reach::Private),
            ("172.31.255.255", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("127.0.0.1", Reach::Local),
            ("127.255.0.1", Reach::Local),
            ("0.0.0.0", Reach::Local),
            ("169.254.169.254", Reach::Local),
            ("224.0.0.1", Reach::Local),
            ("255.255.255.255", Reach::Local),
            ("198.18.0.1", Reach::Local),
            ("2606:4700::1111", Reach::Public),
            ("::", Reach::Local),
            ("::1", Reach::Local),
            ("fe80::1", Reach::Local),
            ("ff02::1", Reach::Local),
            ("fd00::1", Reach::Private),
            ("2001:db8::1", Reach::Local),
            ("2001::1", Reach::Local),
        ] {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn an_embedded_address_decides() {
        for (address, expected) in [
            ("::ffff:127.0.0.1", Reach::Local),
            ("::ffff:10.0.0.1", Reach::Private),
            ("::ffff:1.1.1.1", Reach::Public),
            ("::127.0.0.1", Reach::Local),
            ("64:ff9b::169.254.169.254", Reach::Local),
            ("64:ff9b::1.1.1.1", Reach::Public),
            ("2002:7f00:1::", Reach::Local),
            ("2002:a00:1::", Reach::Private),
        ] {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }
}
