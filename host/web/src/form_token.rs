//! The token in every form: proof that the page came from here and belongs to the cookie that is
//! sent with it (attacks S-04, S-05).

use hmac::{Hmac, KeyInit, Mac};
use postern_login::TenantId;
use sha2::Sha256;

/// Key of the tokens, 32 random bytes. All hosts behind one address share it; if it changes, open
/// pages must be loaded again.
#[derive(Clone)]
pub struct FormKey([u8; 32]);

/// The name of the hidden field.
pub const FIELD: &str = "token";

impl FormKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A tenant's key, made of the one of all.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Self {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(b"postern tenant\0");
        mac.update(tenant.as_str().as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// The token of a login or a session, 64 hex digits.
    pub fn token(&self, cookie_value: &str) -> String {
        hex::encode(self.mac(cookie_value).finalize().into_bytes())
    }

    /// Constant time.
    #[must_use]
    pub fn matches(&self, cookie_value: &str, token: &str) -> bool {
        hex::decode(token).is_ok_and(|bytes| self.mac(cookie_value).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, cookie_value: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(b"postern form\0");
        mac.update(cookie_value.as_bytes());
        mac
    }
}

impl std::fmt::Debug for FormKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[form key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-04, S-05
    #[test]
    fn a_token_belongs_to_one_cookie_and_one_key() {
        let key = FormKey::new([1; 32]);
        let token = key.token("alpha");
        assert!(key.matches("alpha", &token));
        assert!(!key.matches("beta", &token));
        assert!(!FormKey::new([2; 32]).matches("alpha", &token));
        let [one, two] = ["a.example", "b.example"].map(|name| {
            let tenant = TenantId::parse(name).expect("a tenant's name");
            key.of(&tenant)
        });
        assert!(one.matches("alpha", &one.token("alpha")));
        assert!(!one.matches("alpha", &two.token("alpha")));
        assert!(!one.matches("alpha", &token));
        for bad in ["", "0", "zz", &token[..62], &format!("{token}00")] {
            assert!(!key.matches("alpha", bad), "{bad}");
        }
    }
}
