//! [`valetkey_fuzz::sasl`] for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| valetkey_fuzz::sasl(data));
