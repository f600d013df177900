//! The administrator's console in a real browser, at the width of a phone and of a desk. What it
//! shows lies under `target/screenshots` afterwards.

use crate::browser::{Driver, fits, picture};
use crate::{ALICE, PASSWORD};
use fantoccini::{Client, Locator};
use postern_admin::Role;
use postern_federation::ports::Peers;
use postern_kit::anyhow::{Context, Result, bail};
use postern_kit::{Phone, Provider, TestHost};
use postern_server::desk::{Reply, Request};
use std::time::Duration;

/// An invitation, both factors, people, providers and applications, and what the log says of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_comes_in_by_a_link_and_administers_on_a_phone() -> Result<()> {
    administer("phone", 390, 844).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_comes_in_by_a_link_and_administers_at_a_desk() -> Result<()> {
    administer("desktop", 1280, 800).await
}

const ERIN: &str = "+12025550177";
const CERTIFICATE: &str = include_str!("../../../../host/federation/tests/saml/keys/sp.crt");

async fn administer(name: &str, width: u32, height: u32) -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .plugin("http-recipe")
        .start()
        .await?;
    let request = Request::AdminInvite {
        name: "erin".into(),
        role: Role::Administrator,
    };
    let Reply::Invited(invited) = host.host().parts.desk.answer(request).await? else {
        bail!("expected an invitation");
    };
    let driver = Driver::start().await?;
    let browser = driver.browser(width, height).await?;
    let walk = Walk {
        origin: format!("http://{}", host.host().admin),
        browser: &browser,
        host: &host,
        name,
    };
    let outcome = walk.whole(&invited.secret).await;
    browser.close().await?;
    outcome
}

struct Walk<'a> {
    origin: String,
    browser: &'a Client,
    host: &'a TestHost,
    name: &'a str,
}

