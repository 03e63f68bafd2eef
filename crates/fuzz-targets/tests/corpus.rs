//! Runs the fuzz targets without a fuzzer: with the committed corpus, and with random bytes.

use std::{fs, path::Path};

use hutong_fuzz_targets::{SplitMix64, TARGETS, registry, relay};

#[test]
fn the_committed_corpus_passes_all_targets() {
    for (name, target) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 10, "{} has a corpus", directory.display());
        for file in files {
            println!("{}", file.display());
            target(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn random_bytes_pass_the_registry_target() {
    for seed in 0..2_000 {
        println!("seed {seed}");
        let mut random = SplitMix64::new(seed);
        let length = 3 * (1 + random.below(250));
        registry(&random.bytes(length));
    }
}

#[test]
fn random_bytes_pass_the_relay_target() {
    for seed in 0..2_000 {
        println!("seed {seed}");
        let mut random = SplitMix64::new(seed);
        let length = 1 + random.below(600);
        relay(&random.bytes(length));
    }
}
