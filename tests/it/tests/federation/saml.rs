//! Two Posterns: an external one, where the application is registered, and an internal one, which has the users. And
//! an application that is neither.

use crate::{ALICE, BOB, PASSWORD};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use postern_federation::saml::context::{Comparison, RequestedContext};
use postern_federation::saml::idp::NameIdFormat;
use postern_federation::saml::response::NameId;
use postern_federation::saml::sp::{Endpoint, Here, Question, Upstream, Wish};
use postern_federation::saml::{
    AuthnContext, Bergshamra, Binding, Certificate, MessageId, Outgoing, Received, Refusal,
    SamlKeys, SigningKey, UnverifiedResponse, VerifiedAssertion, XmlSecurity,
};
use postern_kit::anyhow::{Context, Result};
use postern_kit::phone::another_code;
use postern_kit::ports::free_port;
use postern_kit::{Builder, Page, Peer, Provider, Stop, TestHost, Visitor, Warnings};
use serde_json::{Value, json};

macro_rules! key {
    ($name:literal) => {
        (
            include_str!(concat!(
                "../../../../host/federation/tests/saml/keys/",
                $name,
                ".key"
            )),
            include_str!(concat!(
                "../../../../host/federation/tests/saml/keys/",
                $name,
                ".crt"
            )),
        )
    };
}
pub(crate) const INTERNAL_KEY: (&str, &str) = key!("idp");
pub(crate) const EXTERNAL_KEY: (&str, &str) = key!("sp");
pub(crate) const APPLICATION_KEY: (&str, &str) = key!("next");
pub(crate) const ATTACKER_KEY: (&str, &str) = key!("attacker");

/// The application of the seeds, which is not there: what it would get is enough.
pub(crate) const APPLICATION: &str = "http://localhost:8080/travelocity.com/home.jsp";
pub(crate) const SECOND_APPLICATION: &str = "http://localhost:8081/second";
pub(crate) const APPLICATION_LOGOUT: &str = "http://localhost:8080/travelocity.com/slo";
pub(crate) const SECOND_LOGOUT: &str = "http://localhost:8081/slo";

pub(crate) const NODE: &str = "http://localhost:8083/acs";
pub(crate) const NODE_LOGOUT: &str = "http://localhost:8083/slo";

pub(crate) struct Two {
    pub(crate) internal: TestHost,
    pub(crate) external: TestHost,
}

impl Two {
    pub(crate) async fn start(internal_more: &str, external_more: &str) -> Result<Self> {
        Self::with(
            "local",
            "usecase = \"local\"",
            "",
            internal_more,
            external_more,
        )
        .await
    }

    /// With that resolver at the external one, and lines for how it knows the internal one.
    pub(crate) async fn with(
        plugin: &str,
        sms_otp: &str,
        upstream_more: &str,
        internal_more: &str,
        external_more: &str,
    ) -> Result<Self> {
        let inside = [free_port()?, free_port()?];
        let outside = [free_port()?, free_port()?];
        let (internal_origin, external_origin) = (
            format!("http://localhost:{}", inside[0]),
            format!("http://localhost:{}", outside[0]),
        );
        let internal = signing_with(INTERNAL_KEY)
            .ports(inside)
            .file("external.crt", EXTERNAL_KEY.1)
            .config(&format!(
                r#"
[saml]
entity_id = "internal"

[relying_party.external]
second_step = "none"
claims = {{ "http://wso2.org/claims/mobile" = "http://wso2.org/claims/mobile" }}

[relying_party.external.saml]
entity_id = "external-as-service-provider"
consumer_services = ["{external_origin}/commonauth"]
certificates = ["external.crt"]
signed_requests = true
response_signing = true
attribute_profile = true
attributes_always = true
single_logout = true
{internal_more}
"#
            ))
            .start()
            .await?;
        let external = signing_with(EXTERNAL_KEY)
            .ports(outside)
            .plugin(plugin)
            .sms_otp(sms_otp)
            .file("internal.crt", INTERNAL_KEY.1)
            .file("application.crt", APPLICATION_KEY.1)
            .config(&format!(
                r#"
[saml]
entity_id = "localhost"

[identity_provider.internal]
protocol = "saml"
entity_id = "internal"
our_entity_id = "external-as-service-provider"
sso_url = "{internal_origin}/samlsso"
certificates = ["internal.crt"]
signed_response = true
single_logout = true
{upstream_more}

[relying_party.travelocity]
first_step = ["internal"]
second_step = "none"
claims = {{ "mobile" = "http://wso2.org/claims/mobile" }}

[relying_party.travelocity.saml]
entity_id = "travelocity.com"
consumer_services = ["{APPLICATION}"]
certificates = ["application.crt"]
attribute_profile = true
attributes_always = true
single_logout = true
logout_url = "{APPLICATION_LOGOUT}"

[relying_party.second]
first_step = ["internal"]
second_step = "none"

[relying_party.second.saml]
entity_id = "second.example"
consumer_services = ["{SECOND_APPLICATION}"]
idp_initiated = true
single_logout = true
logout_url = "{SECOND_LOGOUT}"
logout_binding = "post"

[relying_party.careful]
first_step = ["internal"]
second_step = "sms-otp"

[relying_party.careful.saml]
entity_id = "careful.example"
consumer_services = ["http://localhost:8082/careful"]

[relying_party.node]
first_step = ["internal"]
second_step = "none"
claims = {{ "mobile" = "http://wso2.org/claims/mobile" }}

[relying_party.node.saml]
entity_id = "node.example"
consumer_services = ["{NODE}"]
certificates = ["application.crt"]
encryption_certificate = ["application.crt"]
signed_requests = true
encrypt_assertion = true
attribute_profile = true
attributes_always = true
single_logout = true
logout_url = "{NODE_LOGOUT}"
name_id_format = "persistent"
{external_more}
"#
            ))
            .start()
            .await?;
        internal.add_user("alice", PASSWORD, ALICE).await?;
        Ok(Self { internal, external })
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::new([
            (self.internal.origin(), self.internal.host().public),
            (self.external.origin(), self.external.host().public),
        ])
    }

