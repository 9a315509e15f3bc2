//! The flows, on their boundary: step by step, and by transcripts.

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
mod parity_answers;
mod parity_requests;
mod profile;
mod properties;
mod registration;
mod request_object;
mod revocation;
mod step_up;
mod targets;
mod tokens;
mod transcript;
mod webfinger;
