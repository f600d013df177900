//! Draws a code, words it, hands it to providers in order until one takes it.

use crate::audit::{AuditEvent, Occasion, What};
use crate::caller::Caller;
use crate::error::StoreError;
use crate::login::{Challenge, Challenged, Login, NotSent, Notice, State};
use crate::occasion::occasion;
use crate::ports::{Advanced, Message, Settlement, TenantSettings};
use crate::provider_words::ErrorDetail;
use crate::routing::{self, Routed};
use crate::text::{self, LastLine, Template, Words};
use crate::{LoginError, Logins};
use postern_otp::hash::Binding;
use postern_otp::{CODE_LIFETIME_MAX, Code, CodeFormat, Requested, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A sending that is older has lost its host: the deadline of all providers, and some time to write
/// the outcome down.
const STALE_AFTER: Duration = routing::DEADLINE.saturating_add(Duration::from_secs(5));

/// Rejection sampling throws away one byte in 43 at worst; 32 bytes do for ten characters unless the
/// source is broken.
const DRAWS_MAX: u32 = 4;

pub(crate) fn is_stale(since: Timestamp, now: Timestamp) -> bool {
    now.since(since) >= STALE_AFTER
}

impl Logins {
    /// Sends what a login in `Sending` asks for and writes down what came of it. Whoever calls has
    /// claimed the sending: nobody else is at it. It goes on if the browser hangs up, for a message
    /// that is on its way must find its hash stored.
    pub(crate) async fn deliver(
        &self,
        login: Login,
        settings: Arc<TenantSettings>,
        caller: Caller,
    ) -> Result<Login, LoginError> {
        let logins = self.clone();
        let sending =
            tokio::spawn(async move { logins.deliver_claimed(login, &settings, caller).await });
        sending
            .await
            .map_err(|broken| StoreError::caused("the sending of a code broke off", broken))?
    }

    async fn deliver_claimed(
        &self,
        login: Login,
        settings: &TenantSettings,
        caller: Caller,
    ) -> Result<Login, LoginError> {
        let State::Challenged(challenged) = &login.state else {
            return Err(LoginError::OutOfOrder);
        };
        let Challenge::Sending { requested, .. } = &challenged.challenge else {
            return Err(LoginError::OutOfOrder);
        };
        let attempt = requested.resends + 1;
        let (code, message) = self.word(&login, challenged, requested, settings)?;
        let routed = routing::route(
            &self.ports,
            &settings.factor.senders,
            &message,
            settings.limits.calls_per_message,
        )
        .await;
        // The life of a code begins when a provider has it.
        let now = self.now();
        let (challenge, notice, what) = match routed {
            Routed::Accepted { sender, .. } => {
                let binding = binding(&login, requested);
                let hash = settings.keys.hash(&code, binding);
                let sent = requested
                    .clone()
                    .delivered(hash, now, &settings.factor.challenge);
                let what = What::CodeSent {
                    sender,
                    number: requested.number.masked(),
                    attempt,
                    occasion: Occasion {
                        sent_at: Some(sent.sent_at),
                        expires_at: Some(sent.expires_at),
                        ..occasion(&login, &caller)
                    },
                };
                self.code_went_out(settings, &login.tenant, &requested.number, now);
                let notice = (attempt > 1).then_some(Notice::NewCodeSent);
                (Challenge::Sent(sent), notice, what)
            }
            Routed::Failed {
                tried,
                reason,
                words,
            } => {
                let wait = settings
                    .factor
                    .challenge
                    .resend
                    .wait_after(requested.resends);
                let not_sent = Challenge::NotSent {
                    requested: requested.clone(),
                    retry_at: now.plus(wait),
                    why: Some(NotSent {
                        reason,
                        words: words.and_then(|words| {
                            let screen = screen(challenged, requested);
                            words.shown(&error_detail(settings), &requested.number, &screen)
                        }),
                    }),
                };
                let what = What::CodeNotSent {
                    tried: tried.into_iter().map(|(sender, _)| sender).collect(),
                    reason: word_of(&reason),
                };
                (not_sent, Some(Notice::NotSent), what)
            }
        };
        drop(code);
        let next = State::Challenged(Challenged {
            challenge,
            notice,
            ..challenged.clone()
        });
        let then = Settlement {
            events: vec![event(&login, now, caller.address, what)],
            ..Settlement::default()
        };
        let settled = self.settle(&login, next, then).await?;
        match settled {
            Advanced::Won(login) => Ok(login),
            // Closed in the meantime: what is on its way is no code of anything.
            Advanced::Lost => self.load(&login.id).await,
        }
    }

    fn word(
        &self,
        login: &Login,
        challenged: &Challenged,
        requested: &Requested,
        settings: &TenantSettings,
    ) -> Result<(Code, Message), StoreError> {
        let code = self.draw(settings.factor.challenge.format)?;
        let app_hash = challenged.app_hash.as_deref();
        let validity = settings
            .factor
            .challenge
            .code_lifetime
            .min(CODE_LIFETIME_MAX);
        let template = text::template_for(&settings.templates, &login.locale);
        let words = Words {
            code: code.as_str(),
            brand: &settings.brand,
            validity,
            last_line: LastLine::choose(
                settings.factor.otp_host.as_deref(),
                app_hash,
                requested.number.country(),
                template.and_then(|template| template.last_line),
            ),
        };
        let composed = text::compose(template, words)
            .ok_or_else(|| StoreError::new("the message does not fit ten segments"))?;
        let mut extra = vec![("brand".to_owned(), text::one_line(&settings.brand))];
        if let Some(hash) = app_hash {
            extra.push(("app-hash".to_owned(), hash.to_owned()));
        }
        extra.extend(template.into_iter().flat_map(Template::ids));
        let message = Message {
            id: self.message_id()?,
            tenant: login.tenant.clone(),
            to: requested.number.clone(),
            text: composed.text,
            without_line: composed.without_line,
            code: Some(code.clone()),
            validity,
            attempt: requested.resends + 1,
            locale: login.locale.clone(),
            purpose: login.purpose.clone(),
            extra,
        };
        Ok((code, message))
    }

    fn draw(&self, format: CodeFormat) -> Result<Code, StoreError> {
        for _ in 0..DRAWS_MAX {
            let bytes = zeroize::Zeroizing::new(self.random::<32>()?);
            if let Some(code) = Code::from_entropy(format, bytes.as_slice()) {
                return Ok(code);
            }
        }
        Err(StoreError::new(
            "no code could be drawn: expected a format of 6 to 10 characters and a working random source",
        ))
    }

    /// Its own random name: derived from nothing that a client sees or sends (attack N-04).
    pub(crate) fn message_id(&self) -> Result<String, StoreError> {
        Ok(hex::encode(self.random::<16>()?))
    }
}

/// What stands for the number wherever a person reads about it.
fn screen(challenged: &Challenged, requested: &Requested) -> String {
    let shown = challenged.shown.clone();
    shown.unwrap_or_else(|| requested.number.masked())
}

/// What a person may read of a provider's words.
fn error_detail(settings: &TenantSettings) -> ErrorDetail {
    ErrorDetail {
        shown: settings.factor.show_error_detail,
        masked: settings.factor.masked_in_errors.clone(),
    }
}

/// What the code of this login is good for, and nothing else.
pub(crate) fn binding<'a>(login: &'a Login, requested: &'a Requested) -> Binding<'a> {
    Binding {
        challenge: login.id.as_str(),
        tenant: login.tenant.as_str(),
        purpose: login.purpose.as_str(),
        number: &requested.number,
    }
}

pub(crate) fn event(
    login: &Login,
    at: Timestamp,
    address: Option<String>,
    what: What,
) -> AuditEvent {
    AuditEvent {
        at,
        tenant: login.tenant.clone(),
        login: Some(login.name.clone()),
        who: login.state.who().map(|who| who.display.clone()),
        address,
        what,
    }
}

/// The word by which a value is known in the audit log: the one it is stored by.
pub(crate) fn word_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(serde_json::Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        Ok(_) | Err(_) => String::new(),
    }
}
