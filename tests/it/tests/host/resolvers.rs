//! The shipped resolvers as components, in the worker, through the real gateway, against a directory of
//! a primary user store and two secondary ones.

use postern_egress::{Client, Limits as RequestLimits, SystemResolver};
use postern_gateway::{Gateway, HealthPolicy, Setup, Shipped};
use postern_kit::{SeededEntropy, TestClock, anyhow::Result, paths};
use postern_login::TenantId;
use postern_login::ports::{FederatedLogin, Resolution, UserResolver};
use postern_store::directory::{Draft, Local, Secondary, UserStore};
use postern_store::memory::Memory;
use postern_wasm::{Isolation, Limits, Plugins, WorkerCommand};
use std::sync::Arc;

const ATTRIBUTE: &str = "http://wso2.org/claims/username";

struct Scene {
    _home: tempfile::TempDir,
    gateway: Gateway,
}

impl Scene {
    /// `alice` is in the primary store, `bob` in JDBC, `carol` in JDBC and in AD, `dave` in all three;
    /// `s-17` of `corp` is linked to JDBC's bob, `s-18` to the primary store's dave.
    async fn set() -> Result<Self> {
        let store = Memory::new();
        let tenant = TenantId::super_tenant();
        let primary = Local::new(store.clone(), store.hashing());
        let jdbc = Local::secondary(store.clone(), store.hashing(), "JDBC")?;
        let ad = Local::secondary(store.clone(), store.hashing(), "AD")?;
        for (users, names) in [
            (&primary, vec!["alice", "dave"]),
            (&jdbc, vec!["bob", "carol", "dave"]),
            (&ad, vec!["carol", "dave"]),
        ] {
            for name in names {
                assert!(users.create(&tenant, name, &Draft::default()).await?);
            }
        }
        assert!(jdbc.link(&tenant, "bob", "corp", "s-17").await?);
        assert!(primary.link(&tenant, "dave", "corp", "s-18").await?);
        let others: Vec<(String, Arc<dyn UserStore>)> = vec![
            ("JDBC".to_owned(), Arc::new(jdbc)),
            ("AD".to_owned(), Arc::new(ad)),
        ];
        let directory = Secondary::new(Arc::new(primary), others)?;

        let home = tempfile::tempdir()?;
        let folder = home.path().join("plugins");
        std::fs::create_dir(&folder)?;
        for plugin in ["local", "association", "user-attribute", "subject-uri"] {
            let file = format!("{plugin}.wasm");
            std::fs::copy(paths::plugins()?.join(&file), folder.join(&file))?;
        }
        let plugins = Plugins::start(postern_wasm::Setup {
            isolation: Isolation::Worker(WorkerCommand {
                program: paths::postern()?,
                arguments: vec!["plugin-worker".into()],
            }),
            limits: Limits::default(),
            cache: None,
        })
        .await?;
        let gateway = Gateway::new(Setup {
            folder,
            kept: None,
            last_good: None,
            plugins,
            health: HealthPolicy::default(),
            client: Client::new(RequestLimits::default(), Arc::new(SystemResolver)),
            directory: Arc::new(directory),
            clock: Arc::new(TestClock::default()),
            entropy: Arc::new(SeededEntropy::new(1)),
            shipped: Shipped::default(),
            outbox: None,
        });
        gateway.reconcile().await;
        Ok(Self {
            _home: home,
            gateway,
        })
    }

    /// The account that comes of it, or nobody.
    async fn resolve(
        &self,
        usecase: &str,
        stores: Option<&str>,
        login: &FederatedLogin,
    ) -> Option<String> {
        let mut settings = vec![("user_attribute".to_owned(), ATTRIBUTE.to_owned())];
        if let Some(stores) = stores {
            settings.push(("secondary_userstore".to_owned(), stores.to_owned()));
        }
        match self.gateway.resolve(usecase, &settings, login).await {
            Resolution::Account(account) => Some(account.name),
            Resolution::NotFound => None,
            Resolution::Refuse { detail } => panic!("{usecase} refuses: {detail}"),
        }
    }
}

