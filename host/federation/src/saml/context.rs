//! How somebody signed in, in SAML's words.
//!
//! A context is only ever what the sign-in was. A service provider may ask for more; then it is told that there is no
//! such context, and nothing is upgraded (attack X-27).

use serde::{Deserialize, Serialize};

const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
const PROTECTED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
/// REFEDS MFA profile: two factors of different kinds, which a password and a code by SMS are.
const TWO_FACTORS: &str = "https://refeds.org/profile/mfa";

/// From the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthnContext {
    /// Somebody else vouched and did not say how.
    Unspecified,
    Password,
    PasswordProtectedTransport,
    TwoFactors,
}

impl AuthnContext {
    const ALL: [Self; 4] = [
        Self::Unspecified,
        Self::Password,
        Self::PasswordProtectedTransport,
        Self::TwoFactors,
    ];

    pub fn uri(self) -> &'static str {
        match self {
            Self::Unspecified => UNSPECIFIED,
            Self::Password => PASSWORD,
            Self::PasswordProtectedTransport => PROTECTED,
            Self::TwoFactors => TWO_FACTORS,
        }
    }
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.uri() == uri)
    }
    /// What a sign-in of this context may also truthfully be called: who gave a password and a code gave a password.
    fn is_also(self, other: Self) -> bool {
        other <= self
    }
}

/// `RequestedAuthnContext` (core, 3.3.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedContext {
    pub comparison: Comparison,
    /// Class references as they were written, the preferred one first.
    pub classes: Vec<String>,
}

impl RequestedContext {
    /// Whether a provider that was asked this may answer with that class (core, 3.3.2.2.1). Classes other
    /// than ours have no order that we know: of those, only what was asked for letter by letter will do.
    pub fn allows(&self, class: Option<&str>) -> bool {
        let Some(class) = class else {
            return false;
        };
        if self.comparison != Comparison::Better && self.classes.iter().any(|asked| asked == class)
        {
            return true;
        }
        match AuthnContext::from_uri(class) {
            Some(given) => answer(given, Some(self)) == Some(given),
            None => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    Exact,
    Minimum,
    Maximum,
    Better,
}

impl Comparison {
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("exact") => Some(Self::Exact),
            Some("minimum") => Some(Self::Minimum),
            Some("maximum") => Some(Self::Maximum),
            Some("better") => Some(Self::Better),
            Some(_) => None,
        }
    }
}

/// What to call the sign-in; `None` if it does not satisfy the request. `given` is what it was.
pub fn answer(given: AuthnContext, requested: Option<&RequestedContext>) -> Option<AuthnContext> {
    let Some(requested) = requested else {
        return Some(given);
    };
    let known: Vec<_> = requested
        .classes
        .iter()
        .filter_map(|class| AuthnContext::from_uri(class))
        .collect();
    match requested.comparison {
        Comparison::Exact => known.into_iter().find(|class| given.is_also(*class)),
        Comparison::Minimum => known.iter().any(|class| given >= *class).then_some(given),
        // Stronger than every one of them.
        Comparison::Better => {
            let all_known = known.len() == requested.classes.len();
            (all_known && known.iter().all(|class| given > *class)).then_some(given)
        }
        // As strong as possible without exceeding one of them.
        Comparison::Maximum => known.into_iter().map(|class| class.min(given)).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthnContext::{
        Password, PasswordProtectedTransport as Protected, TwoFactors, Unspecified,
    };

    fn check(
        given: AuthnContext,
        comparison: Comparison,
        asked: &[&str],
        expected: Option<AuthnContext>,
    ) {
        let requested = RequestedContext {
            comparison,
            classes: asked.iter().map(|&c| c.to_owned()).collect(),
        };
        assert_eq!(
            answer(given, Some(&requested)),
            expected,
            "{given:?} for {comparison:?} {asked:?}"
        );
    }

    #[test]
    fn nothing_asked_is_answered_with_what_was() {
        for given in AuthnContext::ALL {
            assert_eq!(answer(given, None), Some(given));
        }
    }

    #[test]
    fn a_context_is_never_upgraded() {
        for comparison in [Comparison::Exact, Comparison::Minimum, Comparison::Better] {
            check(Protected, comparison, &[TWO_FACTORS], None);
            check(Unspecified, comparison, &[PROTECTED], None);
        }
        check(Protected, Comparison::Better, &[PROTECTED], None);
        check(TwoFactors, Comparison::Better, &[TWO_FACTORS], None);
        for given in AuthnContext::ALL {
            for asked in AuthnContext::ALL {
                for comparison in [
                    Comparison::Exact,
                    Comparison::Minimum,
                    Comparison::Maximum,
                    Comparison::Better,
                ] {
                    let requested = RequestedContext {
                        comparison,
                        classes: vec![asked.uri().to_owned()],
                    };
                    if let Some(answered) = answer(given, Some(&requested)) {
                        assert!(answered <= given, "{given:?} became {answered:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_given_satisfies_what_is_less() {
        check(TwoFactors, Comparison::Exact, &[PROTECTED], Some(Protected));
        check(TwoFactors, Comparison::Exact, &[PASSWORD], Some(Password));
        check(
            TwoFactors,
            Comparison::Minimum,
            &[PROTECTED],
            Some(TwoFactors),
        );
        check(
            TwoFactors,
            Comparison::Better,
            &[PROTECTED],
            Some(TwoFactors),
        );
        check(
            TwoFactors,
            Comparison::Maximum,
            &[PROTECTED],
            Some(Protected),
        );
        check(
            Protected,
            Comparison::Exact,
            &[TWO_FACTORS, PROTECTED],
            Some(Protected),
        );
        check(
            Protected,
            Comparison::Maximum,
            &[TWO_FACTORS],
            Some(Protected),
        );
    }

    #[test]
    fn a_class_nobody_knows_is_not_satisfied() {
        for comparison in [
            Comparison::Exact,
            Comparison::Minimum,
            Comparison::Maximum,
            Comparison::Better,
        ] {
            check(TwoFactors, comparison, &["urn:x:smartcard"], None);
        }
    }
}
