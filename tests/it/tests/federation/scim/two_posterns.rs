//! Two hosts as programs: what happens on one is told to the other.

use super::{USERS, eventually};
use crate::{ALICE, BOB, PASSWORD};
use postern_kit::Installation;
use postern_kit::anyhow::Result;
use serde_json::{Value, json};

const CAROL: &str = "+12025550152";

/// The seed: whoever is added on one is listed on the other, the same password works there, and both
/// logs say so.
#[tokio::test(flavor = "multi_thread")]
async fn two_posterns_provision_each_other_as_the_older_product_does() -> Result<()> {
    let senders = "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\ndefault_region = \"US\"\n";
    let external = Installation::lay_out(
        &["fake"],
        &format!("{senders}\n[scim]\nuser_store = \"PRIMARY\"\n"),
    )?;
    let scopes = ["scim:read", "scim:write", "scim:phone"];
    let mut add = vec!["client", "add", "internal"];
    for scope in &scopes {
        add.extend(["--scope", scope]);
    }
    let token = external.postern(&add, "")?.trim().to_owned();
    let internal = Installation::lay_out(
        &["fake"],
        &format!(
            "{senders}\n[provisioning.external]\nversion = \"1.1\"\nuser_endpoint = \"{}/wso2/scim/Users\"\nusername = \"internal\"\npassword = \"{token}\"\nuser_store_domain = \"WSO2\"\nallow_private_networks = true\n",
            external.origin()
        ),
    )?;
    let outside = external.serve().await?;
    let inside = internal.serve().await?;

    internal.add_user("alice", PASSWORD, ALICE)?;
    internal
        .logged("SCIM - create user operation returned with response code: 201")
        .await?;
    external
        .logged("User: PRIMARY/alice is created through SCIM.")
        .await?;
    let listed = external.postern(&["user", "list", "--json"], "")?;
    assert!(listed.contains("\"alice\""), "{listed}");
    let mut browser = postern_kit::Browser::new(external.public, &external.origin());
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert!(page.asks_for_code(), "{}", page.text());

    // Somebody who is there already, or whose creation's answer was lost: found by the name that is told.
    external.add_user("carol", "her old password", CAROL)?;
    internal.add_user("carol", PASSWORD, CAROL)?;
    external
        .logged("User: PRIMARY/carol is updated through SCIM.")
        .await?;

    // A new password, a lock, the end.
    internal.postern(&["user", "passwd", "alice"], "another password")?;
    external
        .logged("User: PRIMARY/alice is updated through SCIM.")
        .await?;
    let signs_in = async |password: &str| -> Result<bool> {
        let mut browser = postern_kit::Browser::new(external.public, &external.origin());
        Ok(browser.sign_in("alice", password).await?.asks_for_code())
    };
    assert!(signs_in("another password").await?);
    assert!(!signs_in(PASSWORD).await?);
    let next = "+12025550150";
    internal.postern(&["user", "set", "alice", "--number", next], "")?;
    eventually(async || {
        Ok(external
            .postern(&["user", "list", "--json"], "")?
            .contains(next))
    })
    .await?;
    internal.postern(&["user", "lock", "alice"], "")?;
    eventually(async || Ok(!signs_in("another password").await?)).await?;
    internal.postern(&["user", "delete", "alice"], "")?;
    external
        .logged("User: PRIMARY/alice is deleted through SCIM.")
        .await?;

    // The peer is down: the change is made here, waits with its reason, and arrives later.
    outside.kill()?;
    internal.add_user("bob", PASSWORD, BOB)?;
    internal.logged("was not provisioned").await?;
    let waits = internal.postern(&["provisioning", "list"], "")?;
    assert!(waits.contains("user bob"), "{waits}");
    assert!(waits.contains("the peer cannot be reached"), "{waits}");
    // So does what waits outlive the host that was to tell it.
    inside.kill()?;
    let _outside = external.serve().await?;
    let _inside = internal.serve().await?;
    internal.postern(&["provisioning", "retry", "external"], "")?;
    external
        .logged("User: PRIMARY/bob is created through SCIM.")
        .await?;
    eventually(async || {
        let waits = internal.postern(&["provisioning", "list", "--json"], "")?;
        let waits: Value = serde_json::from_str(&waits)?;
        Ok(waits["waiting"] == json!([]))
    })
    .await?;
    let mut browser = postern_kit::Browser::new(external.public, &external.origin());
    assert!(browser.sign_in("bob", PASSWORD).await?.asks_for_code());

    for log in [internal.log(), external.log()] {
        for secret in [PASSWORD, "another password", token.as_str(), ALICE] {
            assert!(!log.contains(secret), "{log}");
        }
    }
    Ok(())
}

