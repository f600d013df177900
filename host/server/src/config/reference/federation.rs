//! Who says who somebody is, and which applications are told.

use super::Value::{Default, Example};
use super::{Key, Table};

pub(super) const TABLES: &[Table] = &[
    Table {
        path: "sign_in",
        name: "",
        about: "How people begin who come for their own account page.",
        keys: &[Key::new("first_step", Default("[\"password\"]"), "`password`, names of `[identity_provider.NAME]` tables, or both, in the order of the page")],
    },
    Table {
        path: "identity_provider.NAME",
        name: "google",
        about: "A server that says who somebody is. The name stands in addresses and must not change hands.",
        keys: &[
            Key::new("display_name", Example("\"Google\""), "on its button; by default the table's name"),
            Key::new("enabled", Default("true"), "false refuses it at once, also for whoever is on the way back from it"),
            Key::new("protocol", Default("\"oidc\""), "`oidc`, `oauth2` or `saml`"),
            Key::new("issuer", Example("\"https://accounts.example\""), "the issuer's address, under which its metadata is found"),
            Key::new("client_id", Example("\"postern\""), "what it calls this host"),
            Key::new("client_secret", Example("{ env = \"GOOGLE_SECRET\" }"), "the secret it gave; without it this host is a public client"),
            Key::new("client_authentication", Default("\"client_secret_basic\""), "how the secret is sent: `client_secret_basic` or `client_secret_post`"),
            Key::new("scopes", Default("[\"openid\"]"), "what is asked for"),
            Key::new("subject", Default("\"sub\""), "the member that names the person for good"),
            Key::new("userinfo", Default("true"), "`oidc`: attributes are also asked of its userinfo address"),
            Key::new("trust_email", Default("false"), "`oidc`: an e-mail address it does not say is verified counts all the same"),
            Key::new("user_attribute", Example("\"email\""), "with `usecase = \"userAttribute\"`: the attribute that names the account, for logins through it").formerly("SMSOTP-userAttribute"),
            Key::new("mobile_attribute", Example("\"phone_number\""), "the attribute that holds the person's number, for logins through it").formerly("federatedMobileAttributeKey"),
            Key::new("allow_private_networks", Default("false"), "it may be at a loopback or private address"),
            Key::new("ca_files", Default("[]"), "further certificate authorities, PEM files"),
        ],
    },
    Table {
        path: "identity_provider.NAME.claims",
        name: "google",
        about: "What its attributes are called here; a dot goes one object down. One that is not listed keeps its name.",
        keys: &[Key::new("email", Example("\"http://wso2.org/claims/emailaddress\""), "their name to ours")],
    },
    Table {
        path: "identity_provider.NAME.parameters",
        name: "google",
        about: "Further parameters of the authorization request.",
        keys: &[Key::new("prompt", Example("\"select_account\""), "name to value")],
    },
    Table {
        path: "identity_provider.NAME",
        name: "facebook",
        about: "One that speaks OAuth 2.0 only: its addresses are named, and userinfo says who it is.",
        keys: &[
            Key::new("protocol", Example("\"oauth2\""), "in place of `oidc`"),
            Key::new("authorization_endpoint", Example("\"https://facebook.example/dialog/oauth\""), "where the browser goes"),
            Key::new("token_endpoint", Example("\"https://graph.facebook.example/oauth/access_token\""), "where the code is exchanged"),
            Key::new("userinfo_endpoint", Example("\"https://graph.facebook.example/me\""), "where the attributes are"),
            Key::new("client_id", Example("\"postern\""), "what it calls this host"),
            Key::new("subject", Example("\"id\""), "where userinfo names the person for good"),
        ],
    },
    Table {
        path: "identity_provider.NAME",
        name: "partner",
        about: "One that speaks SAML 2.0.",
        keys: &[
            Key::new("protocol", Example("\"saml\""), "in place of `oidc`"),
            Key::new("entity_id", Example("\"https://partner.example/saml\""), "its entity id"),
        ],
    },
    Table {
        path: "relying_party.NAME",
        name: "shop",
        about: "An application that lets Postern sign its people in.",
        keys: &[
            Key::new("display_name", Example("\"Example Shop\""), "what people are told they sign in to; by default the table's name"),
            Key::new("enabled", Default("true"), "false refuses its requests"),
            Key::new("first_step", Default("[\"password\"]"), "`password`, names of `[identity_provider.NAME]` tables, or both"),
            Key::new("second_step", Default("\"sms-otp\""), "`sms-otp`, or `none` for an application that is content with the first step"),
        ],
    },
    Table {
        path: "relying_party.NAME.claims",
        name: "shop",
        about: "What it is told about a person, beside who it is.",
        keys: &[Key::new("phone", Example("\"http://wso2.org/claims/mobile\""), "its name for the claim to ours")],
    },
    Table {
        path: "relying_party.NAME.oidc",
        name: "shop",
        about: "It speaks OpenID Connect.",
        keys: &[
            Key::new("client_id", Example("\"shop\""), "what it calls itself"),
            Key::new("public", Default("false"), "an app that cannot keep a secret: it has none, and PKCE must do"),
            Key::new("client_secret", Example("{ env = \"SHOP_SECRET\" }"), "its secret, drawn at random"),
            Key::new("redirect_uris", Example("[\"https://shop.example/callback\"]"), "where answers may go, letter by letter"),
            Key::new("post_logout_redirect_uris", Default("[]"), "where a browser may go after signing out"),
            Key::new("access_token_lifetime", Default("300"), "seconds, 30 to 3600"),
            Key::new("id_token_alg", Default("\"RS256\""), "`RS256` or `ES256`"),
        ],
    },
    Table {
        path: "relying_party.NAME.saml",
        name: "shop",
        about: "It speaks SAML 2.0.",
        keys: &[Key::new("entity_id", Example("\"https://shop.example/saml\""), "its entity id")],
    },
];
