//! What kind of address an address is. A pure table: it resolves nothing and connects to nothing.
//!
//! Only what is reachable by everybody on the Internet counts as global. An IPv6 address that carries an IPv4 address is
//! judged by the address it carries, because that is where a translator on the way delivers the packet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// What an address is for (IANA special-purpose registries, RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reachable by everybody.
    Global,
    Loopback,
    /// RFC 1918, unique local (RFC 4193), site-local, and NAT64 for local use (RFC 8215).
    Private,
    /// Carrier-grade NAT (RFC 6598).
    Shared,
    LinkLocal,
    /// Where clouds serve instance credentials.
    Metadata,
    /// `0.0.0.0/8` and `::`.
    Unspecified,
    Multicast,
    /// Documentation, benchmarking, protocol assignments, broadcast, not allocated.
    Reserved,
    /// 6to4, Teredo and IPv4-compatible addresses: no provider is served from one, and where the packet ends is decided by
    /// whoever runs the tunnel.
    Tunnel,
}

impl Class {
    /// Whether `allow_private_networks` covers it. Metadata services are not in it: whoever wants one lists its address.
    pub fn is_local_network(self) -> bool {
        match self {
            Class::Loopback | Class::Private | Class::Shared | Class::LinkLocal => true,
            Class::Global
            | Class::Metadata
            | Class::Unspecified
            | Class::Multicast
            | Class::Reserved
            | Class::Tunnel => false,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Global => "a global address",
            Class::Loopback => "a loopback address",
            Class::Private => "a private address",
            Class::Shared => "a carrier-grade NAT address",
            Class::LinkLocal => "a link-local address",
            Class::Metadata => "a cloud metadata address",
            Class::Unspecified => "an unspecified address",
            Class::Multicast => "a multicast address",
            Class::Reserved => "a reserved address",
            Class::Tunnel => "a tunnel address",
        })
    }
}

/// Which addresses beyond the global ones the operator lets a sender reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// `allow_private_networks = true`: loopback, private, shared and link-local addresses.
    pub networks: bool,
    /// `allow_private_networks = [...]`: what is in these networks, whatever it is, but for metadata addresses: of those
    /// only the ones that are listed by themselves.
    pub listed: Vec<Network>,
}

impl Private {
    /// Whether a connection may go to this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let class = classify(address);
        let opens = |network: &Network| {
            // Whoever lists a wide network means a provider in it, and nobody's instance credentials.
            (class != Class::Metadata || network.is_one_address()) && network.contains(address)
        };
        class == Class::Global
            || (self.networks && class.is_local_network())
            || self.listed.iter().any(opens)
    }
}

/// Judges an address.
pub fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        // AWS, Azure, GCP and others; the tasks of ECS, the pods of EKS.
        [169, 254, 169, 254] | [169, 254, 170, 2 | 23] => Class::Metadata,
        // Tencent, Scaleway, Alibaba, Oracle's older cloud, Azure's wire server.
        [169, 254, 0, 23]
        | [169, 254, 42, 42]
        | [100, 100, 100, 200]
        | [192, 0, 0, 192]
        | [168, 63, 129, 16] => Class::Metadata,
        [0, ..] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [10, ..] | [192, 168, ..] => Class::Private,
        [172, second, ..] if second & 0xf0 == 16 => Class::Private,
        [100, second, ..] if second & 0xc0 == 64 => Class::Shared,
        [169, 254, ..] => Class::LinkLocal,
        // Protocol assignments, 6to4 relay anycast, AS112, documentation, benchmarking.
        [192, 0, 0, _]
        | [192, 88, 99, _]
        | [192, 31, 196, _]
        | [192, 52, 193, _]
        | [192, 175, 48, _] => Class::Reserved,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Reserved,
        [198, 18 | 19, ..] => Class::Reserved,
        [224..=239, ..] => Class::Multicast,
        [240..=255, ..] => Class::Reserved,
        _ => Class::Global,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    let segments = address.segments();
    let last_v4 = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        [0, 0, 0, 0, 0, 0xffff, ..] => classify_v4(last_v4()),
        [0, 0, 0, 0, 0, 0, ..] => Class::Tunnel,
        // NAT64 (RFC 6052): the translator delivers to the address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => classify_v4(last_v4()),
        // Other translators may be configured anywhere in this prefix (RFC 8215).
        [0x64, 0xff9b, 1, ..] => Class::Private,
        // The same over IPv6: EC2's and the pods of EKS, Google's.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] => Class::Metadata,
        [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Class::Metadata,
        // Oracle's, Scaleway's, Alibaba's, Linode's, OpenStack's.
        [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]
        | [0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200]
        | [0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1]
        | [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe] => Class::Metadata,
        [first, ..] if first & 0xfe00 == 0xfc00 => Class::Private,
        [first, ..] if first & 0xffc0 == 0xfe80 => Class::LinkLocal,
        [first, ..] if first & 0xffc0 == 0xfec0 => Class::Private,
        [first, ..] if first & 0xff00 == 0xff00 => Class::Multicast,
        [0x2001, 0, ..] | [0x2002, ..] => Class::Tunnel,
        // Protocol assignments 2001::/23, documentation.
        [0x2001, second, ..] if second < 0x200 => Class::Reserved,
        [0x2001, 0xdb8, ..] => Class::Reserved,
        [0x3fff, second, ..] if second < 0x1000 => Class::Reserved,
        [0x2620, 0x4f, 0x8000, ..] => Class::Reserved,
        // 2000::/3 is all that has been handed out.
        [first, ..] if first & 0xe000 == 0x2000 => Class::Global,
        _ => Class::Reserved,
    }
}

