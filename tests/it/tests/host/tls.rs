//! TLS of the real program: a certificate is renewed while it serves.

use postern_kit::{Installation, anyhow::Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Issued {
    chain: String,
    key: String,
}

fn issue() -> Issued {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Issued {
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    }
}

struct Scene {
    installation: Installation,
}

impl Scene {
    fn set(issued: &Issued) -> Result<Self> {
        let scene = Self {
            installation: Installation::lay_out(&["fake"], "")?,
        };
        scene.put(&issued.chain, &issued.key)?;
        let more = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n[outbox]\n[sender.test]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"test\"]\n";
        scene.installation.configure(more)?;
        let config = std::fs::read_to_string(scene.installation.config())?;
        let config = config.replace("public_url = \"http:", "public_url = \"https:");
        std::fs::write(scene.installation.config(), config)?;
        Ok(scene)
    }

    /// As renewal tools do it: each file whole, one after the other.
    fn put(&self, chain: &str, key: &str) -> Result<()> {
        for (name, text) in [("cert.pem", chain), ("key.pem", key)] {
            let beside = self.installation.path().join(format!(".{name}"));
            std::fs::write(&beside, text)?;
            std::fs::rename(beside, self.installation.path().join(name))?;
        }
        Ok(())
    }

    /// The status line of the sign-in page over TLS, trusting this certificate only.
    async fn ask(&self, trusted: &Issued) -> std::io::Result<String> {
        let mut roots = rustls::RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(trusted.chain.as_bytes()).unwrap();
        roots.add(der).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.installation.public).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let host = format!("localhost:{}", self.installation.public.port());
        let request = format!("GET /sign-in HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }

    async fn wait_for_log(&self, words: &str, times: usize) -> Result<()> {
        for _ in 0..500 {
            if self.installation.log().matches(words).count() >= times {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        postern_kit::anyhow::bail!("the log never said `{words}`:\n{}", self.installation.log())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_without_a_restart() -> Result<()> {
    let (old, new, other) = (issue(), issue(), issue());
    let scene = Scene::set(&old)?;
    let process = scene.installation.serve().await?;
    assert_eq!(scene.ask(&old).await?, "HTTP/1.1 200 OK");

    // A key that is another certificate's: the old pair goes on serving.
    scene.put(&new.chain, &other.key)?;
    crate::crash::hang_up(process.id());
    scene.wait_for_log("the old one goes on", 1).await?;
    assert_eq!(scene.ask(&old).await?, "HTTP/1.1 200 OK");
    assert!(scene.ask(&new).await.is_err());

    scene.put(&new.chain, &new.key)?;
    crate::crash::hang_up(process.id());
    scene.wait_for_log("was taken over", 1).await?;
    assert_eq!(scene.ask(&new).await?, "HTTP/1.1 200 OK");
    assert!(scene.ask(&old).await.is_err(), "the old one is gone");
    Ok(())
}
