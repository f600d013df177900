//! The key that signs the application's requests. Its certificate goes into its entry at Postern.

use anyhow::{Context, Result};
use jiff::Timestamp;
use postern_federation::saml::SigningKey;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `saml.key` and `saml.crt`, made if they are not there.
pub fn in_folder(folder: &Path) -> Result<SigningKey> {
    let (key, certificate) = (folder.join("saml.key"), folder.join("saml.crt"));
    if key.exists() {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        return Ok(SigningKey::from_pem(&read(&key)?, &read(&certificate)?)?);
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let made = SigningKey::generate("sample application", Timestamp::now())?;
    std::fs::write(&certificate, made.certificate().to_pem())?;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&key)?
        .write_all(made.to_pem().as_bytes())?;
    Ok(made)
}
