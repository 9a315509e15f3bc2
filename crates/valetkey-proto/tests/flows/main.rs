//! The flows, on their boundary: step by step, and by transcripts.

mod answers;
mod authorization;
mod call;
mod inputs;
mod properties;
mod tokens;
mod transcript;
