#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hutong_sim::fuzz::decode(bytes));
