//! The cookies: their names, how they are set, how they are read. Values are secrets of one
//! browser and say nothing.
//!
//! Each tenant has names of its own, and not a `Path` of its own: `__Host-` asks for `Path=/`, and
//! it is what keeps other subdomains from planting one. A path would be no wall anyway. What keeps
//! tenants apart is that a login and a session know whose they are.

use crate::public_url::PublicUrl;
use crate::tenant;
use http::{HeaderMap, HeaderValue, header};
use postern_federation::ports::ParkingKey;
use postern_login::session::SessionId;
use postern_login::{LoginId, TenantId};

/// How long the cookie of a login in progress lives: as long as the login, 15 minutes.
const LOGIN_SECONDS: u32 = 900;

/// One tenant's names and attributes.
#[derive(Debug, Clone)]
pub struct Cookies {
    login: String,
    session: String,
    proof: String,
    sign_out: String,
    secure: bool,
    same_site: &'static str,
}

impl Cookies {
    /// With `__Host-`, so that no other subdomain can plant one (attack S-03); without it and
    /// without Secure on plain HTTP at a loopback address, where browsers would drop them.
    pub fn new(public_url: &PublicUrl, tenant: &TenantId) -> Self {
        let prefix = if public_url.secure() { "__Host-" } else { "" };
        let hash = public_url.short_hash(&tenant::base(tenant));
        let name = |what: &str| format!("{prefix}postern-{what}-{hash}");
        Self {
            login: name("login"),
            session: name("session"),
            proof: name("proof"),
            sign_out: name("sign-out"),
            secure: public_url.secure(),
            same_site: "Lax",
        }
    }

    /// Those of the console: names of their own, because cookies do not know ports, and a browser
    /// that comes from another site brings none of them.
    pub fn of_console(public_url: &PublicUrl, console_url: Option<&PublicUrl>) -> Self {
        let secure = console_url.is_some_and(PublicUrl::secure);
        let prefix = if secure { "__Host-" } else { "" };
        let hash = public_url.short_hash("");
        let name = |what: &str| format!("{prefix}postern-console{what}-{hash}");
        Self {
            login: name("-login"),
            session: name(""),
            proof: name("-proof"),
            sign_out: name("-sign-out"),
            secure,
            same_site: "Strict",
        }
    }

    /// The login in progress.
    pub fn login(&self, headers: &HeaderMap) -> Option<LoginId> {
        read(headers, &self.login).and_then(LoginId::parse)
    }

    /// The number on the account page that is being proven.
    pub fn proof(&self, headers: &HeaderMap) -> Option<LoginId> {
        read(headers, &self.proof).and_then(LoginId::parse)
    }

    /// A walk from one participant of an ended session to the next.
    pub fn sign_out(&self, headers: &HeaderMap) -> Option<ParkingKey> {
        read(headers, &self.sign_out).and_then(ParkingKey::parse)
    }

    pub fn session(&self, headers: &HeaderMap) -> Option<SessionId> {
        read(headers, &self.session).and_then(SessionId::parse)
    }

    pub fn set_login(&self, id: &LoginId) -> HeaderValue {
        self.set(&self.login, id.as_str(), Some(LOGIN_SECONDS))
    }

    pub fn clear_login(&self) -> HeaderValue {
        self.set(&self.login, "", Some(0))
    }

    pub fn set_proof(&self, id: &LoginId) -> HeaderValue {
        self.set(&self.proof, id.as_str(), Some(LOGIN_SECONDS))
    }

    pub fn clear_proof(&self) -> HeaderValue {
        self.set(&self.proof, "", Some(0))
    }

    pub fn set_sign_out(&self, key: &ParkingKey) -> HeaderValue {
        self.set(&self.sign_out, key.as_str(), Some(LOGIN_SECONDS))
    }

    pub fn clear_sign_out(&self) -> HeaderValue {
        self.set(&self.sign_out, "", Some(0))
    }

    /// Ends with the browser; how long the session itself lives is the store's to say.
    pub fn set_session(&self, id: &SessionId) -> HeaderValue {
        self.set(&self.session, id.as_str(), None)
    }

    pub fn clear_session(&self) -> HeaderValue {
        self.set(&self.session, "", Some(0))
    }

