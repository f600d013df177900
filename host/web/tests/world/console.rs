//! What the console shows of the host: plugins, forms, senders, and what it is to others.

use async_trait::async_trait;
use postern_admin::definitions::{Declared, Definition, Definitions, FormName, Meaning, Sort};
use postern_admin::form::{Field, FieldKind, Section};
use postern_admin::plugins::{PluginReport, Plugins, RefusedFile};
use postern_admin::senders::{SenderReport, SentRequest, TestOutcome, TestSender};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::Message;

/// One that serves, one that was refused: with words of a stranger in them.
pub(super) struct TwoPlugins;

#[async_trait]
impl Plugins for TwoPlugins {
    fn report(&self) -> Vec<PluginReport> {
        vec![
            PluginReport {
                file: "acme.wasm".to_owned(),
                id: Some("acme".to_owned()),
                version: Some("1.1.0".to_owned()),
                kind: Some("sms-provider".to_owned()),
                sha256: Some("9f".repeat(32)),
                state: "serving".to_owned(),
                calls: 4711,
                faults: 3,
                grown: 12,
                last_fault: Some("<i>trap</i>".to_owned()),
                origins_asked: vec!["https://api.acme.example".to_owned()],
                origins_granted: vec![(
                    "bench".to_owned(),
                    vec!["https://api.acme.example".to_owned()],
                )],
                limits: vec![("memory".to_owned(), "16 MiB".to_owned())],
                previous: Some("1.0.0".to_owned()),
                ..PluginReport::default()
            },
            PluginReport {
                file: "<b>.wasm".to_owned(),
                state: "rejected".to_owned(),
                refused: Some(RefusedFile {
                    sha256: None,
                    stage: "manifest".to_owned(),
                    reason: "<script>alert(1)</script>".to_owned(),
                }),
                note: Some(
                    "the last good content, version 1.0.0, serves: <script>alert(3)</script>"
                        .to_owned(),
                ),
                ..PluginReport::default()
            },
        ]
    }
    fn rescan(&self) {}
    async fn roll_back(&self, id: &str) -> Result<String, String> {
        match id {
            "acme" => Ok("1.0.0".to_owned()),
            other => Err(format!("no earlier content of plugin `{other}` is kept")),
        }
    }
}

/// Forms of a few fields; the file defines one provider and one application that uses it.
pub(super) struct Shelf;