impl Walk<'_> {
    async fn whole(&self, invitation: &str) -> Result<()> {
        let mut phone = self.host.phone(ERIN);
        self.come_in(invitation, &mut phone).await?;
        self.go_out_and_in_again(&mut phone).await?;
        self.add_a_user().await?;
        self.define_an_openid_provider().await?;
        self.define_saml_peers().await?;
        self.define_a_dialect().await?;
        self.add_a_client().await?;
        for page in [
            "service-providers/new/oidc",
            "service-providers/new/saml",
            "identity-providers/new/sms-otp%2Fhttp-recipe",
            "identity-providers",
            "service-providers",
            "resident-service-provider",
            "resident-identity-provider",
            "connectors/new/scim",
            "tenants",
            "claims",
            "claims/of/openid",
            "clients",
            "senders",
            "plugins",
            "administrators",
            "users",
        ] {
            self.goto(page).await?;
            let name = page.replace(['/', '%'], "-");
            self.look(&format!("9-{name}")).await?;
        }
        self.read_the_log().await
    }

    async fn goto(&self, page: &str) -> Result<()> {
        let address = format!("{}/console/{page}", self.origin);
        Ok(self.browser.goto(&address).await?)
    }

    async fn look(&self, page: &str) -> Result<()> {
        picture(self.browser, &format!("{}-console-{page}", self.name)).await?;
        fits(self.browser).await.with_context(|| page.to_owned())
    }

    async fn wait_for(&self, css: &str) -> Result<fantoccini::elements::Element> {
        let wait = self.browser.wait().at_most(Duration::from_secs(10));
        wait.for_element(Locator::Css(css))
            .await
            .with_context(|| css.to_owned())
    }

    async fn fill(&self, fields: &[(&str, &str)]) -> Result<()> {
        for (field, value) in fields {
            let css = format!("main [name='{field}']");
            self.wait_for(&css).await?.send_keys(value).await?;
        }
        Ok(())
    }

    async fn click(&self, css: &str) -> Result<()> {
        Ok(self.wait_for(css).await?.click().await?)
    }

    async fn text(&self) -> Result<String> {
        Ok(self.wait_for("main").await?.text().await?)
    }

    async fn come_in(&self, invitation: &str, phone: &mut Phone) -> Result<()> {
        self.goto(&format!("invitation/{invitation}")).await?;
        self.look("1-invitation").await?;
        self.fill(&[("mobile", &format!("{ERIN}\n"))]).await?;
        let code = self.wait_for("input[name=code]").await?;
        self.look("2-invitation-code").await?;
        code.send_keys(&phone.next_code().await?).await?;
        for field in ["password", "again"] {
            self.wait_for(&format!("#{field}"))
                .await?
                .send_keys(PASSWORD)
                .await?;
        }
        self.click("form[action$='/accept'] button").await?;
        self.wait_for("nav.side").await?;
        self.look("3-overview").await
    }

    /// As on any other day.
    async fn go_out_and_in_again(&self, phone: &mut Phone) -> Result<()> {
        self.click("form[action='/console/sign-out'] button")
            .await?;
        let user = self.wait_for("input[name=username]").await?;
        self.look("4-sign-in").await?;
        user.send_keys("erin\t").await?;
        let password = self.browser.active_element().await?;
        password.send_keys(&format!("{PASSWORD}\n")).await?;
        let code = self.wait_for("input[name=code]").await?;
        self.look("4-sign-in-code").await?;
        let next = phone.next_code().await?;
        code.send_keys(&format!("{next}\n")).await?;
        self.wait_for("nav.side").await.map(|_| ())
    }

    async fn add_a_user(&self) -> Result<()> {
        self.goto("users/new").await?;
        self.fill(&[
            ("name", "frank"),
            ("display_name", "Frank <b>"),
            ("number", ALICE),
            ("password", PASSWORD),
        ])
        .await?;
        self.look("5-new-user").await?;
        self.click("form[action='/console/users/new'] button")
            .await?;
        self.wait_for("#facts").await?;
        self.look("6-user").await?;
        let text = self.text().await?;
        assert!(text.contains("Frank <b>"), "{text}");
        assert!(!text.contains(ALICE), "the number is masked: {text}");
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        self.click("form.define .actions button").await?;
        self.wait_for("p.notice.calm").await.map(|_| ())
    }

    async fn define_an_openid_provider(&self) -> Result<()> {
        self.goto("identity-providers/new/oidc").await?;
        self.look("7-new-provider").await?;
        self.fill(&[
            ("name", "corp"),
            ("value.display_name", "Corporation"),
            ("value.issuer", "https://idp.example"),
            ("value.client_id", "postern"),
            ("value.client_secret", "drawn-at-random-0123456789"),
        ])
        .await?;
        self.save().await?;
        self.look("8-provider").await?;
        let source = self.browser.source().await?;
        assert!(!source.contains("drawn-at-random"));
        self.is_known("corp").await
    }

    /// In effect, without a restart.
    async fn is_known(&self, name: &str) -> Result<()> {
        let peers = &self.host.host().parts.peers;
        let known = peers.identity_providers("carbon.super").await;
        let known = known.context("the peers")?;
        assert!(known.iter().any(|provider| provider.name == name), "{name}");
        Ok(())
    }

    async fn define_saml_peers(&self) -> Result<()> {
        self.goto("identity-providers/new/saml").await?;
        self.look("7-new-saml-provider").await?;
        self.fill(&[
            ("name", "partner"),
            ("value.entity_id", "https://partner.example/saml"),
            ("value.sso_url", "https://partner.example/sso"),
        ])
        .await?;
        self.click("form.define .actions button").await?;
        // Nothing it says could be believed.
        self.wait_for("strong.wrong").await?;
        self.look("7-saml-provider-refused").await?;
        self.fill(&[("value.certificates", CERTIFICATE.trim())])
            .await?;
        self.save().await?;
        self.look("8-saml-provider").await?;
        self.is_known("partner").await?;

        self.goto("service-providers/new/saml").await?;
        self.fill(&[
            ("name", "travelocity"),
            ("value.first_step", "\npartner"),
            ("value.saml.entity_id", "travelocity.com"),
            (
                "value.saml.consumer_services",
                "https://travelocity.example/home.jsp",
            ),
        ])
        .await?;
        for flag in ["attribute_profile", "attributes_always", "idp_initiated"] {
            self.click(&format!("[name='value.saml.{flag}']")).await?;
        }
        self.save().await?;
        self.look("8-saml-application").await?;
        let peers = &self.host.host().parts.peers;
        let parties = peers.relying_parties("carbon.super").await;
        let parties = parties.context("the peers")?;
        let party = parties.iter().find(|party| party.name == "travelocity");
        let party = party.context("the application is not in effect")?;
        let saml = party.saml.as_ref().context("it speaks SAML")?;
        assert!(saml.idp_initiated && saml.attributes_always && saml.sign_response);
        assert_eq!(party.first_step.identity_providers, ["partner"]);
        Ok(())
    }

    async fn define_a_dialect(&self) -> Result<()> {
        self.goto("claims/new/dialect").await?;
        self.fill(&[
            ("name", "partners"),
            ("value.claims", "mail = http://wso2.org/claims/emailaddress"),
        ])
        .await?;
        self.look("7-new-dialect").await?;
        self.save().await
    }

    async fn add_a_client(&self) -> Result<()> {
        self.goto("clients").await?;
        self.wait_for("#name").await?.send_keys("billing").await?;
        self.click("form[action='/console/clients/add'] button")
            .await?;
        let token = self.wait_for("pre code").await?.text().await?;
        self.look("8-client-token").await?;
        assert!(token.starts_with("postern_"), "{token}");
        Ok(())
    }

    async fn read_the_log(&self) -> Result<()> {
        self.goto("audit").await?;
        self.look("9-audit").await?;
        let text = self.text().await?;
        for said in [
            "user add",
            "frank",
            "idp put",
            "corp",
            "sp put",
            "claim put",
            "client add",
            "erin",
            "127.0.0.1",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        self.click("form[action='/console/audit/verify'] button")
            .await?;
        let notice = self.wait_for("p.notice").await?.text().await?;
        self.look("9-audit-verified").await?;
        assert!(notice.contains("all as they were written"), "{notice}");
        Ok(())
    }
}
