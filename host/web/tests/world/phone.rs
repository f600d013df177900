//! The one phone, and the provider that reaches it.

use super::PROVIDER_TEXT;
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::ports::{Delivery, FailureReason, Message, SendFailure, Senders};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What arrived.
#[derive(Default)]
pub struct Phone {
    messages: Mutex<Vec<(String, String, Option<String>)>>,
    /// While it is held, the provider does not answer.
    held: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
    waiting: std::sync::atomic::AtomicUsize,
    pub broken: AtomicBool,
    aloud: AtomicBool,
}

impl Phone {
    /// Prints what arrives, for somebody who looks at the pages.
    pub fn aloud(&self) {
        self.aloud.store(true, Ordering::SeqCst);
    }

    pub fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    pub fn hold(&self) {
        *self.held.lock().unwrap() = Some(Arc::new(tokio::sync::Semaphore::new(0)));
    }

    /// Messages the provider has and has not answered.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn release(&self) {
        if let Some(held) = self.held.lock().unwrap().take() {
            held.close();
        }
    }

    pub fn last_code(&self) -> String {
        let messages = self.messages.lock().unwrap();
        messages.last().unwrap().2.clone().unwrap()
    }

    /// Another code than the last one.
    pub fn wrong_code(&self) -> &'static str {
        match self.last_code().as_str() {
            "000000" => "000001",
            _ => "000000",
        }
    }

    pub fn last_number(&self) -> String {
        self.messages.lock().unwrap().last().unwrap().0.clone()
    }
}

#[async_trait]
impl Senders for Phone {
    async fn send(&self, _: &str, message: &Message, _: Instant) -> Delivery {
        let held = self.held.lock().unwrap().clone();
        if let Some(held) = held {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let _ = held.acquire().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Delivery::Failed(SendFailure {
                reason: FailureReason::ProviderDown,
                retry_after: None,
                detail: PROVIDER_TEXT.to_owned(),
                words: Some(postern_login::provider_words::ProviderWords::new(
                    PROVIDER_TEXT,
                )),
            });
        }
        if self.aloud.load(Ordering::SeqCst) {
            println!("{}: {}", message.to.e164(), message.text.as_str());
        }
        self.messages.lock().unwrap().push((
            message.to.e164().to_owned(),
            message.text.as_str().to_owned(),
            message.code.as_ref().map(|code| code.as_str().to_owned()),
        ));
        Delivery::Accepted {
            provider_id: Some("p-1".to_owned()),
            parts: Some(1),
        }
    }
    fn ready(&self, _: &TenantId, _: &str) -> bool {
        true
    }
    fn idempotent(&self, _: &TenantId, _: &str) -> bool {
        false
    }
}
