//! The plugins that come with Postern: what they may reach without an `allow` line. By their own
//! plugin.toml, so that the two never differ.

use postern_gateway::{Shipped, ShippedPlugin};
use serde::Deserialize;

/// The manifests of providers with an address of their own. Not `http-recipe`, where naming an
/// address is the whole plugin, not the resolvers, which send nothing, and not `fake`, whose address
/// the test outbox answers where it is on.
const MANIFESTS: &[&str] = &[
    include_str!("../../../plugins/bulksms/plugin.toml"),
    include_str!("../../../plugins/clickatell/plugin.toml"),
    include_str!("../../../plugins/nexmo/plugin.toml"),
    include_str!("../../../plugins/plivo/plugin.toml"),
    include_str!("../../../plugins/twilio/plugin.toml"),
];

#[derive(Deserialize)]
struct Wishes {
    id: String,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default)]
    origin_settings: Vec<String>,
}

pub(crate) fn shipped() -> Shipped {
    let manifests = MANIFESTS.iter();
    Shipped(
        manifests
            .map(|text| {
                let wishes: Wishes =
                    toml::from_str(text).expect("the build of the plugin read this file");
                let plugin = ShippedPlugin {
                    origins: wishes.origins,
                    origin_settings: wishes.origin_settings,
                };
                (wishes.id, plugin)
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_shipped_manifest_is_read() {
        let shipped = super::shipped().0;
        assert_eq!(shipped.len(), 5);
        assert_eq!(shipped["twilio"].origins, ["https://api.twilio.com"]);
        assert!(!shipped.contains_key("http-recipe"));
    }
}
