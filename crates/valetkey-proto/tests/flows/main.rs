//! The flows, on their boundary: step by step, and by transcripts.

mod answers;
mod assertions;
mod authorization;
mod call;
mod dpop;
mod inputs;
mod oauth1;
mod properties;
mod tokens;
mod transcript;
