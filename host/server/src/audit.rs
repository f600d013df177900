//! Audit events go to the store, where they are durable before the login goes on, and from there to
//! the log and the metrics.

use async_trait::async_trait;
use postern_login::audit::AuditEvent;
use postern_login::error::StoreError;
use postern_login::ports::AuditLog;
use std::sync::Arc;

/// The store's audit log, heard by operators as well.
pub(crate) struct Audit {
    store: Arc<dyn AuditLog>,
}

impl Audit {
    pub(crate) fn new(store: Arc<dyn AuditLog>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl AuditLog for Audit {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.heard(&event);
        self.store.record(event).await
    }

    fn heard(&self, event: &AuditEvent) {
        // The event's own name, so that one vocabulary serves store, log and metrics.
        let what = serde_json::to_value(&event.what).unwrap_or_default();
        let name = what["event"].as_str().unwrap_or("unknown").to_owned();
        metrics::counter!("postern_events_total", "event" => name.clone()).increment(1);
        tracing::info!(
            target: "audit",
            tenant = %event.tenant,
            login.id = event.login.as_deref(),
            user = event.who.as_deref(),
            address = event.address.as_deref(),
            details = %what,
            "{name}"
        );
    }
}
