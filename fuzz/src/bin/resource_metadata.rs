//! [`valetkey_fuzz::resource_metadata`] for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| valetkey_fuzz::resource_metadata(data));
