//! Whose word about the client's address is believed (attack A-06).

use http::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// Networks of the proxies in front of this host. Without any, `X-Forwarded-For` says nothing.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("trusted proxy `{0}`: expected an address or a network such as `10.0.0.0/8`")]
pub struct ProxyError(String);

impl TrustedProxies {
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, ProxyError> {
        list.into_iter()
            .map(|text| {
                let network = text.parse::<IpNet>();
                let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
                network.map_err(|_| ProxyError(text.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The nearest address that is not one of our proxies, read from the right: what stands further
    /// left was written by whoever is asking.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        if !self.contains(nearest) {
            return nearest;
        }
        let mut hops: Vec<&str> = Vec::new();
        for line in headers.get_all("x-forwarded-for") {
            let Ok(line) = line.to_str() else {
                return nearest;
            };
            hops.extend(line.split(','));
        }
        for hop in hops.iter().rev() {
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                return nearest;
            };
            nearest = address.to_canonical();
            if !self.contains(nearest) {
                return nearest;
            }
        }
        nearest
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(proxies: &[&str], peer: &str, forwarded: &[&str], expected: &str) {
        let proxies = TrustedProxies::parse(proxies.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let client = proxies.client(peer.parse().unwrap(), &headers);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{forwarded:?}");
    }

    ///
    #[test]
    fn a_stranger_cannot_choose_an_address() {
        check(&[], "203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check(
            &["10.0.0.0/8"],
            "203.0.113.9",
            &["198.51.100.1"],
            "203.0.113.9",
        );
        check(
            &["10.0.0.0/8"],
            "10.1.2.3",
            &["198.51.100.1, 203.0.113.9"],
            "203.0.113.9",
        );
        check(
            &["10.0.0.0/8"],
            "10.1.2.3",
            &["198.51.100.1", "203.0.113.9, 10.9.9.9"],
            "203.0.113.9",
        );
    }

    #[test]
    fn what_is_not_an_address_ends_the_walk() {
        check(
            &["10.0.0.0/8"],
            "10.1.2.3",
            &["198.51.100.1, unknown"],
            "10.1.2.3",
        );
        check(&["10.0.0.0/8"], "10.1.2.3", &[], "10.1.2.3");
        check(
            &["::1", "127.0.0.1"],
            "::ffff:127.0.0.1",
            &["2001:db8::5"],
            "2001:db8::5",
        );
    }

    #[test]
    fn networks_are_addresses_or_prefixes() {
        assert!(TrustedProxies::parse(["0.0.0.0/0", "::/0", "10.0.0.1", "2001:db8::/32"]).is_ok());
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "proxy.example", "::/129"] {
            assert!(TrustedProxies::parse([bad]).is_err(), "{bad}");
        }
        check(&["0.0.0.0/0"], "9.9.9.9", &["8.8.8.8"], "8.8.8.8");
    }
}
