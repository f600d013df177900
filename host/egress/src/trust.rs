//! Whose certificates a sender believes: the system's roots and the operator's extra ones. TLS 1.2 and 1.3, verified, always:
//! there is no switch to turn verification off, for a plugin or for anybody.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The TLS identity of a sender. Made once per configuration: its session cache lives in it, and connections are shared
/// only among requests of the same identity.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    id: [u8; 16],
}

impl Trust {
    /// The system's roots and the certificates of some PEM files.
    ///
    /// # Errors
    /// A file without a certificate, or with one that cannot be a root.
    pub fn system_and(extra_pems: &[impl AsRef<[u8]>]) -> Result<Trust, TrustError> {
        Trust::of(system_roots().clone(), extra_pems)
    }

    /// Only the certificates of some PEM files.
    ///
    /// # Errors
    /// As [`Trust::system_and`].
    pub fn only(pems: &[impl AsRef<[u8]>]) -> Result<Trust, TrustError> {
        Trust::of(RootCertStore::empty(), pems)
    }

    fn of(mut roots: RootCertStore, extra_pems: &[impl AsRef<[u8]>]) -> Result<Trust, TrustError> {
        let mut id = Sha256::new();
        id.update(roots.len().to_be_bytes());
        for (file, pem) in extra_pems.iter().enumerate() {
            let mut found = false;
            for certificate in CertificateDer::pem_slice_iter(pem.as_ref()) {
                let certificate = certificate.map_err(|_| TrustError::Pem { file })?;
                id.update(&certificate);
                roots.add(certificate).map_err(|error| TrustError::Root {
                    file,
                    error: error.to_string(),
                })?;
                found = true;
            }
            if !found {
                return Err(TrustError::Pem { file });
            }
        }
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Nothing else is spoken here: no HTTP/2, so no request of one sender rides on another's connection.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let digest = id.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Ok(Trust {
            config: Arc::new(config),
            id,
        })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    pub(crate) fn id(&self) -> [u8; 16] {
        self.id
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({})", hex::encode(self.id))
    }
}

/// Read once: it takes tens of milliseconds, and every sender needs them.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (taken, ignored) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            tracing::warn!(ignored, "no root certificates on this system: only senders with certificates of their own can use TLS");
        }
        roots
    })
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TrustError {
    #[error("file {file} of the extra certificates holds no certificate in PEM")]
    Pem { file: usize },
    #[error("file {file} of the extra certificates: {error}")]
    Root { file: usize, error: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        assert_eq!(Trust::only(&[b""]).err(), Some(TrustError::Pem { file: 0 }));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            Trust::system_and(&[key]).err(),
            Some(TrustError::Pem { file: 0 })
        );
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            Trust::only(&[garbage]),
            Err(TrustError::Root { .. })
        ));
    }
}
