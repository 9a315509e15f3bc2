//! [`valetkey_fuzz::token_response`] for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| valetkey_fuzz::token_response(data));
