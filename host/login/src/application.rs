//! The application that somebody signs in to, as far as a login must know it: what it is called and
//! which steps it asks for. How it asked, and how it is answered, is not known here.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name in the configuration; empty for the account page.
    pub name: String,
    /// Shown on the first page; empty for the account page.
    pub display_name: String,
    pub sequence: Sequence,
}

/// The steps, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The first step may be a password.
    pub password: bool,
    /// The first step may be taken at one of these, in the order of their buttons.
    pub identity_providers: Vec<Offer>,
    pub second_step: SecondStep,
    /// The SMSOTP entry whose senders and words are used; `None`: the tenant's own order.
    pub sms_otp: Option<String>,
    /// The application wants everything asked again: an identity provider is told so (attack X-26).
    pub afresh: bool,
}

/// An identity provider on the first page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub name: String,
    pub display_name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondStep {
    /// The application is content with the first step.
    None,
    SmsOtp,
}

impl Application {
    /// A person's own account: a password and a code. A number's proof and a challenge of the JSON API begin
    /// with the same, for no application waits for them either.
    pub fn account_page() -> Self {
        Self {
            name: String::new(),
            display_name: String::new(),
            sequence: Sequence {
                password: true,
                identity_providers: Vec::new(),
                second_step: SecondStep::SmsOtp,
                sms_otp: None,
                afresh: false,
            },
        }
    }

    /// Whether an application waits for the login. None does in a browser whose person came for their own
    /// account.
    pub fn waits(&self) -> bool {
        !self.name.is_empty()
    }
}

impl Sequence {
    pub fn offers(&self, identity_provider: &str) -> bool {
        let offers = &self.identity_providers;
        offers.iter().any(|offer| offer.name == identity_provider)
    }

    /// The first step can be taken in more than one way.
    pub fn is_choice(&self) -> bool {
        usize::from(self.password) + self.identity_providers.len() > 1
    }

    /// The identity provider to go to at once, where there is nothing to choose.
    pub fn only_offer(&self) -> Option<&Offer> {
        match self.identity_providers.as_slice() {
            [offer] if !self.password => Some(offer),
            _ => None,
        }
    }
}
