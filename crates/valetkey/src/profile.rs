#![doc = include_str!("profile/guide.md")]

mod presets;
mod text;

pub use presets::{preset, presets};
pub use text::from_toml;
pub use valetkey_proto::oauth2::profile::{Hook, ProviderProfile, RequestKind};
