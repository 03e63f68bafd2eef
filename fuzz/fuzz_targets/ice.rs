#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hutong_fuzz_targets::ice(bytes));