    /// An application of the external one.
    pub(crate) fn application<'a>(&self, entity_id: &'a str, consumer_url: &'a str) -> App<'a> {
        let sso_url = format!("{}/samlsso", self.external.origin());
        App::of("localhost", sso_url, entity_id, consumer_url)
    }

    pub(crate) fn travelocity(&self) -> App<'static> {
        self.application("travelocity.com", APPLICATION)
    }

    /// Its second step is a code from the external one.
    fn careful(&self) -> App<'static> {
        self.application("careful.example", "http://localhost:8082/careful")
    }

    /// Alice comes from `careful` and has given her password at the internal one.
    async fn at_the_code(&self) -> Result<(Visitor, Page)> {
        let mut visitor = self.visitor();
        let stop = visitor.open(&self.careful().link(PLAIN)?).await?;
        let page = self.password(&mut visitor, stop, PASSWORD).await?.page()?;
        assert!(page.asks_for_code(), "{}: {}", page.path, page.text());
        Ok((visitor, page))
    }

    pub(crate) async fn password(
        &self,
        visitor: &mut Visitor,
        stop: Stop,
        word: &str,
    ) -> Result<Stop> {
        let page = stop.page()?;
        assert!(page.asks_for_password(), "{}: {}", page.path, page.text());
        visitor
            .submit(
                &self.internal.origin(),
                &page,
                "/sign-in/password",
                &[("username", "alice"), ("password", word)],
            )
            .await
    }
}

/// A host whose messages go to its outbox and which signs with this key.
pub(crate) fn signing_with(key: (&str, &str)) -> Builder {
    TestHost::builder()
        .provider(Provider::Outbox)
        .file("data/keys/saml.key", key.0)
        .file("data/keys/saml.crt", key.1)
}

pub(crate) struct App<'a> {
    pub(crate) upstream: Upstream,
    pub(crate) here: Here<'a>,
}

pub(crate) fn security(pair: (&str, &str)) -> Bergshamra {
    let key = SigningKey::from_pem(pair.0, pair.1).expect("a key");
    Bergshamra::new(SamlKeys::one(key)).expect("a usable key")
}

fn request_id() -> MessageId {
    MessageId::from_entropy(&[1; 20])
}

impl<'a> App<'a> {
    /// It knows an identity provider of this name, at this address, with the external one's key.
    pub(crate) fn of(
        identity_provider: &str,
        sso_url: String,
        entity_id: &'a str,
        consumer_url: &'a str,
    ) -> Self {
        Self {
            upstream: Upstream {
                entity_id: identity_provider.to_owned(),
                our_entity_id: None,
                sign_on: Endpoint {
                    binding: Binding::Redirect,
                    url: sso_url,
                },
                logout: None,
                certificates: vec![Certificate::from_pem(EXTERNAL_KEY.1).expect("a certificate")],
                sign_requests: false,
                signed_response: true,
                signed_assertion: true,
                encrypted_assertion: false,
                unsolicited: true,
                name_id_format: None,
                context: None,
            },
            here: Here {
                entity_id,
                consumer_url,
            },
        }
    }

    pub(crate) fn ask(&self, wish: Wish<'_>) -> Result<Outgoing> {
        let security = security(APPLICATION_KEY);
        Ok(self
            .upstream
            .ask(self.here, wish, &request_id(), &security, Timestamp::now())?)
    }

    pub(crate) fn link(&self, wish: Wish<'_>) -> Result<String> {
        match self.ask(wish)? {
            Outgoing::Redirect(address) => Ok(address),
            Outgoing::Post { .. } => postern_kit::anyhow::bail!("by redirect"),
        }
    }

