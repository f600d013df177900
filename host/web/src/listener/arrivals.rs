//! Connections by the address they come from, so that one of them cannot take all the places.

use super::Bounds;
use crate::proxies::TrustedProxies;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Clone)]
pub(super) struct Arrivals(Arc<Inner>);

struct Inner {
    open: Mutex<HashMap<IpAddr, usize>>,
    max: usize,
    uncounted: TrustedProxies,
}

/// One open connection; counted until it is dropped.
pub(super) struct Arrival(Option<(Arrivals, IpAddr)>);

impl Arrivals {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self(Arc::new(Inner {
            open: Mutex::default(),
            max: bounds.connections_per_address_max,
            uncounted: bounds.trusted_proxies.clone(),
        }))
    }

    /// `None` if that address has as many as it may.
    pub(super) fn count(&self, peer: IpAddr) -> Option<Arrival> {
        let peer = peer.to_canonical();
        if peer.is_loopback() || self.0.uncounted.contains(peer) {
            return Some(Arrival(None));
        }
        let from = network(peer);
        let mut open = self.0.open();
        let count = open.entry(from).or_default();
        if *count >= self.0.max {
            return None;
        }
        *count += 1;
        Some(Arrival(Some((self.clone(), from))))
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let Some((arrivals, from)) = &self.0 else {
            return;
        };
        let mut open = arrivals.0.open();
        if let Some(count) = open.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                open.remove(from);
            }
        }
    }
}

/// One IPv4 address, or the /64 of an IPv6 one: any ordinary line has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn arrivals(max: usize, proxies: &[&str]) -> Arrivals {
        Arrivals::new(&Bounds {
            connections_per_address_max: max,
            trusted_proxies: TrustedProxies::parse(proxies.iter().copied()).unwrap(),
            ..Bounds::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// S-14
    #[test]
    fn an_address_has_so_many_connections_and_others_have_theirs() {
        let arrivals = arrivals(2, &[]);
        let first = arrivals.count(ip("203.0.113.7")).unwrap();
        let _second = arrivals.count(ip("::ffff:203.0.113.7")).unwrap();
        assert!(arrivals.count(ip("203.0.113.7")).is_none());
        assert!(arrivals.count(ip("203.0.113.8")).is_some());
        drop(first);
        assert!(arrivals.count(ip("203.0.113.7")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let arrivals = arrivals(1, &[]);
        let _first = arrivals.count(ip("2001:db8:1:2::1")).unwrap();
        assert!(arrivals.count(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(arrivals.count(ip("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn proxies_and_this_machine_are_not_counted() {
        let arrivals = arrivals(1, &["10.0.0.0/8"]);
        for address in ["127.0.0.1", "::1", "10.1.2.3"] {
            let held: Vec<_> = (0..3).map(|_| arrivals.count(ip(address))).collect();
            assert!(held.iter().all(Option::is_some), "{address}");
        }
    }

    #[test]
    fn nothing_is_kept_of_addresses_that_are_gone() {
        let arrivals = arrivals(5, &[]);
        for last in 0..100 {
            drop(arrivals.count(ip(&format!("203.0.113.{last}"))));
        }
        assert!(arrivals.0.open().is_empty());
    }
}
