//! An OpenID application's sign-out at a tenant's addresses. One browser is signed in at two tenants that know the shop by
//! one client id.

use crate::openid::{CALLBACK, VERIFIER, redeem_at, said, shop, userinfo_at};
use crate::{ALICE, PASSWORD};
use postern_it::tenants::{A, B, to_outbox};
use postern_kit::anyhow::Result;
use postern_kit::{Browser, Provider, TestHost};

const SHOP: &str = r#"
[relying_party.shop]
second_step = "none"
[relying_party.shop.oidc]
client_id = "shop"
public = true
redirect_uris = ["http://127.0.0.1:1/callback"]
post_logout_redirect_uris = ["http://127.0.0.1:1/bye"]
"#;

const SIGNS_OUT: &str = "/oauth2/logout/confirm";

/// What the shop was given.
struct Given {
    id_token: String,
    access_token: String,
}

impl Given {
    /// Where the shop sends the browser of whom it signs out.
    fn leads_to(&self) -> String {
        let hint = &self.id_token;
        format!(
            "/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fbye&state=done"
        )
    }
}

/// Alice gives her password for the shop.
async fn signs_in(host: &TestHost, browser: &mut Browser, tenant: &str) -> Result<Given> {
    let page = browser.open(&shop("")).await?;
    let filled = [("username", "alice"), ("password", PASSWORD)];
    let page = browser.submit(&page, "/sign-in/password", &filled).await?;
    let location = page.onward();
    let location = location.unwrap_or_else(|| panic!("{}: {}", page.path, page.html));
    let code = said(&location, "code").unwrap();
    let pairs = [
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "shop"),
    ];
    let body = redeem_at(host, &format!("/t/{tenant}"), &pairs).await?.body;
    let token = |name: &str| body[name].as_str().unwrap().to_owned();
    Ok(Given {
        id_token: token("id_token"),
        access_token: token("access_token"),
    })
}

async fn is_signed_in(browser: &Browser, tenant: &str) -> Result<bool> {
    // A look of its own: where nobody is signed in it begins a login.
    let page = browser.clone().of_tenant(tenant).open("/account").await?;
    Ok(page.path == format!("/t/{tenant}/account"))
}

/// X-34: one key signs for all tenants, so an ID token of another tenant is ours in all but its issuer.
#[tokio::test]
async fn an_application_of_a_tenant_signs_out_of_that_tenants_session_and_no_other() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    for (tenant, brand) in [(A, "acme"), (B, "bravo")] {
        let document = to_outbox(brand, 6) + SHOP;
        host.document(tenant, &document).await?;
        host.add_user_of(tenant, "alice", PASSWORD, ALICE).await?;
    }
    let mut browser = host.browser().of_tenant(B);
    let at_b = signs_in(&host, &mut browser, B).await?;
    browser = browser.of_tenant(A);
    let at_a = signs_in(&host, &mut browser, A).await?;

    // It names neither the session nor the application: the page asks, and leads nowhere afterwards.
    let page = browser.open(&at_b.leads_to()).await?;
    let fields = page.form(SIGNS_OUT)?;
    for name in ["client_id", "post_logout_redirect_uri"] {
        assert!(fields.contains(&(name.into(), String::new())), "{fields:?}");
    }
    assert!(is_signed_in(&browser, A).await? && is_signed_in(&browser, B).await?);

    let left = browser.leave(&format!("/t/{A}{}", at_a.leads_to())).await?;
    assert_eq!(left, "http://127.0.0.1:1/bye?state=done");
    assert!(!is_signed_in(&browser, A).await?);
    assert!(is_signed_in(&browser, B).await?);
    let (status, _) = userinfo_at(&host, "/t/a.example", &at_a.access_token).await?;
    assert_eq!(status, 401, "its tokens end with the session");
    let (status, _) = userinfo_at(&host, "/t/b.example", &at_b.access_token).await?;
    assert_eq!(status, 200);

    // Without a token the person is asked, on that tenant's page, and led on all the same.
    browser = browser.of_tenant(B);
    let asks =
        "/oauth2/logout?client_id=shop&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fbye";
    let page = browser.open(asks).await?;
    assert!(is_signed_in(&browser, B).await?);
    let page = browser.submit(&page, SIGNS_OUT, &[]).await?;
    let onward = page.onward();
    assert_eq!(onward.as_deref(), Some("http://127.0.0.1:1/bye"));
    assert!(!is_signed_in(&browser, B).await?);
    host.stop().await
}
