//! From a host to the addresses that may be connected to. Names are resolved by the host itself, once for each connection;
//! what is judged here is what is connected to, so a name that resolves differently a moment later changes nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

use crate::address::{Private, classify};
use crate::error::{Reason, SendFailure};
use crate::limits::ADDRESSES_MAX;
use crate::origin::{Host, Origin};

/// Resolves names.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of a name, in the order to be tried. Its time is counted by the caller.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // Taken before collected: a name with 10,000 records costs no more than one with 64.
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found
            .take(4 * ADDRESSES_MAX)
            .map(|address| address.ip())
            .collect())
    }
}

/// The addresses a connection to this origin may go to; there is at least one.
pub(crate) async fn permitted(
    resolver: &dyn Resolve,
    origin: &Origin,
    private: &Private,
) -> Result<Vec<SocketAddr>, SendFailure> {
    let found = match &origin.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => match resolver.resolve(name).await {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => {
                return Err(SendFailure::nothing_sent(
                    Reason::Dns,
                    format!("`{name}` has no address"),
                ));
            }
            Err(error) => {
                return Err(SendFailure::nothing_sent(
                    Reason::Dns,
                    format!("`{name}`: {error}"),
                ));
            }
        },
    };
    // A public name that also has a private address is an attack or a mistake; its public addresses are neither.
    let mut permitted: Vec<SocketAddr> = Vec::new();
    let mut refused = None;
    for address in found.into_iter().map(|address| address.to_canonical()) {
        let address_and_port = SocketAddr::new(address, origin.port);
        if !private.permits(address) {
            refused.get_or_insert(address);
        } else if permitted.len() < ADDRESSES_MAX && !permitted.contains(&address_and_port) {
            permitted.push(address_and_port);
        }
    }
    match refused {
        Some(refused) if permitted.is_empty() => {
            let why = NotPermitted {
                host: &origin.host,
                address: refused,
            };
            Err(SendFailure::nothing_sent(Reason::Denied, why.to_string()))
        }
        _ => Ok(permitted),
    }
}

struct NotPermitted<'h> {
    host: &'h Host,
    address: IpAddr,
}

impl fmt::Display for NotPermitted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotPermitted { host, address } = self;
        write!(
            f,
            "`{host}` leads to {address}, {}: grant it with `allow_private_networks`",
            classify(*address)
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Fixed(Vec<&'static str>);

    #[async_trait]
    impl Resolve for Fixed {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            match self.0.as_slice() {
                ["NXDOMAIN"] => Err(io::Error::other("no such name")),
                addresses => Ok(addresses.iter().map(|a| a.parse().unwrap()).collect()),
            }
        }
    }

    async fn check(addresses: &[&'static str], private: &Private) -> Result<Vec<String>, Reason> {
        let origin = Origin::parse("https://a.example").unwrap();
        let found = permitted(&Fixed(addresses.to_vec()), &origin, private).await;
        found
            .map(|f| f.iter().map(ToString::to_string).collect())
            .map_err(|e| e.reason)
    }

    /// O-05, O-07
    #[tokio::test]
    async fn only_permitted_addresses_are_left_of_what_a_name_resolves_to() {
        let none = Private::default();
        let networks = Private {
            networks: true,
            listed: vec![],
        };
        assert_eq!(
            check(&["8.8.8.8"], &none).await,
            Ok(vec!["8.8.8.8:443".into()])
        );
        assert_eq!(
            check(&["10.0.0.1", "8.8.8.8", "::1"], &none).await,
            Ok(vec!["8.8.8.8:443".into()])
        );
        assert_eq!(
            check(&["10.0.0.1", "::ffff:127.0.0.1"], &none).await,
            Err(Reason::Denied)
        );
        assert_eq!(
            check(&["64:ff9b::7f00:1"], &none).await,
            Err(Reason::Denied)
        );
        assert_eq!(
            check(&["::ffff:8.8.8.8", "8.8.8.8"], &none).await,
            Ok(vec!["8.8.8.8:443".into()])
        );
        assert_eq!(
            check(&["127.0.0.1", "169.254.169.254"], &networks).await,
            Ok(vec!["127.0.0.1:443".into()])
        );
        assert_eq!(
            check(&["169.254.169.254"], &networks).await,
            Err(Reason::Denied)
        );
        assert_eq!(check(&[], &none).await, Err(Reason::Dns));
        assert_eq!(check(&["NXDOMAIN"], &none).await, Err(Reason::Dns));
    }

    /// O-07
    #[tokio::test]
    async fn ten_thousand_records_are_a_few() {
        struct Many;
        #[async_trait]
        impl Resolve for Many {
            async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
                Ok((0..10_000u32)
                    .map(|n| IpAddr::from((0x0808_0000 + n).to_be_bytes()))
                    .collect())
            }
        }
        let origin = Origin::parse("https://a.example").unwrap();
        let found = permitted(&Many, &origin, &Private::default())
            .await
            .unwrap();
        assert_eq!(found.len(), ADDRESSES_MAX);
    }

    /// O-03
    #[tokio::test]
    async fn an_address_in_the_origin_is_judged_like_one_from_a_name() {
        for (origin, permitted_by_default) in [
            ("http://127.0.0.1", false),
            ("http://169.254.169.254", false),
            ("http://[::1]", false),
            ("http://8.8.8.8", true),
        ] {
            let origin = Origin::parse(origin).unwrap();
            let found = permitted(&Fixed(vec!["NXDOMAIN"]), &origin, &Private::default()).await;
            assert_eq!(found.is_ok(), permitted_by_default, "{origin}");
        }
    }
}
