//! A federated person becomes a local account, or none, or the login stops.