    /// What the application makes of what it got.
    pub(crate) fn accept(
        &self,
        stop: Stop,
        asked: bool,
    ) -> Result<(Result<VerifiedAssertion, Refusal>, Option<String>)> {
        let (address, fields) = stop.away()?;
        assert_eq!(address, self.here.consumer_url);
        let response = UnverifiedResponse::new(posted(&fields)?)?;
        let relay_state = response.relay_state().map(str::to_owned);
        let id = request_id();
        let accepted = self.upstream.accept(
            response,
            asked.then_some(Question {
                id: id.as_str(),
                afresh_since: None,
            }),
            self.here,
            &security(APPLICATION_KEY),
            Timestamp::now(),
        );
        Ok((accepted, relay_state))
    }
}

/// By the browser, as the binding has it.
pub(crate) async fn send(visitor: &mut Visitor, outgoing: Outgoing) -> Result<Stop> {
    match outgoing {
        Outgoing::Redirect(address) => visitor.open(&address).await,
        Outgoing::Post { action, fields } => visitor.post(&action, &owned(fields)).await,
    }
}

pub(crate) fn owned(fields: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The same message, taken to another address.
pub(crate) fn taken_to(to: &str, outgoing: Outgoing) -> Outgoing {
    match outgoing {
        Outgoing::Redirect(address) => {
            let query = address.split_once('?').map_or("", |(_, query)| query);
            Outgoing::Redirect(format!("{to}?{query}"))
        }
        Outgoing::Post { fields, .. } => Outgoing::Post {
            action: to.to_owned(),
            fields,
        },
    }
}

/// By a page that tells nobody why, while the log names it.
pub(crate) async fn is_refused(
    visitor: &mut Visitor,
    message: Outgoing,
    cause: &str,
    warnings: &Warnings,
) -> Result<()> {
    warnings.take();
    let page = send(visitor, message).await?.page()?;
    assert_eq!(page.status, 400, "{cause}: {}", page.text());
    let said = warnings.take().join("\n");
    assert!(said.contains(cause), "`{cause}` is not in {said}");
    Ok(())
}

/// A document that was edited, with its first signature made again by this key.
pub(crate) fn signed_again(xml: String, key: (&str, &str)) -> String {
    let blank = |xml: String, tag: &str| {
        let open = format!("<ds:{tag}>");
        let from = xml.find(&open).unwrap() + open.len();
        let to = xml[from..].find('<').unwrap() + from;
        format!("{}{}", &xml[..from], &xml[to..])
    };
    let xml = blank(blank(xml, "DigestValue"), "SignatureValue");
    security(key).sign(xml).unwrap()
}

pub(crate) fn posted(fields: &[(String, String)]) -> Result<Received> {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("{name}={value}")
        })
        .collect();
    Ok(Received::post(&pairs.join("&")).context("a SAML message")??)
}

pub(crate) const PLAIN: Wish<'static> = Wish {
    force_authn: false,
    is_passive: false,
    relay_state: Some("deep/link?x=1"),
};

fn trail_without_queries(visitor: &Visitor) -> Vec<String> {
    visitor
        .trail
        .iter()
        .map(|line| {
            let address = line.split_once(' ').map_or("", |(_, address)| address);
            match address.split_once('?') {
                Some((address, query)) => {
                    let name = query.split(['=', '&']).next().unwrap_or_default();
                    format!("{address}?{name}=****")
                }
                None => address.to_owned(),
            }
        })
        .collect()
}

