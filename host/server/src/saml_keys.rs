//! The keys of SAML, in files of the data folder with mode 0600: `saml.key` and `saml.crt`, made when they are first
//! asked for.
//!
//! Rolling over is the operator's, for only they know when their peers have read our metadata anew: a pair
//! `saml-next.key` and `saml-next.crt` is published and opens what is encrypted to it; renamed to `saml.*` it signs,
//! while the pair that signed before, renamed to `saml-former.*`, stays published.

use crate::keys::{Keys, read, write};
use anyhow::Context;
use postern_federation::Moment;
use postern_federation::ports::PortError;
use postern_federation::saml::keys::OwnKeys;
use postern_federation::saml::{self, Bergshamra, SamlKeys, SigningKey, XmlSecurity};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) struct FileSamlKeys {
    keys: Keys,
    /// What the certificate is made out to, for people who read it.
    name: String,
    made: Mutex<Option<Arc<dyn XmlSecurity>>>,
}

impl FileSamlKeys {
    pub(crate) fn new(keys: Keys, name: &str) -> Self {
        Self {
            keys,
            name: name.to_owned(),
            made: Mutex::default(),
        }
    }

    fn pair(&self, name: &str) -> anyhow::Result<Option<SigningKey>> {
        let (key_path, certificate_path) = (
            self.keys.path(&format!("{name}.key")),
            self.keys.path(&format!("{name}.crt")),
        );
        let Some(key) = read(&key_path)? else {
            return Ok(None);
        };
        let certificate = read(&certificate_path)?.with_context(|| {
            format!(
                "`{}` is missing beside its key: expected both",
                certificate_path.display()
            )
        })?;
        SigningKey::from_pem(&key, &certificate)
            .map(Some)
            .with_context(|| {
                format!(
                    "`{}` and `{}` are no pair that signs",
                    key_path.display(),
                    certificate_path.display()
                )
            })
    }

    fn load(&self, now: Moment) -> anyhow::Result<SamlKeys> {
        let current = match self.pair("saml")? {
            Some(current) => current,
            None => {
                let made = SigningKey::generate(&self.name, saml::at(now))?;
                // The certificate first: a key without one would stop the next start.
                write(&self.keys.path("saml.crt"), &made.certificate().to_pem())?;
                write(&self.keys.path("saml.key"), &made.to_pem())?;
                made
            }
        };
        let mut others = Vec::new();
        for name in ["saml-next", "saml-former"] {
            others.extend(self.pair(name)?);
        }
        Ok(SamlKeys { current, others })
    }
}

impl OwnKeys for FileSamlKeys {
    fn security(&self, now: Moment) -> Result<Arc<dyn XmlSecurity>, PortError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(security) = &*made {
            return Ok(security.clone());
        }
        let failed = |error: anyhow::Error| PortError::new(format!("the SAML keys: {error:#}"));
        let keys = self.load(now).map_err(failed)?;
        let security: Arc<dyn XmlSecurity> = Arc::new(
            Bergshamra::new(keys).map_err(|error| PortError::caused("the SAML keys", error))?,
        );
        *made = Some(security.clone());
        Ok(security)
    }

    fn name_key(&self) -> Result<[u8; 32], PortError> {
        let key = self.keys.saml_names();
        key.map_err(|error| PortError::new(format!("the key of persistent names: {error:#}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_federation::saml::Certificate;

    const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

    #[test]
    fn the_keys_are_made_once_and_the_next_one_is_published_until_it_signs() {
        let folder = tempfile::tempdir().unwrap();
        let keys = || Keys::open(folder.path()).unwrap();
        let now = Moment::from_seconds(1_795_310_100);
        let first = FileSamlKeys::new(keys(), "login.example");
        let signed_by = first.security(now).unwrap().certificates();
        assert_eq!(signed_by.len(), 1);
        let again = FileSamlKeys::new(keys(), "login.example");
        assert_eq!(again.security(now).unwrap().certificates(), signed_by);
        let next = SigningKey::generate("next", saml::at(now)).unwrap();
        write(&keys().path("saml-next.key"), &next.to_pem()).unwrap();
        // Half a pair is a mistake and said.
        let half = FileSamlKeys::new(keys(), "login.example");
        assert!(half.security(now).is_err());
        write(&keys().path("saml-next.crt"), &next.certificate().to_pem()).unwrap();
        let both = FileSamlKeys::new(keys(), "login.example");
        let published = both.security(now).unwrap().certificates();
        assert_eq!(published[0], signed_by[0]);
        assert_eq!(published[1], *next.certificate());
        assert_eq!(both.name_key().unwrap(), again.name_key().unwrap());

        // Renamed, the next one signs, and the former one is there for whoever has not read of it yet.
        for (from, to) in [("saml", "saml-former"), ("saml-next", "saml")] {
            for kind in ["key", "crt"] {
                let at = |name: &str| keys().path(&format!("{name}.{kind}"));
                std::fs::rename(at(from), at(to)).unwrap();
            }
        }
        let rolled = FileSamlKeys::new(keys(), "login.example");
        let rolled = rolled.security(now).unwrap();
        let published = rolled.certificates();
        assert_eq!(
            published,
            [next.certificate().clone(), signed_by[0].clone()]
        );
        let signature = rolled.sign_octets(b"octets").unwrap();
        let signs = |certificate: &Certificate| {
            let trusted = std::slice::from_ref(certificate);
            rolled.verify_octets(RSA_SHA256, b"octets", &signature, trusted)
        };
        assert!(signs(next.certificate()).is_ok());
        assert!(signs(&signed_by[0]).is_err());
    }
}