#[async_trait]
impl Definitions for Shelf {
    fn forms(&self, sort: Sort) -> Vec<FormName> {
        let name = |form: &str| FormName {
            form: form.to_owned(),
            label: form.to_uppercase(),
        };
        match sort {
            Sort::IdentityProvider => vec![name("oidc"), name("sms-otp/acme")],
            Sort::ServiceProvider => vec![name("oidc")],
            Sort::ClaimDialect => vec![name("dialect")],
            Sort::Connector | Sort::Inbound => vec![name("scim")],
        }
    }
    fn form(&self, sort: Sort, form: &str) -> Option<Vec<Section>> {
        let fields = match (sort, form) {
            (Sort::IdentityProvider, "oidc") => vec![
                Field::text("issuer", "Issuer", "")
                    .of(FieldKind::Url)
                    .required(),
                Field::text("client_secret", "Client secret", "").secret(),
                Field::text("userinfo", "Ask userinfo", "")
                    .of(FieldKind::Boolean)
                    .or("true"),
                Field::text("metadata", "Metadata", "").of(FieldKind::Document),
                Field::text("dialect", "Claim dialect", ""),
                Field::text("claims", "Claims", "").of(FieldKind::Pairs),
            ],
            (Sort::ClaimDialect, "dialect") => vec![
                Field::text("uri", "Dialect URI", ""),
                Field::text("claims", "Mappings", "")
                    .of(FieldKind::Pairs)
                    .required(),
            ],
            (Sort::Connector, "scim") => vec![
                Field::text("user_endpoint", "User endpoint", "")
                    .of(FieldKind::Url)
                    .required(),
                Field::text("token", "Token", "").secret(),
                Field::text("identity_provider", "Identity provider", ""),
            ],
            (Sort::Inbound, "scim") => vec![Field::text("user_store", "User store", "")],
            (Sort::IdentityProvider, "sms-otp/acme") => vec![
                Field::text("settings.from", "From", "").required(),
                Field::text("code.length", "Length", "").of(FieldKind::Integer { min: 6, max: 10 }),
            ],
            (Sort::ServiceProvider, "oidc") => vec![
                Field::text("first_step", "First step", "")
                    .of(FieldKind::List)
                    .or("password"),
                Field::text("second_step", "Second step", "")
                    .of(FieldKind::Choice(vec!["sms-otp".into(), "none".into()])),
            ],
            _ => return None,
        };
        Some(vec![Section {
            title: "Settings".to_owned(),
            help: String::new(),
            fields,
        }])
    }
    fn declared(&self, sort: Sort, _: &TenantId) -> Vec<Declared> {
        let name = match sort {
            Sort::IdentityProvider => "filed",
            Sort::ServiceProvider => "shop",
            Sort::ClaimDialect => "openid",
            Sort::Connector => "peer",
            Sort::Inbound => return Vec::new(),
        };
        let values: &[(&str, &str)] = match sort {
            Sort::IdentityProvider => &[
                ("issuer", "https://filed.example"),
                ("userinfo", "false"),
                ("claims", "mail = http://<b>\ntel = http://<i>"),
                ("ca_files", "corp.pem"),
            ],
            Sort::ClaimDialect => &[("claims", "name = http://<b>")],
            Sort::ServiceProvider | Sort::Connector | Sort::Inbound => &[],
        };
        let own = |name: &str| name.to_owned();
        let mut all = vec![Declared {
            name: own(name),
            form: own(match sort {
                Sort::ClaimDialect => "dialect",
                Sort::Connector | Sort::Inbound => "scim",
                Sort::IdentityProvider | Sort::ServiceProvider => "oidc",
            }),
            enabled: true,
            default: false,
            place: format!("postern.toml, [x.{name}]"),
            values: values
                .iter()
                .map(|(name, value)| (own(name), own(value)))
                .collect(),
            set: Vec::new(),
        }];
        if sort == Sort::IdentityProvider {
            all[0].set.push(own("client_secret"));
            all.push(Declared {
                name: own("silent"),
                form: own("sms-otp/gone"),
                enabled: true,
                default: true,
                place: own("senders/silent.toml"),
                values: [(own("ca_files"), own("sms.pem"))].into(),
                set: vec![own("sender.secrets")],
            });
        }
        all
    }
    async fn check(
        &self,
        _: Sort,
        _: &TenantId,
        _: &str,
        definition: &Definition,
    ) -> Vec<(String, String)> {
        match definition.values.get("issuer") {
            Some(issuer) if issuer.contains("wrong") => {
                vec![("issuer".to_owned(), "no provider is there".to_owned())]
            }
            _ => Vec::new(),
        }
    }
    fn meanings(&self, _: &TenantId) -> Vec<Meaning> {
        vec![Meaning {
            what: "Mobile number".to_owned(),
            claim: "http://wso2.org/claims/mobile".to_owned(),
            kept: vec![("CORP".to_owned(), "`<b>mobile`".to_owned())],
        }]
    }
    fn sends_to(&self, service_provider: &Definition) -> Vec<String> {
        let list = service_provider.values.get("first_step");
        list.map(|text| {
            postern_admin::form::lines(text)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
    }
    fn declared_sends_to(&self, _: &TenantId) -> Vec<(String, Vec<String>)> {
        vec![("shop".to_owned(), vec!["filed".to_owned()])]
    }
    fn declared_connectors(&self, _: &TenantId) -> Vec<(String, String)> {
        vec![("peer".to_owned(), "filed".to_owned())]
    }
    async fn apply(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What this host is to others.
pub(super) struct Itself;

impl postern_admin::resident::Facts for Itself {
    fn facts(&self) -> Result<postern_admin::resident::Resident, StoreError> {
        use postern_admin::resident::{
            CertificateFacts, OpenIdFacts, Resident, SamlFacts, ScimFacts,
        };
        let at = |path: &str| format!("https://login.example{path}");
        Ok(Resident {
            saml: SamlFacts {
                entity_id: "urn:<b>login".to_owned(),
                metadata: at("/saml/metadata"),
                single_sign_on: at("/samlsso"),
                single_logout: at("/samlsso"),
                consumer: at("/commonauth"),
                certificates: vec![CertificateFacts {
                    signs: true,
                    fingerprint: "0a1b".repeat(16),
                    not_before: Some(1_795_310_100_000),
                    not_after: None,
                }],
            },
            openid: OpenIdFacts {
                issuer: at(""),
                discovery: at("/.well-known/openid-configuration"),
                endpoints: vec![("token_endpoint".to_owned(), at("/oauth2/token"))],
            },
            scim: ScimFacts {
                base: at("/scim/v2"),
                users: at("/wso2/scim/Users"),
                groups: at("/wso2/scim/Groups"),
                user_store: None,
                user_stores: vec!["PRIMARY".to_owned()],
            },
        })
    }
}

/// A sender on a test bench.
pub(super) struct Bench;

#[async_trait]
impl TestSender for Bench {
    fn list(&self) -> Vec<SenderReport> {
        vec![SenderReport {
            tenant: TenantId::super_tenant().to_string(),
            name: "bench".to_owned(),
            plugin: "acme".to_owned(),
            version: Some("1.1.0".to_owned()),
            ready: true,
            problems: Vec::new(),
            place: "the configuration file, section [sender.bench]".to_owned(),
        }]
    }
    async fn send(&self, _: &str, message: &Message) -> TestOutcome {
        TestOutcome {
            requests: vec![SentRequest {
                method: "POST".to_owned(),
                url: "https://api.acme.example/send".to_owned(),
                headers: vec![("authorization".to_owned(), "Basic [secret]".to_owned())],
                body: format!("To={}&Body=<b>", message.to.e164()),
            }],
            accepted: false,
            verdict: "auth-failed".to_owned(),
            detail: "<script>alert(2)</script>".to_owned(),
            took_ms: 12,
        }
    }
}
