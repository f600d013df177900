//! `[server]`: where it listens, what browsers call it, where its data is.

use super::secret::{self, Surroundings};
use super::section::Section;
use postern_egress::address::Network;
use postern_federation::Secret;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use url::Url;

#[derive(Debug, Clone)]
pub struct Server {
    /// Scheme, host and port as browsers see them, without a path: `https://login.example`.
    pub public_url: String,
    /// Where pages and the JSON API are.
    pub listen: SocketAddr,
    /// Health, metrics, the administrator's API. Never public.
    pub admin_listen: SocketAddr,
    /// Scheme, host and port by which administrators reach `admin_listen`, if it is not loopback
    /// itself: `https://postern-admin.example`.
    pub admin_url: Option<String>,
    /// Store, keys, compiled plugins. Created with mode 0700.
    pub data_dir: PathBuf,
    /// Reverse proxies whose X-Forwarded-For is believed: addresses or networks (`10.0.0.0/8`).
    pub trusted_proxies: Vec<String>,
    /// Further values of `Host` that are answered.
    pub other_hosts: Vec<String>,
    /// The name at the top of pages and in messages.
    pub brand: String,
    /// For the administrator's API; by default one is drawn and kept in the data folder.
    pub admin_token: Option<Secret>,
}

impl Server {
    pub(super) fn read(mut section: Section<'_>, base: &Path, surroundings: &Surroundings) -> Self {
        let public_url = read_public_url(&mut section);
        let address = "an address and a port, such as `127.0.0.1:9443`";
        let listen = section.or("listen", address, SocketAddr::from(([127, 0, 0, 1], 9443)));
        let admin_listen: SocketAddr = section.or(
            "admin_listen",
            address,
            SocketAddr::from(([127, 0, 0, 1], 9444)),
        );
        if listen == admin_listen && listen.port() != 0 {
            section.problem("admin_listen", "the same as `server.listen`: expected another port, because what is there is not for everybody");
        }
        if !admin_listen.ip().is_loopback() {
            section.warning("admin_listen", "the administrator's address is reachable from other machines: `127.0.0.1` keeps it here");
        }
        let admin_url = section.optional::<String>(
            "admin_url",
            "scheme, host and port, such as `https://postern-admin.example`",
        );
        if let Some(url) = &admin_url
            && let Err(error) = postern_web::PublicUrl::parse(url)
        {
            section.problem("admin_url", error.to_string());
        }
        let data_dir =
            base.join(section.or("data_dir", "the path of a folder", PathBuf::from("data")));
        let trusted_proxies: Vec<String> = section.or(
            "trusted_proxies",
            "a list of addresses or networks",
            Vec::new(),
        );
        for proxy in &trusted_proxies {
            match proxy.parse::<Network>() {
                Ok(network) if network.is_everything() => section.warning("trusted_proxies", format!("`{proxy}` believes everybody: any client can then choose the address that limits count")),
                Ok(_) => {}
                Err(error) => section.problem("trusted_proxies", error.to_string()),
            }
        }
        let other_hosts = section.or("other_hosts", "a list of host names", Vec::new());
        let brand: String = section.or("brand", "a text", "Postern".to_owned());
        if brand.trim().is_empty()
            || brand.chars().count() > 40
            || brand.chars().any(char::is_control)
        {
            section.problem("brand", "expected 1 to 40 characters on one line");
        }
        let admin_token = section
            .optional::<toml::Value>("admin_token", "a text or a reference")
            .and_then(|value| match secret::resolve(&value, base, surroundings) {
                Ok(resolved) if resolved.value.expose().len() >= 16 => Some(resolved.value),
                Ok(_) => {
                    section.problem(
                        "admin_token",
                        "too short: expected at least 16 characters drawn at random",
                    );
                    None
                }
                Err(message) => {
                    section.problem("admin_token", message);
                    None
                }
            });
        section.finish();
        Self {
            public_url,
            listen,
            admin_listen,
            admin_url,
            data_dir,
            trusted_proxies,
            other_hosts,
            brand,
            admin_token,
        }
    }

    /// Where an administrator's browser finds the console.
    pub fn console_url(&self) -> String {
        match &self.admin_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.admin_listen.ip().is_unspecified() => {
                format!("http://localhost:{}", self.admin_listen.port())
            }
            None => format!("http://{}", self.admin_listen),
        }
    }

    /// The host name of `public_url`, for the origin-bound last line of messages.
    pub fn public_host(&self) -> String {
        Url::parse(&self.public_url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

fn read_public_url(section: &mut Section<'_>) -> String {
    const DEFAULT: &str = "http://localhost:9443";
    const EXPECTED: &str = "the address browsers use, such as `https://login.example`";
    let text: String = section.or("public_url", EXPECTED, DEFAULT.to_owned());
    let Ok(url) = Url::parse(&text) else {
        section.problem("public_url", format!("`{text}`: expected {EXPECTED}"));
        return DEFAULT.into();
    };
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare {
        section.problem(
            "public_url",
            format!("`{text}`: expected scheme, host and port only, without a path or user"),
        );
        return DEFAULT.into();
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => section.problem("public_url", format!("`{text}`: expected https, because over http anybody on the way reads the password; http is for localhost only")),
        other => section.problem("public_url", format!("`{other}`: expected https, or http at localhost")),
    }
    text.trim_end_matches('/').to_owned()
}
