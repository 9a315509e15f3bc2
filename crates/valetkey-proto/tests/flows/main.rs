//! The flows, on their boundary: step by step, and by transcripts.

mod authorization;
mod call;
mod properties;
mod tokens;
mod transcript;
