//! Bodies of documents and tenants' settings, sealed: AES-256-GCM with a random nonce. The document's key and version are
//! bound in, so that a body cannot be put under another name, nor an old one back in its place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use postern_admin::documents::Key;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use zeroize::Zeroizing;

pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(
            RandomizedNonceKey::new(&AES_256_GCM, key)
                .expect("a key of AES-256 has 32 bytes, and this one has"),
        )
    }

    pub(crate) fn close(&self, key: &Key, version: u64, body: &str) -> Result<Vec<u8>, StoreError> {
        self.shut(bound(key, version), body)
    }

    /// A tenant's settings, as they were at this change of it.
    pub(crate) fn close_settings(
        &self,
        tenant: &TenantId,
        changed_at: Timestamp,
        text: &str,
    ) -> Result<Vec<u8>, StoreError> {
        self.shut(bound_settings(tenant, changed_at), text)
    }

    pub(crate) fn open_settings(
        &self,
        tenant: &TenantId,
        changed_at: Timestamp,
        sealed: &[u8],
    ) -> Result<String, StoreError> {
        let opened = self.unshut(bound_settings(tenant, changed_at), sealed);
        opened.ok_or_else(|| {
            StoreError::new(format!(
                "the settings of tenant `{tenant}` are not as they were written: they were changed outside of Postern, or the key file is another one"
            ))
        })
    }

    fn shut(&self, bound: Vec<u8>, body: &str) -> Result<Vec<u8>, StoreError> {
        let mut sealed = body.as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(bound), &mut sealed)
            .map_err(|_| StoreError::new("a document cannot be sealed"))?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    fn unshut(&self, bound: Vec<u8>, sealed: &[u8]) -> Option<String> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let body = self.0.open_in_place(nonce, Aad::from(bound), &mut rest);
        String::from_utf8(body.ok()?.to_vec()).ok()
    }

    pub(crate) fn open(
        &self,
        key: &Key,
        version: u64,
        sealed: &[u8],
    ) -> Result<String, StoreError> {
        self.unshut(bound(key, version), sealed).ok_or_else(|| {
            StoreError::new(format!(
                "the {} `{}` is not as it was written: it was changed outside of Postern, or the key file is another one",
                key.kind.as_str(),
                key.name
            ))
        })
    }
}

fn bound_settings(tenant: &TenantId, changed_at: Timestamp) -> Vec<u8> {
    format!("postern tenant {tenant} {}", changed_at.0).into_bytes()
}

impl Seal {
    /// Bytes that belong to nothing but `bound`.
    pub(crate) fn close_text(&self, bound: &str, text: &str) -> Result<Vec<u8>, StoreError> {
        let mut sealed = text.as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(bound.as_bytes()), &mut sealed)
            .map_err(|_| StoreError::new("a text cannot be sealed"))?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    pub(crate) fn open_text(
        &self,
        bound: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, StoreError> {
        let broken = || StoreError::new("a sealed text is not as it was written");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let text = self
            .0
            .open_in_place(nonce, Aad::from(bound.as_bytes()), &mut rest)
            .map_err(|_| broken())?;
        String::from_utf8(text.to_vec())
            .map(Zeroizing::new)
            .map_err(|_| broken())
    }
}

/// No two documents, and no two versions of one, alike: parts are length-prefixed.
fn bound(key: &Key, version: u64) -> Vec<u8> {
    let part = |text: &str| format!("{}:{text}", text.len());
    format!(
        "postern document {}{}{}{version}",
        part(key.tenant.as_str()),
        part(key.kind.as_str()),
        part(&key.name)
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_admin::documents::Kind;

    fn key(name: &str) -> Key {
        Key {
            tenant: TenantId::super_tenant(),
            kind: Kind::IdentityProvider,
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_body_opens_under_its_own_key_name_and_version_only() {
        let seal = Seal::new(&[1; 32]);
        let sealed = seal.close(&key("corp"), 3, "{\"secret\":\"s-1\"}").unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("s-1"));
        assert_eq!(
            seal.open(&key("corp"), 3, &sealed).unwrap(),
            "{\"secret\":\"s-1\"}"
        );
        assert!(seal.open(&key("other"), 3, &sealed).is_err());
        assert!(seal.open(&key("corp"), 2, &sealed).is_err());
        assert!(Seal::new(&[2; 32]).open(&key("corp"), 3, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal.open(&key("corp"), 3, &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(seal.open(&key("corp"), 3, &sealed[..length]).is_err());
        }
    }

    ///
    #[test]
    fn a_tenants_settings_open_for_that_tenant_and_that_change_only() {
        let seal = Seal::new(&[1; 32]);
        let tenant = |name| TenantId::parse(name).unwrap();
        let (a, b) = (tenant("a.example"), tenant("b.example"));
        let sealed = seal.close_settings(&a, Timestamp(7), "token = \"s-1\"");
        let sealed = sealed.unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("s-1"));
        let opened = seal.open_settings(&a, Timestamp(7), &sealed).unwrap();
        assert_eq!(opened, "token = \"s-1\"");
        assert!(seal.open_settings(&b, Timestamp(7), &sealed).is_err());
        assert!(seal.open_settings(&a, Timestamp(8), &sealed).is_err());
    }
}
