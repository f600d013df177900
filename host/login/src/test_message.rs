//! A message like those of a login, for an operator who tries a sender. Its code is no code of
//! anything: nothing is stored, nothing is checked.

use crate::error::StoreError;
use crate::login::Purpose;
use crate::ports::Message;
use crate::text::{self, LastLine, Template, Words};
use crate::{Logins, TenantId};
use postern_otp::{CODE_LIFETIME_MAX, Code, PhoneNumber};

impl Logins {
    /// Worded by the tenant's own templates, so that what is tried is what will be sent.
    pub async fn test_message(
        &self,
        tenant: &TenantId,
        to: &PhoneNumber,
    ) -> Result<Message, StoreError> {
        let settings = self.settings(tenant).await?;
        let challenge = &settings.factor.challenge;
        let digits = "1234567890";
        let length = usize::from(challenge.format.length).min(digits.len());
        let code = &digits[..length];
        let validity = challenge.code_lifetime.min(CODE_LIFETIME_MAX);
        let locale = "en".to_owned();
        let template = text::template_for(&settings.templates, &locale);
        let words = Words {
            code,
            brand: &settings.brand,
            validity,
            last_line: LastLine::choose(
                settings.factor.otp_host.as_deref(),
                None,
                to.country(),
                template.and_then(|template| template.last_line),
            ),
        };
        let composed = text::compose(template, words)
            .ok_or_else(|| StoreError::new("the message does not fit ten segments"))?;
        let mut extra = vec![("brand".to_owned(), text::one_line(&settings.brand))];
        extra.extend(template.into_iter().flat_map(Template::ids));
        Ok(Message {
            id: self.message_id()?,
            tenant: tenant.clone(),
            to: to.clone(),
            text: composed.text,
            without_line: composed.without_line,
            code: Code::parse(challenge.format, code),
            validity,
            attempt: 1,
            locale,
            purpose: Purpose::Login,
            extra,
        })
    }
}