/// A connector, the rule and an identity provider made on hosts that run, by the command line: in effect
/// at once, secrets never shown, and nothing goes that something refers to.
#[tokio::test(flavor = "multi_thread")]
async fn a_connector_made_on_a_running_host_tells_the_other_one() -> Result<()> {
    let senders = "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\ndefault_region = \"US\"\n";
    let external = Installation::lay_out(&["fake"], senders)?;
    let internal = Installation::lay_out(&["fake"], senders)?;
    let outside = external.serve().await?;
    let inside = internal.serve().await?;
    let mut add = vec!["client", "add", "internal"];
    for scope in ["scim:read", "scim:write", "scim:phone"] {
        add.extend(["--scope", scope]);
    }
    let token = external.postern(&add, "")?.trim().to_owned();
    // There before any connector.
    for name in ["early", "earlier"] {
        internal.add_user(name, PASSWORD, ALICE)?;
    }
    let idp = [
        "idp",
        "put",
        "corp",
        "--form",
        "oidc",
        "--value",
        "issuer=https://idp.example",
        "--value",
        "client_id=postern",
    ];
    internal.postern(&idp, "")?;
    let endpoint = format!("user_endpoint={}{USERS}", external.origin());
    let secret = format!("token={token}");
    let put = [
        "connector",
        "put",
        "external",
        "--form",
        "scim",
        "--value",
        &endpoint,
        "--value",
        &secret,
        "--value",
        "allow_private_networks=true",
        "--value",
        "user_store_domain=WSO2",
        "--value",
        "identity_provider=corp",
    ];
    internal.postern(&put, "")?;
    let shown = internal.postern(&["connector", "show", "external"], "")?;
    assert!(
        shown.contains("\"token\"") && !shown.contains(&token),
        "{shown}"
    );

    // No rule there yet: another prefix is refused, and the user waits.
    internal.add_user("alice", PASSWORD, ALICE)?;
    internal.logged("was not provisioned").await?;
    let rule = [
        "inbound",
        "put",
        "resident",
        "--form",
        "scim",
        "--value",
        "user_store=HR",
    ];
    let refused = external.postern(&rule, "").unwrap_err().to_string();
    assert!(refused.contains("there is no user store `HR`"), "{refused}");
    let rule = [
        "inbound",
        "put",
        "resident",
        "--form",
        "scim",
        "--value",
        "user_store=PRIMARY",
    ];
    external.postern(&rule, "")?;
    let resident = external.postern(&["resident", "show", "--json"], "")?;
    let resident: Value = serde_json::from_str(&resident)?;
    assert_eq!(resident["scim"]["user_store"], "PRIMARY", "{resident}");
    assert_eq!(
        resident["saml"]["certificates"][0]["fingerprint"]
            .as_str()
            .map(str::len),
        Some(64)
    );
    assert!(
        resident["saml"]["certificates"][0]["not_after"].is_u64(),
        "{resident}"
    );
    internal.postern(&["provisioning", "retry", "external"], "")?;
    external
        .logged("User: PRIMARY/alice is created through SCIM.")
        .await?;
    let mut browser = postern_kit::Browser::new(external.public, &external.origin());
    assert!(browser.sign_in("alice", PASSWORD).await?.asks_for_code());

    // Everybody is told once: whom the peer knows as a change, and after a crash as well.
    outside.kill()?;
    internal.postern(&["provisioning", "push", "external"], "")?;
    let waits = async || -> Result<Value> {
        let queue = internal.postern(&["provisioning", "list", "--json"], "")?;
        Ok(serde_json::from_str(&queue)?)
    };
    eventually(async || {
        let queue = waits().await?;
        let rows = queue["waiting"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().any(|row| row["subject"] == "early"))
    })
    .await?;
    inside.kill()?;
    let _outside = external.serve().await?;
    let _inside = internal.serve().await?;
    internal.postern(&["provisioning", "retry", "external"], "")?;
    for name in ["early", "earlier"] {
        external
            .logged(&format!("User: PRIMARY/{name} is created through SCIM."))
            .await?;
    }
    // Of alice the peer knows all there is: nothing of her changes, and she is not made a second time.
    eventually(async || Ok(waits().await?["waiting"] == json!([]))).await?;
    let listed = external.postern(&["user", "list", "--json"], "")?;
    for name in ["alice", "early", "earlier"] {
        assert_eq!(
            listed.matches(&format!("\"{name}\"")).count(),
            1,
            "{listed}"
        );
    }

    // The identity provider is off: nobody is told, and nothing is lost.
    internal.postern(&["idp", "put", "corp", "--enabled", "false"], "")?;
    internal.add_user("bob", PASSWORD, BOB)?;
    let queue = waits().await?;
    assert_eq!(queue["connectors"][0]["enabled"], false, "{queue}");
    assert_eq!(queue["waiting"][0]["subject"], "bob", "{queue}");

    // Nothing goes while something refers to it; then it goes, and leaves nothing.
    let sp = [
        "sp",
        "put",
        "shop",
        "--form",
        "oidc",
        "--value",
        "first_step=corp",
        "--value",
        "oidc.client_id=shop",
        "--value",
        "oidc.public=true",
        "--value",
        "oidc.redirect_uris=https://shop.example/callback",
    ];
    internal.postern(&sp, "")?;
    let delete = ["idp", "delete", "corp"];
    let refused = internal.postern(&delete, "").unwrap_err().to_string();
    assert!(
        refused.contains(
            "service provider `shop`, connector `external` of the resident service provider"
        ),
        "{refused}"
    );
    internal.postern(&["sp", "delete", "shop"], "")?;
    assert!(
        internal.postern(&delete, "").is_err(),
        "the connector is left"
    );
    internal.postern(&["connector", "delete", "external"], "")?;
    let queue = waits().await?;
    assert_eq!(
        (&queue["connectors"], &queue["waiting"]),
        (&json!([]), &json!([])),
        "what waited for it went with it"
    );
    internal.postern(&delete, "")?;
    let left = internal.postern(&["idp", "list", "--json"], "")?;
    assert!(!left.contains("corp"), "{left}");
    // And may be made again at once.
    internal.postern(&idp, "")?;
    external.postern(&["inbound", "delete", "resident"], "")?;
    for log in [internal.log(), external.log()] {
        assert!(!log.contains(&token), "{log}");
    }
    Ok(())
}