/// The seed's header flow, line for line, and the user exists only in the internal one.
#[tokio::test]
async fn two_posterns_show_the_seven_lines_of_the_header_flow() -> Result<()> {
    let two = Two::start("", "").await?;
    let mut visitor = two.visitor();
    let travelocity = two.travelocity();
    // Lines 1 and 2 are the application's own pages; its link leads to line 3.
    let stop = visitor.open(&travelocity.link(PLAIN)?).await?;
    let Stop::Page { origin, page } = &stop else {
        panic!("a page")
    };
    assert_eq!(
        *origin,
        two.internal.origin(),
        "the external one shows no page of its own"
    );
    assert!(page.asks_for_password());
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    let (accepted, relay_state) = travelocity.accept(stop, true)?;
    let accepted = accepted?;
    assert_eq!(accepted.subject().value, "alice");
    assert_eq!(accepted.issuer(), "localhost");
    assert_eq!(accepted.attributes()[0].name, "mobile");
    assert_eq!(accepted.attributes()[0].values, [ALICE]);
    assert_eq!(
        accepted.context(),
        AuthnContext::PasswordProtectedTransport,
        "what the internal one said, told on and not upgraded"
    );
    assert_eq!(relay_state.as_deref(), Some("deep/link?x=1"));

    let (external, internal) = (two.external.origin(), two.internal.origin());
    let seed = [
        format!("{external}/samlsso?SAMLRequest=****"),
        format!("{internal}/samlsso?SAMLRequest=****"),
        format!("{internal}/samlsso"),
        format!("{external}/commonauth"),
        format!("{external}/samlsso?sessionDataKey=****"),
    ];
    let trail = trail_without_queries(&visitor);
    let mut rest = trail.iter();
    for line in &seed {
        // Line 5 is the internal address without a request in it.
        let found = rest.any(|at| {
            at == line || (line.ends_with("/samlsso") && at.starts_with(&format!("{line}?session")))
        });
        assert!(found, "`{line}` is missing, or out of order, in {trail:#?}");
    }
    // The credentials went to the internal one, and to nobody else.
    let passwords: Vec<_> = trail
        .iter()
        .filter(|at| at.ends_with("/password"))
        .collect();
    assert_eq!(passwords, [&format!("{internal}/sign-in/password")]);

    // A second application: nobody is asked anything.
    let second = two.application("second.example", SECOND_APPLICATION);
    let stop = visitor.open(&second.link(PLAIN)?).await?;
    assert_eq!(second.accept(stop, true)?.0?.subject().value, "alice");
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_stays_on_the_internal_page() -> Result<()> {
    let two = Two::start("", "").await?;
    let mut visitor = two.visitor();
    let stop = visitor.open(&two.travelocity().link(PLAIN)?).await?;
    let stop = two.password(&mut visitor, stop, "not the password").await?;
    let Stop::Page { origin, page } = stop else {
        panic!("a page")
    };
    assert_eq!(origin, two.internal.origin());
    assert!(page.asks_for_password());
    Ok(())
}

/// A federated first step, and the code here; then the application is told of two factors.
#[tokio::test]
async fn a_code_follows_the_federated_step() -> Result<()> {
    let two = Two::start("", "").await?;
    two.external
        .add_user("alice", "another password", ALICE)
        .await?;
    let (mut visitor, page) = two.at_the_code().await?;
    let careful = two.careful();
    let code = two.external.phone(ALICE).next_code().await?;
    let stop = visitor
        .submit(
            &two.external.origin(),
            &page,
            "/sign-in/code",
            &[("code", &code)],
        )
        .await?;
    let accepted = careful.accept(stop, true)?.0?;
    assert_eq!(accepted.context(), AuthnContext::TwoFactors);
    assert_eq!(accepted.subject().value, "alice");
    Ok(())
}

/// Too many wrong codes: the application is told when the person goes back to it.
#[tokio::test]
async fn an_application_is_told_that_nobody_signed_in() -> Result<()> {
    let two = Two::start("", "").await?;
    two.external
        .add_user("alice", "another password", ALICE)
        .await?;
    let (mut visitor, mut page) = two.at_the_code().await?;
    let careful = two.careful();
    let origin = two.external.origin();
    let wrong = another_code(&two.external.phone(ALICE).next_code().await?);
    for _ in 0..5 {
        page = visitor
            .submit(&origin, &page, "/sign-in/code", &[("code", &wrong)])
            .await?
            .page()?;
    }
    let stop = visitor
        .submit(&origin, &page, "/sign-in/decline", &[])
        .await?;
    let refused = careful.accept(stop, true)?.0;
    let Err(Refusal::Status { code, second }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (code.as_str(), second.as_deref()),
        ("Responder", Some("AuthnFailed"))
    );
    Ok(())
}

/// The person the internal one vouches for signs in to `careful`, whose second step is a code from the external one.
async fn proves_both_factors(two: &Two) -> Result<()> {
    let (mut visitor, page) = two.at_the_code().await?;
    let careful = two.careful();
    assert_eq!(two.external.outbox().count(), 1);
    let code = two.external.phone(ALICE).next_code().await?;
    let origin = two.external.origin();
    // Whoever has one factor has no session.
    let account = visitor.clone().open(&format!("{origin}/account")).await?;
    let before = account.page()?;
    assert!(!before.path.starts_with("/account"), "{}", before.path);
    let stop = visitor
        .submit(&origin, &page, "/sign-in/code", &[("code", &code)])
        .await?;
    let accepted = careful.accept(stop, true)?.0?;
    assert_eq!(accepted.context(), AuthnContext::TwoFactors);
    Ok(())
}

/// `local`: the name the internal one said is an account's.
#[tokio::test]
async fn after_a_saml_step_the_name_finds_the_account() -> Result<()> {
    let two = Two::start("", "").await?;
    two.external
        .add_user("alice", "x another password", ALICE)
        .await?;
    proves_both_factors(&two).await
}

/// `association`: the account that was linked to that name at that identity provider, and to no other.
#[tokio::test]
async fn after_a_saml_step_an_association_finds_the_account() -> Result<()> {
    let two = Two::with("association", "usecase = \"association\"", "", "", "").await?;
    two.external
        .add_user("a.liddell", "x another password", ALICE)
        .await?;
    let tenant = postern_login::TenantId::super_tenant();
    let accounts = &two.external.host().parts.stores.accounts;
    assert!(
        accounts
            .link(&tenant, "a.liddell", "elsewhere", "alice")
            .await?
    );
    let mut visitor = two.visitor();
    let careful = two.application("careful.example", "http://localhost:8082/careful");
    let stop = visitor.open(&careful.link(PLAIN)?).await?;
    let page = two.password(&mut visitor, stop, PASSWORD).await?.page()?;
    assert!(!page.asks_for_code(), "{}", page.text());
    assert!(
        accounts
            .link(&tenant, "a.liddell", "internal", "alice")
            .await?
    );
    proves_both_factors(&two).await
}

/// `userAttribute`: an attribute of the assertion names the account; the provider's own setting wins.
#[tokio::test]
async fn after_a_saml_step_an_attribute_finds_the_account() -> Result<()> {
    let two = Two::with(
        "user-attribute",
        "usecase = \"userAttribute\"\nuser_attribute = \"nickname\"",
        "user_attribute = \"http://wso2.org/claims/mobile\"",
        "",
        "",
    )
    .await?;
    two.external
        .add_user(ALICE, "x another password", ALICE)
        .await?;
    proves_both_factors(&two).await
}

/// `subjectUri`: the subject as the internal one names it.
#[tokio::test]
async fn after_a_saml_step_the_subject_finds_the_account() -> Result<()> {
    let two = Two::with("subject-uri", "usecase = \"subjectUri\"", "", "", "").await?;
    two.external
        .add_user("alice", "x another password", ALICE)
        .await?;
    proves_both_factors(&two).await
}

/// What an application is told somebody is called.
async fn called(
    two: &Two,
    visitor: &mut Visitor,
    user: &str,
    (entity_id, consumer_url): (&str, &str),
    format: Option<NameIdFormat>,
) -> Result<std::result::Result<NameId, Refusal>> {
    let mut app = two.application(entity_id, consumer_url);
    app.upstream.name_id_format = format.map(|format| format.uri().to_owned());
    let mut stop = visitor.open(&app.link(PLAIN)?).await?;
    if let Stop::Page { page, .. } = &stop {
        let fields = [("username", user), ("password", PASSWORD)];
        let internal = two.internal.origin();
        stop = visitor
            .submit(&internal, page, "/sign-in/password", &fields)
            .await?;
    }
    let accepted = app.accept(stop, true)?.0;
    Ok(accepted.map(|assertion| assertion.subject().clone()))
}

/// The name identifier's formats, asked for and by the form; a claim as the name.
#[tokio::test]
async fn a_name_is_of_the_format_that_is_wanted_or_there_is_no_answer() -> Result<()> {
    const BY_NUMBER: (&str, &str) = ("number.example", "http://localhost:8083/number");
    const BY_MAIL: (&str, &str) = ("mail.example", "http://localhost:8083/mail");
    const SECOND: (&str, &str) = ("second.example", SECOND_APPLICATION);
    let more = r#"
[relying_party.number]
first_step = ["internal"]
second_step = "none"
[relying_party.number.saml]
entity_id = "number.example"
consumer_services = ["http://localhost:8083/number"]
name_id_claim = "http://wso2.org/claims/mobile"
[relying_party.mail]
first_step = ["internal"]
second_step = "none"
[relying_party.mail.saml]
entity_id = "mail.example"
consumer_services = ["http://localhost:8083/mail"]
name_id_format = "email"
"#;
    let two = Two::start("", more).await?;
    let bob = "bob@example.com";
    two.internal.add_user(bob, PASSWORD, BOB).await?;
    let (mut alices, mut bobs) = (two.visitor(), two.visitor());

    let alice = called(&two, &mut alices, "alice", BY_NUMBER, None).await??;
    assert_eq!(alice.value, ALICE);
    assert_eq!(alice.name_qualifier, None);
    // No address is known of her.
    let nobody = called(&two, &mut alices, "alice", BY_MAIL, None).await?;
    let Err(Refusal::Status { second, .. }) = nobody else {
        panic!("{nobody:?}");
    };
    assert_eq!(second.as_deref(), Some("InvalidNameIDPolicy"));
    let mailed = called(&two, &mut bobs, bob, BY_MAIL, None).await??;
    assert_eq!(mailed.value, bob);
    assert_eq!(
        mailed.format.as_deref(),
        Some(NameIdFormat::EmailAddress.uri())
    );

    // One that lasts is another one for another application, and one that does not is new each time.
    let mut names = std::collections::BTreeSet::new();
    for (app, format, fresh) in [
        (SECOND, NameIdFormat::Persistent, true),
        (SECOND, NameIdFormat::Persistent, false),
        (BY_NUMBER, NameIdFormat::Persistent, true),
        (SECOND, NameIdFormat::Transient, true),
        (SECOND, NameIdFormat::Transient, true),
    ] {
        let name = called(&two, &mut alices, "alice", app, Some(format)).await??;
        assert_eq!(name.format.as_deref(), Some(format.uri()));
        assert_eq!(name.sp_name_qualifier.as_deref(), Some(app.0));
        assert!(!name.value.contains("alice"), "{}", name.value);
        assert_eq!(names.insert(name.value), fresh, "{format:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_identity_provider_starts_only_where_the_form_says_so() -> Result<()> {
    let two = Two::start("", "").await?;
    let mut visitor = two.visitor();
    let sso = format!("{}/samlsso", two.external.origin());
    // Off: before anybody is asked to sign in.
    let page = visitor
        .open(&format!("{sso}?spEntityID=travelocity.com"))
        .await?
        .page()?;
    assert_eq!(page.status, 400);
    assert!(!page.asks_for_password());
    for wrong in [
        "?spEntityID=nobody.example",
        "?spEntityID=second.example&acs=http%3A%2F%2Fevil.example%2F",
        "",
    ] {
        let page = visitor.open(&format!("{sso}{wrong}")).await?.page()?;
        assert_eq!(page.status, 400, "{wrong}");
    }
    // On: a login, then the application, which is told of no question.
    let start = format!("{sso}?spEntityID=second.example&RelayState=home");
    let stop = visitor.open(&start).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    let second = two.application("second.example", SECOND_APPLICATION);
    let (accepted, relay_state) = second.accept(stop, false)?;
    assert_eq!(accepted?.subject().value, "alice");
    assert_eq!(relay_state.as_deref(), Some("home"));
    // Already signed in: at once.
    let stop = visitor.open(&start).await?;
    assert_eq!(second.accept(stop, false)?.0?.subject().value, "alice");
    // The older product names the tenant so. Nobody's is a page that is not there.
    let here = visitor
        .open(&format!("{start}&tenantDomain=carbon.super"))
        .await?;
    assert_eq!(second.accept(here, false)?.0?.subject().value, "alice");
    let there = visitor
        .open(&format!("{start}&tenantDomain=nobody.example"))
        .await?
        .page()?;
    assert_eq!(there.status, 404);
    assert!(
        there
            .path
            .starts_with("/t/nobody.example/samlsso?spEntityID="),
        "{}",
        there.path
    );
    Ok(())
}

#[tokio::test]
async fn force_and_passive_do_what_they_say() -> Result<()> {
    let two = Two::start("", "").await?;
    let mut visitor = two.visitor();
    let travelocity = two.travelocity();
    let passive = Wish {
        is_passive: true,
        ..PLAIN
    };
    let stop = visitor.open(&travelocity.link(passive)?).await?;
    let refusal = travelocity.accept(stop, true)?.0.unwrap_err();
    assert!(refusal.to_string().contains("NoPassive"), "{refusal}");

    let stop = visitor.open(&travelocity.link(PLAIN)?).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    travelocity.accept(stop, true)?.0?;
    let stop = visitor.open(&travelocity.link(passive)?).await?;
    travelocity.accept(stop, true)?.0?;

    // Everything is asked again, at the internal one too.
    let force = Wish {
        force_authn: true,
        ..PLAIN
    };
    let stop = visitor.open(&travelocity.link(force)?).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    travelocity.accept(stop, true)?.0?;
    Ok(())
}

/// An application whose entry asks for no code may ask for one, and is told of two factors only then.
#[tokio::test]
async fn a_context_that_needs_a_code_asks_for_one() -> Result<()> {
    let two = Two::start("", "").await?;
    two.external
        .add_user("alice", "another password", ALICE)
        .await?;
    let mut visitor = two.visitor();
    let mut travelocity = two.travelocity();
    travelocity.upstream.context = Some(RequestedContext {
        comparison: Comparison::Exact,
        classes: vec![AuthnContext::TwoFactors.uri().to_owned()],
    });
    let stop = visitor.open(&travelocity.link(PLAIN)?).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    let page = stop.page()?;
    assert!(page.asks_for_code(), "{}: {}", page.path, page.text());
    let code = two.external.phone(ALICE).next_code().await?;
    let origin = two.external.origin();
    let stop = visitor
        .submit(&origin, &page, "/sign-in/code", &[("code", &code)])
        .await?;
    let accepted = travelocity.accept(stop, true)?.0?;
    assert_eq!(accepted.context(), AuthnContext::TwoFactors);
    // What nobody here can give is said, and nothing is upgraded to it.
    travelocity.upstream.context = Some(RequestedContext {
        comparison: Comparison::Exact,
        classes: vec!["urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard".to_owned()],
    });
    let stop = visitor.open(&travelocity.link(PLAIN)?).await?;
    let refusal = travelocity.accept(stop, true)?.0.unwrap_err();
    assert!(refusal.to_string().contains("NoAuthnContext"), "{refusal}");
    Ok(())
}

/// A request by POST comes without cookies; the session still answers.
#[tokio::test]
async fn a_request_by_post_finds_the_session() -> Result<()> {
    let two = Two::start("", "").await?;
    let mut visitor = two.visitor();
    let mut travelocity = two.travelocity();
    let stop = visitor.open(&travelocity.link(PLAIN)?).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    travelocity.accept(stop, true)?.0?;
    travelocity.upstream.sign_on.binding = Binding::Post;
    travelocity.upstream.sign_requests = true;
    let asked = travelocity.ask(PLAIN)?;
    assert!(matches!(asked, Outgoing::Post { .. }), "a form");
    let stop = send(&mut visitor, asked).await?;
    assert_eq!(travelocity.accept(stop, true)?.0?.subject().value, "alice");
    Ok(())
}

/// The answer of the internal one, caught on its way to `/commonauth`, and the browser that it was meant for.
async fn caught(two: &Two) -> Result<(Visitor, String, Vec<(String, String)>)> {
    let everywhere = two.visitor();
    // This browser does not know the way back to the external one once it has left it.
    let mut visitor = everywhere.clone();
    let stop = visitor.open(&two.travelocity().link(PLAIN)?).await?;
    let page = stop.page()?;
    let mut alone = visitor.clone();
    alone.forget(&two.external.origin());
    let stop = alone
        .submit(
            &two.internal.origin(),
            &page,
            "/sign-in/password",
            &[("username", "alice"), ("password", PASSWORD)],
        )
        .await?;
    let (address, fields) = stop.away()?;
    Ok((visitor, address, fields))
}

pub(crate) fn refused(page: &Page) {
    assert_eq!(page.status, 403, "{}", page.text());
}

/// With the message of a form edited.
pub(crate) fn with_xml(
    fields: &[(String, String)],
    edit: impl Fn(String) -> String,
) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| {
            if !["SAMLRequest", "SAMLResponse"].contains(&name.as_str()) {
                return (name.clone(), value.clone());
            }
            let xml = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
            (name.clone(), STANDARD.encode(edit(xml)))
        })
        .collect()
}

/// X-19 and X-20: an answer is good once, and in the browser that asked.
#[tokio::test]
async fn an_answer_is_good_once_and_in_one_browser() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, address, fields) = caught(&two).await?;
    // Tampered with: refused, and the good one still works.
    let tampered = with_xml(&fields, |xml| xml.replace("alice", "admin"));
    refused(&visitor.post(&address, &tampered).await?.page()?);
    let unsigned = with_xml(&fields, |xml| {
        let from = xml.find("<ds:Signature ").unwrap();
        let to = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        format!("{}{}", &xml[..from], &xml[to..])
    });
    refused(&visitor.post(&address, &unsigned).await?.page()?);
    // Another browser has no login to which it belongs. What it brought is used up then.
    let (mut first, second_address, second_fields) = caught(&two).await?;
    let mut stranger = two.visitor();
    let stopped = stranger.post(&second_address, &second_fields).await?;
    refused(&stopped.page()?);
    refused(&first.post(&second_address, &second_fields).await?.page()?);
    // The right one.
    let stop = visitor.post(&address, &fields).await?;
    assert_eq!(
        two.travelocity().accept(stop, true)?.0?.subject().value,
        "alice"
    );
    // And never again, here or elsewhere.
    refused(&visitor.post(&address, &fields).await?.page()?);
    refused(&stranger.post(&address, &fields).await?.page()?);
    Ok(())
}

