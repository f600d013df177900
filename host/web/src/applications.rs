//! What a login is told of the application somebody signs in to, from the entries of the operator.

use crate::tenant::TenantState;
use postern_federation::Moment;
use postern_federation::RelyingParty;
use postern_federation::ports::PortError;
use postern_federation::relying_party::{FirstStep, SecondStep};
use postern_login::application::{Application, Offer, SecondStep as Asked, Sequence};
use postern_otp::Timestamp;

/// For somebody who came for their own account page.
pub async fn own(state: &TenantState) -> Result<Application, PortError> {
    let first = state
        .federation
        .peers
        .own_sign_in(state.tenant.as_str())
        .await?;
    Ok(Application {
        sequence: sequence(state, state.tenant.as_str(), &first, SecondStep::SmsOtp).await?,
        ..Application::account_page()
    })
}

pub async fn of(state: &TenantState, party: &RelyingParty) -> Result<Application, PortError> {
    Ok(Application {
        name: party.name.clone(),
        display_name: party.display_name.clone(),
        sequence: Sequence {
            sms_otp: party.sms_otp.clone(),
            ..sequence(state, &party.tenant, &party.first_step, party.second_step).await?
        },
    })
}

/// Identity providers that are switched off are not offered.
async fn sequence(
    state: &TenantState,
    tenant: &str,
    first: &FirstStep,
    second: SecondStep,
) -> Result<Sequence, PortError> {
    let mut offers = Vec::new();
    for name in &first.identity_providers {
        if let Some(provider) = state
            .federation
            .peers
            .identity_provider(tenant, name)
            .await?
            && provider.enabled
        {
            offers.push(Offer {
                name: provider.name.clone(),
                display_name: provider.display_name.clone(),
            });
        }
    }
    Ok(Sequence {
        password: first.password,
        identity_providers: offers,
        second_step: match second {
            SecondStep::None => Asked::None,
            SecondStep::SmsOtp => Asked::SmsOtp,
        },
        sms_otp: None,
        afresh: false,
    })
}

/// The host's time, as federation knows it.
pub fn moment(at: Timestamp) -> Moment {
    Moment(at.0)
}
