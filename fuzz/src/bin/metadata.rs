//! [`valetkey_fuzz::metadata`] for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| valetkey_fuzz::metadata(data));
