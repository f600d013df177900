//! The sample application between two servers, as `cargo xtask demo two-servers` shows it.

use crate::saml::{APPLICATION_KEY, Two};
use crate::{ALICE, PASSWORD};
use postern_federation::saml::SigningKey;
use postern_kit::anyhow::Result;
use postern_kit::ports::free_port;
use postern_kit::{Page, Stop, Visitor};
use relying_party::{App, Running, Settings};
use std::net::SocketAddr;

struct Sample {
    two: Two,
    origin: String,
    running: Running,
    visitor: Visitor,
}

impl Sample {
    async fn start() -> Result<Self> {
        let port = free_port()?;
        let origin = format!("http://localhost:{port}");
        let entries = format!(
            r#"
[relying_party.sample]
first_step = ["internal"]
second_step = "none"
claims = {{ mobile = "http://wso2.org/claims/mobile" }}
[relying_party.sample.saml]
entity_id = "sample.example"
consumer_services = ["{origin}/saml/acs"]
certificates = ["application.crt"]
signed_requests = true
attribute_profile = true
attributes_always = true
idp_initiated = true
single_logout = true
logout_url = "{origin}/saml/logout"

[relying_party.sample-by-openid]
first_step = ["internal"]
second_step = "sms-otp"
[relying_party.sample-by-openid.oidc]
client_id = "sample"
public = true
redirect_uris = ["{origin}/oidc/callback"]
post_logout_redirect_uris = ["{origin}/?signed-out"]
"#
        );
        let two = Two::start("", &entries).await?;
        two.external
            .add_user("alice", "x another password", ALICE)
            .await?;
        let app = App::new(Settings {
            public_url: origin.clone(),
            identity_provider: two.external.origin(),
            entity_id: "sample.example".to_owned(),
            client_id: "sample".to_owned(),
            client_secret: None,
            key: SigningKey::from_pem(APPLICATION_KEY.0, APPLICATION_KEY.1)?,
        })?;
        let running = app.start(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        let visitor = Visitor::new([
            (two.internal.origin(), two.internal.host().public),
            (two.external.origin(), two.external.host().public),
            (origin.clone(), running.address),
        ]);
        Ok(Self {
            two,
            origin,
            running,
            visitor,
        })
    }

    async fn open(&mut self, path: &str) -> Result<Stop> {
        self.visitor.open(&format!("{}{path}", self.origin)).await
    }

    async fn gives_password(&mut self, stop: Stop) -> Result<Stop> {
        self.two.password(&mut self.visitor, stop, PASSWORD).await
    }

    /// The page of the application.
    fn here(&self, stop: Stop) -> Page {
        let Stop::Page { origin, page } = stop else {
            panic!("a page")
        };
        assert_eq!(origin, self.origin, "{}", page.text());
        page
    }

    async fn everybody_is_out(&self) -> Result<()> {
        for origin in [self.two.internal.origin(), self.two.external.origin()] {
            let mut look = self.visitor.clone();
            let page = look.open(&format!("{origin}/account")).await?.page()?;
            assert!(page.asks_for_password(), "{origin}: {}", page.text());
        }
        let home = self.here(
            self.visitor
                .clone()
                .open(&format!("{}/", self.origin))
                .await?,
        );
        assert!(home.text().contains("log in with SAML"), "{}", home.text());
        Ok(())
    }
}

/// The seed's seven lines, with a real application at both ends.
#[tokio::test]
async fn the_walk_of_the_documentation_begins_and_ends_at_the_application() -> Result<()> {
    let mut sample = Sample::start().await?;
    let home = sample.open("/").await?;
    assert!(sample.here(home).text().contains("log in with SAML"));
    let stop = sample.open("/saml/login").await?;
    let stop = sample.gives_password(stop).await?;
    let page = sample.here(stop);
    for words in ["SAML 2.0 as alice", ALICE, "PasswordProtectedTransport"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let (application, external, internal) = (
        sample.origin.clone(),
        sample.two.external.origin(),
        sample.two.internal.origin(),
    );
    let lines = [
        format!("GET {application}/"),
        format!("GET {application}/saml/login"),
        format!("GET {external}/samlsso?SAMLRequest="),
        format!("GET {internal}/samlsso?SAMLRequest="),
        format!("GET {internal}/samlsso?sessionDataKey="),
        format!("POST {external}/commonauth"),
        format!("GET {external}/samlsso?sessionDataKey="),
    ];
    let mut rest = sample.visitor.trail.iter();
    for line in &lines {
        assert!(
            rest.any(|at| at.starts_with(line)),
            "`{line}` is missing, or out of order, in {:#?}",
            sample.visitor.trail
        );
    }
    let stop = sample
        .visitor
        .submit(&application, &page, "/sign-out", &[])
        .await?;
    let page = sample.here(stop);
    assert!(
        page.text().contains("signed out everywhere"),
        "{}",
        page.text()
    );
    sample.everybody_is_out().await
}

#[tokio::test]
async fn the_identity_provider_begins_and_ends_a_session_at_the_application() -> Result<()> {
    let mut sample = Sample::start().await?;
    let (external, internal) = (sample.two.external.origin(), sample.two.internal.origin());
    let start = format!("{external}/samlsso?spEntityID=sample.example");
    let stop = sample.visitor.open(&start).await?;
    let stop = sample.gives_password(stop).await?;
    assert!(sample.here(stop).text().contains("SAML 2.0 as alice"));
    let account = sample.visitor.open(&format!("{internal}/account")).await?;
    let account = account.page()?;
    let stop = sample
        .visitor
        .submit(&internal, &account, "/sign-out", &[])
        .await?;
    assert_eq!(stop.page()?.path, "/signed-out");
    sample.everybody_is_out().await
}

#[tokio::test]
async fn by_openid_connect_the_application_learns_of_both_factors() -> Result<()> {
    let mut sample = Sample::start().await?;
    let external = sample.two.external.origin();
    let stop = sample.open("/oidc/login").await?;
    let page = sample.gives_password(stop).await?.page()?;
    assert!(page.asks_for_code(), "{}", page.text());
    let code = sample.two.external.phone(ALICE).next_code().await?;
    let page = sample
        .visitor
        .submit(&external, &page, "/sign-in/code", &[("code", &code)])
        .await?
        .page()?;
    let onward = page.onward().unwrap_or_else(|| panic!("{}", page.text()));
    let stop = sample.visitor.open(&onward).await?;
    let page = sample.here(stop);
    for words in [
        "OpenID Connect as alice",
        "https://refeds.org/profile/mfa",
        "fed sms otp mfa",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let origin = sample.origin.clone();
    let stop = sample
        .visitor
        .submit(&origin, &page, "/sign-out", &[])
        .await?;
    // By way of the internal one; then a page of the external one leads back.
    let page = sample.here(stop);
    assert!(
        page.text().contains("signed out everywhere"),
        "{}",
        page.text()
    );
    sample.everybody_is_out().await
}

/// S-05 and X-19 at the other end: the sample is an example, also of what to refuse.
#[tokio::test]
async fn the_application_takes_an_answer_once_and_in_one_browser() -> Result<()> {
    let mut sample = Sample::start().await?;
    let to = leaves(&mut sample).await?;
    let mut alone = sample.visitor.clone();
    alone.forget(&sample.origin);
    let stop = alone.open(&to).await?;
    let stop = sample.two.password(&mut alone, stop, PASSWORD).await?;
    let (address, fields) = stop.away()?;
    let mut stranger = Visitor::new([(sample.origin.clone(), sample.running.address)]);
    let page = stranger.post(&address, &fields).await?.page()?;
    assert_eq!(page.status, 400, "{}", page.text());
    // What the stranger brought is used up, here as well.
    let page = sample.visitor.post(&address, &fields).await?.page()?;
    assert_eq!(page.status, 400, "{}", page.text());
    Ok(())
}

/// Where the application would send a browser, which gets its cookie.
async fn leaves(sample: &mut Sample) -> Result<String> {
    let mut here = sample.visitor.clone();
    here.forget(&sample.two.external.origin());
    let (to, _) = here
        .open(&format!("{}/saml/login", sample.origin))
        .await?
        .away()?;
    here.know(
        &sample.two.external.origin(),
        sample.two.external.host().public,
    );
    sample.visitor = here;
    Ok(to)
}