    fn set(&self, name: &str, value: &str, max_age: Option<u32>) -> HeaderValue {
        let mut text = format!(
            "{name}={value}; Path=/; HttpOnly; SameSite={}",
            self.same_site
        );
        if self.secure {
            text.push_str("; Secure");
        }
        if let Some(seconds) = max_age {
            text.push_str(&format!("; Max-Age={seconds}"));
        }
        HeaderValue::from_str(&text).expect("names and ids are visible ASCII")
    }
}

/// The value of a cookie; none if the name comes twice, for then someone else may have written one.
fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        for pair in line.to_str().ok()?.split(';') {
            if let Some((key, value)) = pair.trim().split_once('=')
                && key == name
            {
                if found.is_some() {
                    return None;
                }
                found = Some(value);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_login::tenant::SUPER_TENANT;

    fn cookies(public_url: &str, tenant: &str) -> Cookies {
        let tenant = TenantId::parse(tenant).unwrap();
        Cookies::new(&PublicUrl::parse(public_url).unwrap(), &tenant)
    }

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers
    }

    #[test]
    fn https_cookies_carry_the_host_prefix_and_secure() {
        let cookies = cookies("https://login.example", SUPER_TENANT);
        let id = SessionId::parse(&"a".repeat(43)).unwrap();
        let set = cookies.set_session(&id);
        let set = set.to_str().unwrap();
        assert!(set.starts_with("__Host-postern-session-"), "{set}");
        assert!(
            set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
            "{set}"
        );
    }

    #[test]
    fn loopback_cookies_go_without_prefix_and_secure() {
        let cookies = cookies("http://localhost:9443", SUPER_TENANT);
        let set = cookies.clear_session();
        let set = set.to_str().unwrap();
        assert!(set.starts_with("postern-session-"), "{set}");
        assert!(!set.contains("Secure"), "{set}");
        assert!(set.ends_with("Max-Age=0"), "{set}");
    }

    #[test]
    fn the_consoles_cookies_are_no_pages_cookies() {
        let public = PublicUrl::parse("https://login.example").unwrap();
        let pages = cookies("https://login.example", SUPER_TENANT);
        let console = Cookies::of_console(&public, None);
        let id = SessionId::parse(&"a".repeat(43)).unwrap();
        let set = console.set_session(&id);
        let set = set.to_str().unwrap();
        assert!(set.starts_with("postern-console-"), "{set}");
        assert!(
            set.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
            "{set}"
        );
        let sent = headers(set.split(';').next().unwrap());
        assert!(console.session(&sent).is_some());
        assert!(pages.session(&sent).is_none() && pages.login(&sent).is_none());
        let admin = PublicUrl::parse("https://admin.example").unwrap();
        let set = Cookies::of_console(&public, Some(&admin)).set_session(&id);
        assert!(set.to_str().unwrap().starts_with("__Host-postern-console-"));
        assert!(set.to_str().unwrap().ends_with("; Secure"));
    }

    #[test]
    fn two_ports_of_one_name_do_not_share_cookies() {
        let one = cookies("http://localhost:1", SUPER_TENANT);
        let two = cookies("http://localhost:2", SUPER_TENANT);
        assert_ne!(one.session, two.session);
    }

    ///
    #[test]
    fn two_tenants_do_not_share_cookies_and_both_keep_the_host_prefix() {
        let one = cookies("https://login.example", "a.example");
        let two = cookies("https://login.example", "b.example");
        let none = cookies("https://login.example", SUPER_TENANT);
        assert_ne!(one.session, two.session);
        assert_ne!(one.session, none.session);
        assert!(one.session.starts_with("__Host-"), "{}", one.session);
        let set = one.clear_session();
        assert!(set.to_str().unwrap().contains("; Path=/;"), "{set:?}");
    }

    /// S-03
    #[test]
    fn a_cookie_that_comes_twice_is_no_cookie() {
        let cookies = cookies("http://localhost:1", SUPER_TENANT);
        let id = "b".repeat(43);
        let name = &cookies.login;
        assert!(
            cookies
                .login(&headers(&format!("x=1; {name}={id}")))
                .is_some()
        );
        assert!(
            cookies
                .login(&headers(&format!("{name}={id}; {name}={id}")))
                .is_none()
        );
        assert!(cookies.login(&headers(&format!("{name}={id}x"))).is_none());
        assert!(cookies.login(&headers(&format!("{name}="))).is_none());
    }
}
