//! What a directory says about an account beside "right" and "wrong": the answers of its password
//! policy (draft-behera-ldap-password-policy), which the LDAP library does not read.

use ldap3::asn1::{PL, StructureTag, TagClass, parse_tag, parse_uint};
use ldap3::controls::{Control, RawControl};

const OID: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// Asks for the policy's answer. Not critical: a server without a policy ignores it.
pub(super) fn ask() -> RawControl {
    RawControl {
        ctype: OID.to_owned(),
        crit: false,
        val: None,
    }
}

/// The policy's answer; empty if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) refusal: Option<Refusal>,
    /// Sign-ins that are left although the password has expired.
    pub(super) graces_left: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the password has expired")]
    Expired,
    #[error("the account is locked")]
    Locked,
    #[error("the password must be changed first")]
    MustChange,
    #[error("the password may not be changed")]
    NotChangeable,
    #[error("the old password is needed to change it")]
    OldNeeded,
    #[error("the password is too weak")]
    TooWeak,
    #[error("the password is too short")]
    TooShort,
    #[error("the password was changed too recently")]
    TooYoung,
    #[error("the password was used before")]
    UsedBefore,
    #[error("the password policy refused, with a reason of number {0}")]
    Other(u64),
}

impl Refusal {
    fn of(number: u64) -> Self {
        match number {
            0 => Self::Expired,
            1 => Self::Locked,
            2 => Self::MustChange,
            3 => Self::NotChangeable,
            4 => Self::OldNeeded,
            5 => Self::TooWeak,
            6 => Self::TooShort,
            7 => Self::TooYoung,
            8 => Self::UsedBefore,
            other => Self::Other(other),
        }
    }
}

/// Reads the answer among a result's controls. One that cannot be read refuses: a directory that
/// says something nobody understands has not said "go on".
pub(super) fn read(controls: &[Control]) -> Answer {
    let answer = controls.iter().find(|control| control.1.ctype == OID);
    match answer.and_then(|control| control.1.val.as_deref()) {
        Some(value) => parse(value).unwrap_or(Answer {
            refusal: Some(Refusal::Other(u64::MAX)),
            graces_left: None,
        }),
        None => Answer::default(),
    }
}

/// `SEQUENCE { warning [0] CHOICE { expires [0], graces [1] } OPTIONAL, error [1] ENUMERATED OPTIONAL }`
fn parse(value: &[u8]) -> Option<Answer> {
    let (rest, tag) = parse_tag(value).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut answer = Answer::default();
    for part in constructed(tag)? {
        if part.class != TagClass::Context {
            return None;
        }
        match part.id {
            0 => {
                for warning in constructed(part)? {
                    if warning.id == 1 {
                        answer.graces_left = Some(number(warning)?);
                    }
                }
            }
            1 => answer.refusal = Some(Refusal::of(number(part)?)),
            _ => return None,
        }
    }
    Some(answer)
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(parts) => Some(parts),
        // An empty sequence may come as an empty value.
        PL::P(bytes) => bytes.is_empty().then(Vec::new),
    }
}

fn number(tag: StructureTag) -> Option<u64> {
    match tag.payload {
        PL::P(bytes) if (1..=8).contains(&bytes.len()) => {
            parse_uint(&bytes).ok().map(|(_, number)| number)
        }
        PL::P(_) | PL::C(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &[u8]) -> Answer {
        let control = RawControl {
            ctype: OID.into(),
            crit: false,
            val: Some(value.to_vec()),
        };
        read(&[Control(None, control)])
    }

    #[test]
    fn every_answer_of_the_policy_is_read() {
        for (bytes, refusal) in [
            (&[0x30, 3, 0x81, 1, 0][..], Refusal::Expired),
            (&[0x30, 3, 0x81, 1, 1], Refusal::Locked),
            (&[0x30, 3, 0x81, 1, 2], Refusal::MustChange),
            (&[0x30, 3, 0x81, 1, 6], Refusal::TooShort),
            (&[0x30, 3, 0x81, 1, 8], Refusal::UsedBefore),
            (&[0x30, 3, 0x81, 1, 99], Refusal::Other(99)),
        ] {
            assert_eq!(answer(bytes).refusal, Some(refusal));
        }
        assert_eq!(answer(&[0x30, 0]), Answer::default());
        // timeBeforeExpiration of 3600 seconds: nothing to refuse.
        assert_eq!(
            answer(&[0x30, 6, 0xa0, 4, 0x80, 2, 0x0e, 0x10]),
            Answer::default()
        );
        let graces = answer(&[0x30, 5, 0xa0, 3, 0x81, 1, 2]);
        assert_eq!((graces.graces_left, graces.refusal), (Some(2), None));
    }

    #[test]
    fn an_answer_nobody_understands_refuses() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 3, 0x81, 1],
            &[0x30, 3, 0x81, 1, 0, 0],
            &[0x30, 2, 0x81, 0],
            &[0x30, 3, 0x85, 1, 0],
            &[0x04, 1, 0],
        ] {
            assert_eq!(
                answer(bytes).refusal,
                Some(Refusal::Other(u64::MAX)),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn without_the_control_there_is_no_answer() {
        let other = RawControl {
            ctype: "1.2.3".into(),
            crit: false,
            val: Some(vec![0x30, 3, 0x81, 1, 1]),
        };
        assert_eq!(read(&[Control(None, other)]), Answer::default());
        assert_eq!(read(&[]), Answer::default());
    }
}
