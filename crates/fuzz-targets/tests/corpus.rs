//! Runs the fuzz targets without a fuzzer: with the committed corpus, and with random bytes.

use std::{fs, path::Path};

use hutong_fuzz_targets::{SplitMix64, TARGETS, ice, registry, relay, rtcp, rtp, turn_stream};

#[test]
fn the_committed_corpus_passes_all_targets() {
    for (name, target) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 5, "{} has a corpus", directory.display());
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

/// Records of the media targets: flags, length, bytes. With parts of genuine inputs, so that more than the first check of each
/// parser is reached.
#[test]
fn random_records_pass_the_targets_of_the_native_peer() {
    let parts: [&[u8]; 8] = [
        b"candidate:1 1 udp 2122260223 192.0.2.7 5000 typ host",
        b"1 1 udp 1 8ad55c71-0000-4000-8000-000000000001.local 5000 typ host",
        b"a=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\n",
        &[0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 3, 97, 58, 98, 0],
        &[1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        &[0, 1, 0, 0, 0, 1, 0x10, 0x10, 1, 2, 0x9D, 1, 0x2A, 128, 2, 224, 1],
        &[0, 2, 127, 255, 255, 255, 0x90, 0x80, 0x85, 6, 0x11, 3],
        &[0x8F, 205, 0, 5, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 1, 0x20, 10, 4, 4],
    ];
    for seed in 0..1_000 {
        println!("seed {seed}");
        let mut random = SplitMix64::new(seed);
        let mut input = Vec::new();
        for _ in 0..random.below(60) {
            let mut record = if random.once_in(3) {
                let length = random.below(60);
                random.bytes(length)
            } else {
                random.one_of(&parts).to_vec()
            };
            if random.once_in(2) && !record.is_empty() {
                let at = random.below(record.len());
                record[at] = random.bytes(1)[0];
            }
            input.extend([random.bytes(1)[0], u8::try_from(record.len()).unwrap()]);
            input.extend(record);
        }
        for target in [ice, rtcp, rtp, turn_stream] {
            target(&input);
        }
    }
}