fn login(subject: &str) -> FederatedLogin {
    FederatedLogin {
        tenant: TenantId::super_tenant(),
        identity_provider: "corp".to_owned(),
        subject: subject.to_owned(),
        subject_identifier: "nobody".to_owned(),
        attributes: vec![(ATTRIBUTE.to_owned(), "nobody".to_owned())],
        settings: Vec::new(),
    }
}

/// One person, told by each rule's own part of what the identity provider says.
fn said(usecase: &str, name: &str) -> FederatedLogin {
    match usecase {
        "local" => login(name),
        "subject-uri" | "subjectUri" => FederatedLogin {
            subject_identifier: name.to_owned(),
            ..login("opaque")
        },
        _ => FederatedLogin {
            attributes: vec![(ATTRIBUTE.to_owned(), name.to_owned())],
            ..login("opaque")
        },
    }
}

/// The three rules that end in a name, by every spelling that configurations have.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_for_in_the_listed_stores_in_their_order() -> Result<()> {
    let scene = Scene::set().await?;
    for usecase in [
        "local",
        "user-attribute",
        "userAttribute",
        "subject-uri",
        "subjectUri",
    ] {
        for (stores, name, expected) in [
            (None, "alice", Some("alice")),
            (Some("jdbc"), "bob", Some("JDBC/bob")),
            (Some("jdbc,ad"), "carol", Some("JDBC/carol")),
            (Some("ad,jdbc"), "carol", Some("AD/carol")),
            (Some("ad"), "dave", Some("AD/dave")),
            (Some("primary,ad"), "dave", Some("dave")),
            (Some("ad"), "alice", Some("alice")),
            (Some("nowhere,jdbc"), "bob", Some("JDBC/bob")),
            (Some("jdbc,ad"), "erin", None),
            (None, "", None),
            (Some("jdbc"), "*", None),
            (Some("jdbc"), "bob)(uid=*", None),
        ] {
            let resolved = scene.resolve(usecase, stores, &said(usecase, name)).await;
            assert_eq!(resolved.as_deref(), expected, "{usecase} {stores:?} {name}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_of_one_identity_provider_and_one_subject() -> Result<()> {
    let scene = Scene::set().await?;
    for (stores, identity_provider, subject, expected) in [
        (None, "corp", "s-17", Some("JDBC/bob")),
        (Some("jdbc"), "corp", "s-17", Some("JDBC/bob")),
        // Listed or not, the link is where it is: the lists only say where to look first.
        (Some("ad"), "corp", "s-17", Some("JDBC/bob")),
        (Some("primary"), "corp", "s-18", Some("dave")),
        (None, "other", "s-17", None),
        (None, "corp", "s-1", None),
        (None, "corp", "bob", None),
        (None, "", "s-17", None),
    ] {
        let said = FederatedLogin {
            identity_provider: identity_provider.to_owned(),
            ..login(subject)
        };
        let resolved = scene.resolve("association", stores, &said).await;
        assert_eq!(
            resolved.as_deref(),
            expected,
            "{identity_provider} {subject}"
        );
    }
    Ok(())
}

/// P-34: another tenant's people are not there, and a rule that is not there refuses.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_people_are_nobody_and_an_unknown_rule_refuses() -> Result<()> {
    let scene = Scene::set().await?;
    let elsewhere = FederatedLogin {
        tenant: TenantId::parse("other.example")?,
        ..login("alice")
    };
    assert_eq!(scene.resolve("local", None, &elsewhere).await, None);
    let unknown = scene.gateway.resolve("regex", &[], &login("alice")).await;
    assert!(matches!(unknown, Resolution::Refuse { .. }), "{unknown:?}");
    Ok(())
}