/// A network in CIDR notation; a bare address is a network of one. It is written by its first address, and is
/// never IPv4 in IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it is a single address.
    pub fn is_one_address(&self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// Whether it is every address of its kind.
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed = || NetworkError::Malformed(text.into());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        // By the standard library, which takes no `010.0.0.0`: some read that as octal.
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let network = match prefix {
            None => IpNet::from(address),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let prefix = digits.parse().map_err(|_| malformed())?;
                IpNet::new(address, prefix).map_err(|_| malformed())?
            }
            Some(_) => return Err(malformed()),
        };
        // Addresses are compared as IPv4 where they are IPv4: nothing would ever be in it.
        if address.is_ipv6() && address.to_canonical().is_ipv4() {
            return Err(NetworkError::Mapped(text.into()));
        }
        let first = network.trunc();
        if first != network {
            return Err(NetworkError::Inside {
                text: text.into(),
                network: Network(first),
                address,
            });
        }
        Ok(Network(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    #[error(
        "`{0}` is no address and no network: write it as `10.1.2.3`, `10.1.2.0/24` or `2001:db8:7::/48`"
    )]
    Malformed(String),
    #[error(
        "`{0}` is IPv4 written as IPv6: expected the IPv4 network by itself, such as `10.1.2.0/24`"
    )]
    Mapped(String),
    #[error(
        "`{text}` is an address inside of a network: expected the network `{network}`, or `{address}` alone"
    )]
    Inside {
        text: String,
        network: Network,
        address: IpAddr,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// O-03
    #[test]
    fn an_ipv4_address_is_what_its_range_says() {
        use Class as C;
        for (text, class) in [
            ("8.8.8.8", C::Global),
            ("1.0.0.0", C::Global),
            ("0.255.255.255", C::Unspecified),
            ("0.0.0.0", C::Unspecified),
            ("9.255.255.255", C::Global),
            ("10.0.0.0", C::Private),
            ("10.255.255.255", C::Private),
            ("11.0.0.0", C::Global),
            ("100.63.255.255", C::Global),
            ("100.64.0.0", C::Shared),
            ("100.100.100.200", C::Metadata),
            ("100.127.255.255", C::Shared),
            ("100.128.0.0", C::Global),
            ("126.255.255.255", C::Global),
            ("127.0.0.1", C::Loopback),
            ("127.255.255.255", C::Loopback),
            ("128.0.0.0", C::Global),
            ("168.63.129.16", C::Metadata),
            ("169.253.255.255", C::Global),
            ("169.254.0.0", C::LinkLocal),
            ("169.254.0.23", C::Metadata),
            ("169.254.42.42", C::Metadata),
            ("169.254.169.254", C::Metadata),
            ("169.254.170.2", C::Metadata),
            ("169.254.170.3", C::LinkLocal),
            ("169.254.170.23", C::Metadata),
            ("169.255.0.0", C::Global),
            ("172.15.255.255", C::Global),
            ("172.16.0.0", C::Private),
            ("172.31.255.255", C::Private),
            ("172.32.0.0", C::Global),
            ("191.255.255.255", C::Global),
            ("192.0.0.8", C::Reserved),
            ("192.0.0.192", C::Metadata),
            ("192.0.1.0", C::Global),
            ("192.0.2.1", C::Reserved),
            ("192.88.99.1", C::Reserved),
            ("192.167.255.255", C::Global),
            ("192.168.0.1", C::Private),
            ("192.169.0.0", C::Global),
            ("198.17.255.255", C::Global),
            ("198.18.0.0", C::Reserved),
            ("198.19.255.255", C::Reserved),
            ("198.20.0.0", C::Global),
            ("198.51.100.7", C::Reserved),
            ("203.0.113.7", C::Reserved),
            ("223.255.255.255", C::Global),
            ("224.0.0.1", C::Multicast),
            ("239.255.255.255", C::Multicast),
            ("240.0.0.1", C::Reserved),
            ("255.255.255.255", C::Reserved),
        ] {
            assert_eq!(classify(ip(text)), class, "{text}");
        }
    }

    /// O-04
    #[test]
    fn an_ipv6_address_is_judged_by_what_it_carries() {
        use Class as C;
        for (text, class) in [
            ("2606:4700::1111", C::Global),
            ("2a00:1450:4001::1", C::Global),
            ("::", C::Unspecified),
            ("::1", C::Loopback),
            ("::ffff:127.0.0.1", C::Loopback),
            ("::ffff:10.0.0.1", C::Private),
            ("::ffff:169.254.169.254", C::Metadata),
            ("::ffff:8.8.8.8", C::Global),
            ("::127.0.0.1", C::Tunnel),
            ("::8.8.8.8", C::Tunnel),
            ("64:ff9b::7f00:1", C::Loopback),
            ("64:ff9b::10.0.0.1", C::Private),
            ("64:ff9b::169.254.169.254", C::Metadata),
            ("64:ff9b::8.8.8.8", C::Global),
            ("64:ff9b:1::8.8.8.8", C::Private),
            ("64:ff9b:1:ffff::1", C::Private),
            ("64:ff9b:2::1", C::Reserved),
            ("2002:7f00:1::", C::Tunnel),
            ("2002:808:808::1", C::Tunnel),
            ("2001::1", C::Tunnel),
            ("2001:0:53aa:64c::1", C::Tunnel),
            ("2001:1::1", C::Reserved),
            ("2001:10::1", C::Reserved),
            ("2001:1ff::1", C::Reserved),
            ("2001:200::1", C::Global),
            ("2001:db8::1", C::Reserved),
            ("3fff::1", C::Reserved),
            ("3fff:1000::1", C::Global),
            ("5f00::1", C::Reserved),
            ("4000::1", C::Reserved),
            ("100::1", C::Reserved),
            ("fbff::1", C::Reserved),
            ("fc00::1", C::Private),
            ("fdff::1", C::Private),
            ("fd00:ec2::254", C::Metadata),
            ("fd00:ec2::253", C::Private),
            ("fd00:ec2::23", C::Metadata),
            ("fd00:c1::a9fe:a9fe", C::Metadata),
            ("fd00:42::42", C::Metadata),
            ("fd00:100::100:200", C::Metadata),
            ("fd00:a9fe:a9fe::1", C::Metadata),
            ("fd20:ce::254", C::Metadata),
            ("fe00::1", C::Reserved),
            ("fe80::1", C::LinkLocal),
            ("fe80::a9fe:a9fe", C::Metadata),
            ("febf::1", C::LinkLocal),
            ("fec0::1", C::Private),
            ("ff02::1", C::Multicast),
            ("ff0e::1", C::Multicast),
        ] {
            assert_eq!(classify(ip(text)), class, "{text}");
        }
    }

    #[test]
    fn only_what_the_operator_allows_is_permitted_beside_global_addresses() {
        let none = Private::default();
        let networks = Private {
            networks: true,
            listed: vec![],
        };
        let listed = Private {
            networks: false,
            listed: vec![
                "10.1.2.0/24".parse().unwrap(),
                "169.254.169.254".parse().unwrap(),
            ],
        };
        // address, permitted by: nothing, allow_private_networks, the list
        for (text, expected) in [
            ("8.8.8.8", [true, true, true]),
            ("127.0.0.1", [false, true, false]),
            ("::1", [false, true, false]),
            ("10.1.2.3", [false, true, true]),
            ("::ffff:10.1.2.3", [false, true, true]),
            ("10.1.3.3", [false, true, false]),
            ("169.254.1.1", [false, true, false]),
            ("169.254.0.23", [false, false, false]),
            ("fe80::a9fe:a9fe", [false, false, false]),
            ("169.254.169.254", [false, false, true]),
            ("::ffff:169.254.169.254", [false, false, true]),
            ("fd00:ec2::254", [false, false, false]),
            ("0.0.0.0", [false, false, false]),
            ("255.255.255.255", [false, false, false]),
            ("224.0.0.1", [false, false, false]),
            ("2002:7f00:1::", [false, false, false]),
            ("64:ff9b::7f00:1", [false, true, false]),
        ] {
            let permitted = [&none, &networks, &listed].map(|private| private.permits(ip(text)));
            assert_eq!(permitted, expected, "{text}");
        }
    }

    /// A wide network opens everything else in it: that is what it was listed for.
    #[test]
    fn a_network_opens_no_metadata_address_that_is_not_listed_by_itself() {
        for (listed, address, permitted) in [
            ("0.0.0.0/0", "169.254.169.254", false),
            ("0.0.0.0/0", "127.0.0.1", true),
            ("169.254.0.0/16", "169.254.169.254", false),
            ("169.254.0.0/16", "::ffff:169.254.169.254", false),
            ("169.254.0.0/16", "169.254.1.1", true),
            ("169.254.169.254/31", "169.254.169.254", false),
            ("169.254.169.254/31", "169.254.169.255", true),
            ("169.254.169.254/32", "169.254.169.254", true),
            ("169.254.169.254", "169.254.170.2", false),
            ("100.64.0.0/10", "100.100.100.200", false),
            ("168.63.129.0/24", "168.63.129.16", false),
            ("fd00::/8", "fd00:ec2::254", false),
            ("fd00::/8", "fd20:ce::254", false),
            ("fd00::/8", "fd00:ec2::253", true),
            ("fd00:ec2::254/127", "fd00:ec2::254", false),
            ("fd00:ec2::254", "fd00:ec2::254", true),
            ("::/0", "64:ff9b::169.254.169.254", false),
            ("64:ff9b::/96", "64:ff9b::169.254.169.254", false),
            ("64:ff9b::/96", "64:ff9b::10.0.0.1", true),
        ] {
            let private = Private {
                networks: false,
                listed: vec![listed.parse().unwrap()],
            };
            assert_eq!(
                private.permits(ip(address)),
                permitted,
                "{listed} {address}"
            );
        }
    }

    #[test]
    fn a_network_is_read_in_cidr_notation() {
        for (text, inside, outside) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.0/24", "10.1.2.255", "10.1.3.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "ffff::", "127.0.0.1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert!(network.contains(ip(inside)), "{text} {inside}");
            assert!(!network.contains(ip(outside)), "{text} {outside}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "fd00::/129",
            "localhost",
            "10.0.0/8",
            "010.0.0.0/8",
            "10.0.0.0/256",
            "10.0.0.0/8/8",
        ] {
            let malformed = NetworkError::Malformed(text.into());
            assert_eq!(text.parse::<Network>(), Err(malformed), "{text}");
        }
    }

    /// What no address is in, and what is not clear about what is meant.
    #[test]
    fn a_network_is_refused_that_is_not_written_as_what_it_is() {
        for text in ["::ffff:10.1.2.3", "::ffff:10.0.0.0/104", "::ffff:0:0/96"] {
            let mapped = NetworkError::Mapped(text.into());
            assert_eq!(text.parse::<Network>(), Err(mapped), "{text}");
        }
        for (text, network, address) in [
            ("10.1.2.3/24", "10.1.2.0/24", "10.1.2.3"),
            ("10.1.2.1/31", "10.1.2.0/31", "10.1.2.1"),
            ("127.0.0.1/0", "0.0.0.0/0", "127.0.0.1"),
            ("2001:db8:7::1/48", "2001:db8:7::/48", "2001:db8:7::1"),
        ] {
            let said = text.parse::<Network>().unwrap_err().to_string();
            assert_eq!(
                said,
                format!(
                    "`{text}` is an address inside of a network: expected the network `{network}`, or `{address}` alone"
                )
            );
            assert!(network.parse::<Network>().is_ok(), "{network}");
        }
        for text in ["10.1.2.2/31", "10.1.2.3/32", "::/0", "::1/128", "fd00::/8"] {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_network_knows_whether_it_is_one_address_or_all() {
        for (text, one, all) in [
            ("10.1.2.3", true, false),
            ("10.1.2.3/32", true, false),
            ("10.1.2.2/31", false, false),
            ("0.0.0.0/0", false, true),
            ("::1", true, false),
            ("fd00::/32", false, false),
            ("::/000", false, true),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.is_one_address(), one, "{text}");
            assert_eq!(network.is_everything(), all, "{text}");
        }
    }
}