/// X-15, X-21 to X-23 at the door: what no internal one said for this login.
#[tokio::test]
async fn what_was_not_said_to_us_is_refused_at_the_door() -> Result<()> {
    let two = Two::start("", "").await?;
    let (mut visitor, address, fields) = caught(&two).await?;
    // Without RelayState nobody asked for it.
    let unasked: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name != "RelayState")
        .cloned()
        .collect();
    refused(&visitor.post(&address, &unasked).await?.page()?);
    // Signed by somebody else.
    let forged = with_xml(&fields, |xml| signed_again(xml, ATTACKER_KEY));
    refused(&visitor.post(&address, &forged).await?.page()?);
    for (name, value) in [
        ("SAMLResponse", "not base64"),
        ("SAMLResponse", ""),
        ("Other", "x"),
    ] {
        let fields = [(name.to_owned(), value.to_owned())];
        let page = visitor.post(&address, &fields).await?.page()?;
        assert!(page.status.is_client_error(), "{name} {value}");
    }
    // The real one is as good as before.
    let stop = visitor.post(&address, &fields).await?;
    assert!(two.travelocity().accept(stop, true)?.0.is_ok());
    Ok(())
}

#[tokio::test]
async fn the_metadata_names_the_addresses_that_answer() -> Result<()> {
    let two = Two::start("", "").await?;
    let page = two.external.browser().open("/saml/metadata").await?;
    assert_eq!(page.status, 200);
    let peer = postern_federation::saml::metadata::Peer::read(&page.html, None, Timestamp::now())?;
    assert_eq!(peer.entity_id, "localhost");
    let idp = peer.identity_provider.context("an identity provider")?;
    assert_eq!(
        idp.sign_on[0].url,
        format!("{}/samlsso", two.external.origin())
    );
    let sp = peer.service_provider.context("a service provider")?;
    assert_eq!(
        sp.consumer_services[0].url,
        format!("{}/commonauth", two.external.origin())
    );
    assert_eq!(sp.signing, [Certificate::from_pem(EXTERNAL_KEY.1)?]);
    Ok(())
}

