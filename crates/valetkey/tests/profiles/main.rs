//! Profiles of providers: those that come with the crate, and those that people write.

mod mistakes;
mod presets;
mod provider;
mod quirks;
mod renewals;
mod requests_oauthlib;
