//! The examples stand beside this file, one a file; run one with `cargo run --example NAME`.
