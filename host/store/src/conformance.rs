//! What every store must do, as checks that each backend's tests run: races included.
//!
//! ```text
//! postern_store::conformance_tests!((Memory::new(), ()));
//! ```
//!
//! Every check uses names of its own, so one store can run them all, at once or in any order.

mod attempts;
mod audit;
mod backup_codes;
mod budgets;
mod clients;
pub mod directory;
mod documents;
mod idempotency;
mod logins;
mod parking;
mod provisioning;
mod samples;
mod sessions;
mod tenants;
mod users;

pub use attempts::*;
pub use audit::*;
pub use backup_codes::*;
pub use budgets::*;
pub use clients::*;
pub use documents::*;
pub use idempotency::*;
pub use logins::*;
pub use parking::*;
pub use provisioning::*;
pub use sessions::*;
pub use tenants::*;
pub use users::*;

use crate::directory::identities::Identities;
use crate::directory::users::Users;
use postern_admin::audit::AuditTrail;
use postern_admin::definitions::Links;
use postern_admin::documents::Documents;
use postern_federation::ports::{Once, Parking};
use postern_federation::scim::Groups;
use postern_federation::scim::ports::Deliveries;
use postern_login::ports::{
    ApiClients, AttemptStore, AuditLog, BackupCodeStore, Counters, Idempotency, LoginStore,
    SessionStore, TenantStore,
};

/// A store with every port.
pub trait Store:
    LoginStore
    + AttemptStore
    + BackupCodeStore
    + SessionStore
    + Counters
    + ApiClients
    + Idempotency
    + TenantStore
    + AuditLog
    + AuditTrail
    + Documents
    + Users
    + Parking
    + Once
    + Identities
    + Groups
    + Deliveries
    + Links
    + Clone
    + 'static
{
}

impl<T> Store for T where
    T: LoginStore
        + AttemptStore
        + BackupCodeStore
        + SessionStore
        + Counters
        + ApiClients
        + Idempotency
        + TenantStore
        + AuditLog
        + AuditTrail
        + Documents
        + Users
        + Parking
        + Once
        + Identities
        + Groups
        + Deliveries
        + Links
        + Clone
        + 'static
{
}

macro_rules! suite {
    ($($check:ident)*) => {
        /// Runs every check against one store.
        pub async fn conformance<S: Store>(store: S) {
            $( $check(&store).await; )*
        }

        /// One test for each check. `$open` is an expression that gives a store and whatever must
        /// live as long as it.
        #[macro_export]
        macro_rules! conformance_tests {
            ($open:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $check() {
                        let (store, _kept) = $open;
                        $crate::conformance::$check(&store).await;
                    }
                )*
            };
        }
    };
}

suite! {
    a_login_is_loaded_as_it_was_inserted
    an_expired_login_is_absent
    one_of_many_advances_wins
    a_renamed_login_is_dead_under_its_old_id
    a_move_clears_the_counter_only_if_it_wins
    a_login_is_taken_by_one_of_many
    one_of_many_who_finish_a_login_opens_a_session
    a_login_that_moved_on_is_not_taken
    the_logins_of_an_account_end_together
    a_login_is_not_opened_by_what_was_checked_before_the_closing
    a_closing_and_a_first_step_never_miss_each_other
    expired_logins_are_removed_in_small_batches
    a_thousand_guesses_pay_five_attempts
    a_login_that_is_gone_or_over_has_no_budget
    a_rename_does_not_refill_attempts
    the_account_budget_holds_over_many_logins
    a_success_clears_only_its_own_subject
    an_unlocked_subject_is_counted_anew
    everybody_of_one_tenant_is_unlocked_at_once
    a_lock_leaves_a_few_backup_tries
    a_backup_code_works_once
    one_of_many_uses_of_a_backup_code_wins
    different_backup_codes_are_all_consumed
    new_backup_codes_replace_the_old_ones
    a_session_is_found_until_it_ends
    sessions_are_closed_by_name_and_all_but_one
    a_budget_is_spent_and_comes_back
    budgets_are_spent_all_or_none
    a_race_spends_no_more_than_the_budget
    a_budget_may_be_counted_from_the_last_spending
    a_client_is_found_by_its_token_until_revoked
    an_idempotency_key_is_reserved_once
    a_tenant_is_kept_until_it_is_removed
    nothing_of_one_tenant_is_found_in_another
    a_removed_tenant_leaves_nothing_and_the_others_keep_all
    audit_events_are_taken
    audit_rows_are_read_from_both_ends
    audit_rows_form_a_chain
    audit_rows_are_removed_in_the_open
    a_document_is_read_as_it_was_written
    one_of_many_writers_of_a_document_wins
    a_document_is_removed_once
    documents_of_one_tenant_and_kind_are_listed
    a_user_is_found_by_key_within_tenant_and_domain
    names_and_looks_are_taken_once
    a_change_touches_only_what_it_names
    one_of_many_first_numbers_is_kept
    a_mark_without_a_number_is_taken_back
    a_password_is_replaced_only_if_it_is_the_one_seen
    users_are_listed_in_order_and_deleted_with_their_links
    an_association_belongs_to_one_user
    a_provider_that_goes_takes_its_links
    what_is_parked_is_claimed_by_one_of_many
    a_parking_key_opens_only_its_own_kind_and_tenant
    what_is_parked_is_gone_when_it_expires
    a_group_is_claimed_whole
    what_may_be_used_once_is_used_by_one_of_many
    a_use_is_remembered_until_its_end_and_per_tenant_and_kind
    a_claim_is_taken_once
    an_identity_is_given_once_and_never_again
    a_group_is_as_it_was_put_and_its_name_is_its_own
    what_a_peer_waits_for_is_told_in_order_of_each_subject
    everybody_is_put_into_the_queue_once_and_a_connector_leaves_nothing
    a_peers_id_is_one_subjects_and_no_others
    a_password_waits_only_where_it_is_sent_on
    what_failed_is_due_at_once_if_it_is_hastened
    what_a_peer_refuses_and_what_fails_here_are_counted_apart_until_it_is_tried_anew
    what_was_given_up_is_tried_again_with_the_next_change_of_its_subject
    what_is_given_up_after_its_subject_was_deleted_goes
    a_change_during_the_last_attempt_has_it_tried_anew
    what_waited_before_the_last_attempt_is_no_change_during_it
    a_retry_during_the_last_attempt_stands
    what_is_tried_anew_waits_for_an_announced_change_no_longer_than_that_is_open
    a_deletion_that_waits_is_given_up_when_its_connector_leads_elsewhere
    who_is_forgotten_by_id_leaves_the_name_to_the_next
}