/// A service provider that is not ours: signed request, signed response, encrypted assertion; and as hostile input.
#[tokio::test]
async fn node_saml_signs_its_people_in() -> Result<()> {
    let two = Two::start("", "").await?;
    let mut visitor = two.visitor();
    let mut options = json!({
        "issuer": "node.example",
        "callbackUrl": NODE,
        "entryPoint": format!("{}/samlsso", two.external.origin()),
        "audience": "node.example",
        "idpIssuer": "localhost",
        "idpCert": EXTERNAL_KEY.1,
        "privateKey": APPLICATION_KEY.0,
        "decryptionPvk": APPLICATION_KEY.0,
        // Its default asks for an e-mail address, and Alice has none.
        "identifierFormat": null,
    });
    let mut peer = Peer::node("node-saml", &options)?;
    let address = peer.hear().await?;
    let address = address["address"].as_str().context("an address")?;
    // A byte of its signed query changed: refused.
    let touched = address.replace("RelayState=deep", "RelayState=steep");
    assert_ne!(touched, address);
    let page = visitor.open(&touched).await?.page()?;
    assert_eq!(page.status, 400);

    let stop = visitor.open(address).await?;
    let stop = two.password(&mut visitor, stop, PASSWORD).await?;
    let (to, fields) = stop.away()?;
    assert_eq!(to, NODE);
    assert!(fields.contains(&("RelayState".to_owned(), "deep/link".to_owned())));
    let form: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.clone())))
        .collect();
    let tampered = with_xml(&fields, |xml| {
        xml.replace("localhost:8083", "localhost:8084")
    });
    // One that does not mind which question is answered, so that the signature decides.
    options["validateInResponseTo"] = "never".into();
    let mut lax = Peer::node("node-saml", &options)?;
    lax.hear().await?;
    lax.say(&json!({"SAMLResponse": tampered[0].1}).to_string())
        .await?;
    let said = lax.hear().await?;
    let error = said["error"].as_str().context("it is refused")?;
    assert!(error.to_lowercase().contains("signature"), "{error}");
    peer.say(&Value::from(form).to_string()).await?;
    let said = peer.hear().await?;
    let profile = &said["profile"];
    assert_eq!(profile["issuer"], "localhost", "{said}");
    assert_eq!(
        profile["nameIDFormat"],
        "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    );
    assert_eq!(profile["nameID"].as_str().map(str::len), Some(64));
    assert_eq!(profile["mobile"], ALICE);
    assert!(profile["sessionIndex"].is_string());
    Ok(())
}

