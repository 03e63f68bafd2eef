//! What is fuzzed, without a fuzzer: with the committed corpus, and with random bytes.

use std::{fs, path::Path};

use hutong_sim::{Chance, fuzz};

#[test]
fn the_corpus_breaks_nothing() {
    for (name, target) in fuzz::TARGETS {
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
fn random_steps_break_nothing_in_the_registry() {
    for seed in 0..2_000 {
        println!("seed {seed}");
        let mut chance = Chance::new(seed);
        let length = 3 * (1 + chance.below(250));
        fuzz::registry(&chance.bytes(length));
    }
}
