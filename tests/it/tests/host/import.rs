//! Somebody moves over: the older product's files become a configuration, and people sign in with it.

use crate::{ALICE, PASSWORD};
use postern_kit::{TestHost, anyhow::Result};
use postern_server::import::{Input, Secrets, import};

const STEP: &str = r#"<ApplicationAuthentication><AuthenticatorConfigs>
    <AuthenticatorConfig name="SMSOTP" enabled="true">
        <Parameter name="SMSOTPMandatory">true</Parameter>
        <Parameter name="RetryEnable">true</Parameter>
        <Parameter name="ResendEnable">true</Parameter>
        <Parameter name="TokenExpiryTime">900</Parameter>
        <Parameter name="TokenLength">4</Parameter>
        <Parameter name="screenUserAttribute">http://wso2.org/claims/mobile</Parameter>
        <Parameter name="noOfDigits">3</Parameter>
        <Parameter name="order">backward</Parameter>
    </AuthenticatorConfig>
</AuthenticatorConfigs></ApplicationAuthentication>"#;

fn entry(origin: &str) -> String {
    let accounts = postern_kit::sms_gateway::Accounts::default();
    let (key, secret) = (accounts.vonage_key, accounts.vonage_secret);
    format!(
        r#"<IdentityProvider><IdentityProviderName>SMSOTP</IdentityProviderName>
        <FederatedAuthenticatorConfigs><smsotp><Name>SMSOTP</Name><IsEnabled>true</IsEnabled><Properties>
            <property><Name>sms_url</Name><Value>{origin}/sms/json</Value></property>
            <property><Name>http_method</Name><Value>POST</Value></property>
            <property><Name>payload</Name><Value>api_key={key}&amp;api_secret={secret}&amp;from=NEXMO&amp;to=$ctx.num&amp;text=$ctx.msg</Value></property>
            <property><Name>http_response</Name><Value>200</Value></property>
        </Properties></smsotp></FederatedAuthenticatorConfigs></IdentityProvider>"#
    )
}

fn imported(origin: &str) -> String {
    let entry = entry(origin);
    let inputs = [
        Input {
            name: "application-authentication.xml",
            text: STEP,
        },
        Input {
            name: "SMSOTP.xml",
            text: &entry,
        },
    ];
    let url = "http://localhost:9443".parse().expect("an address");
    let imported = import(&inputs, &url, Secrets::Literal).expect("the files are in order");
    let text = imported.document.to_toml();
    // The stand-in provider is on this machine; where the host listens is the test's business.
    let text = text.replace(
        "plugin = \"http-recipe\"\n",
        "plugin = \"http-recipe\"\nallow_private_networks = true\n",
    );
    // As the report says: this provider wants no plus sign, and the file does not tell.
    let text = text.replace("number_format = \"e164\"", "number_format = \"digits\"");
    text.split_once("[sms_otp]")
        .map(|(_, step)| format!("[sms_otp]{step}"))
        .expect("the step is in it")
}

#[tokio::test]
async fn a_person_signs_in_with_an_imported_configuration() -> Result<()> {
    let host = TestHost::builder()
        .plugin("http-recipe")
        .whole(imported)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser();
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    assert!(
        page.text().contains("*********142"),
        "masked as the file says: {}",
        page.text()
    );
    let code = host.phone(ALICE).next_code().await?;
    assert_eq!(code.len(), 6, "four digits were brought to six");
    let messages = host.gateway().phone().messages(Some(ALICE));
    assert_eq!(messages[0].text, format!("Verification Code: {code}"));
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.text().contains("alice"), "{}", page.text());
    host.stop().await
}
