//! The flows, on their boundary: step by step, and by transcripts.

mod access_token;
mod answers;
mod assertions;
mod authorization;
mod call;
mod device;
mod dpop;
mod grants;
mod initiated_login;
mod inputs;
mod introspection;
mod learned;
mod logout;
mod oauth1;
mod profile;
mod properties;
mod protected_resource;
mod registration;
mod request_object;
mod revocation;
mod signed_metadata;
mod step_up;
mod targets;
mod tokens;
mod transcript;
mod webfinger;