/// An identity provider that is not ours reads our metadata, checks our signed request, and vouches.
#[tokio::test]
async fn pysaml2_vouches_for_people() -> Result<()> {
    const ELSEWHERE: &str = "http://localhost:8090/sso";
    let ports = [free_port()?, free_port()?];
    let host = signing_with(EXTERNAL_KEY)
        .ports(ports)
        .plugin("local")
        .sms_otp("usecase = \"local\"")
        .file("peer.crt", APPLICATION_KEY.1)
        .config(&format!(
            r#"
[identity_provider.python]
protocol = "saml"
entity_id = "pysaml2"
sso_url = "{ELSEWHERE}"
certificates = ["peer.crt"]
signed_response = true

[sign_in]
first_step = ["python"]
"#
        ))
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let metadata = host.browser().open("/saml/metadata").await?.html;
    let options = |key: (&str, &str)| {
        json!({
            "entity_id": "pysaml2",
            "sso_url": ELSEWHERE,
            "logout_url": format!("{ELSEWHERE}/logout"),
            "metadata": metadata,
            "key": key.0,
            "certificate": key.1,
            "subject": "alice",
            "mobile": ALICE,
            "sign_response": true,
        })
    };
    for (options, accepted) in [
        (options(APPLICATION_KEY), true),
        (options(ATTACKER_KEY), false),
    ] {
        let mut peer = Peer::python("pysaml2", &options)?;
        let mut visitor = Visitor::new([(host.origin(), host.host().public)]);
        // There is no other way to sign in: nobody is asked which.
        let start = format!("{}/account", host.origin());
        let (address, _) = visitor.open(&start).await?.away()?;
        let query = address
            .strip_prefix(&format!("{ELSEWHERE}?"))
            .context("its address")?;
        peer.say(query).await?;
        let said = peer.hear().await?;
        assert_eq!(said["signed"], true, "{said}");
        let consumer = said["consumer"].as_str().context("an address")?;
        let xml = said["xml"].as_str().context("a response")?;
        let relay_state = posted_relay_state(query).context("RelayState")?;
        let fields = [
            ("SAMLResponse".to_owned(), STANDARD.encode(xml)),
            ("RelayState".to_owned(), relay_state),
        ];
        let page = visitor.post(consumer, &fields).await?.page()?;
        assert_eq!(page.asks_for_code(), accepted, "{}", page.text());
        if !accepted {
            refused(&page);
        }
    }
    Ok(())
}

fn posted_relay_state(query: &str) -> Option<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("RelayState="))?;
    Some(value.to_owned())
}
