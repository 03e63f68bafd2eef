//! Writes the seeds of `fuzz/corpus`: `cargo run -p hutong-fuzz-targets --example corpus`. Inputs that the fuzzer found
//! are committed there too.

use std::{fs, io, path::Path};

use hutong_fuzz_targets::{
    RegistryOp::{self, *},
    RelayOp,
};

/// Steps of the registry target: operation, connection, argument.
type Scenario = &'static [(RegistryOp, u8, u8)];

const SCENARIOS: [(&str, Scenario); 14] = [
    (
        "call",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (Offering, 0, 0),
            (Accept, 1, 0),
            (Confirm, 1, 0),
            (Calling, 0, 0),
            (Candidate, 0, 0),
            (Description, 1, 0),
            (Cancel, 0, 128),
            (Released, 0, 0),
            (Released, 1, 0),
            (PassTime, 0, 60),
        ],
    ),
    (
        "declined",
        &[(LogIn, 0, 0), (LogIn, 0, 1), (Offering, 0, 0), (Cancel, 1, 0), (Released, 0, 0), (PassTime, 0, 60)],
    ),
    ("unanswered", &[(LogIn, 0, 0), (LogIn, 0, 1), (Offering, 0, 0), (PassTime, 0, 220), (PassTime, 0, 60)]),
    ("too-slow-to-confirm", &[(LogIn, 0, 0), (LogIn, 0, 1), (Offering, 0, 0), (Accept, 1, 0), (PassTime, 0, 200)]),
    ("crossing", &[(LogIn, 0, 0), (LogIn, 0, 1), (Offering, 0, 0), (Offering, 1, 1), (Confirm, 1, 0), (Calling, 0, 0)]),
    (
        "third",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (LogIn, 0, 3),
            (Offering, 0, 1),
            (Offering, 2, 1),
            (Offering, 2, 2),
            (Confirm, 2, 0),
        ],
    ),
    ("gone-before-confirm", &[(LogIn, 0, 0), (LogIn, 0, 1), (Offering, 0, 0), (Disconnect, 1, 0), (PassTime, 0, 60)]),
    (
        "claimed",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (Offering, 0, 0),
            (Confirm, 1, 0),
            (Calling, 0, 0),
            (Disconnect, 0, 0),
            (PassTime, 0, 60),
            (Resume, 0, 3),
            (Claim, 1, 1),
            (Claim, 1, 2),
            (PassTime, 0, 7),
        ],
    ),
    (
        "both-claim",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (Offering, 0, 0),
            (Confirm, 1, 0),
            (Calling, 0, 0),
            (Disconnect, 0, 0),
            (Disconnect, 0, 0),
            (Resume, 0, 3),
            (Resume, 0, 19),
            (Claim, 0, 2),
            (Claim, 1, 2),
            (PassTime, 0, 7),
        ],
    ),
    (
        "nobody-claims",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (Offering, 0, 0),
            (Confirm, 1, 0),
            (Calling, 0, 0),
            (Disconnect, 0, 0),
            (PassTime, 0, 180),
            (Released, 0, 0),
            (PassTime, 0, 60),
        ],
    ),
    (
        "restart",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (Offering, 0, 0),
            (Confirm, 1, 0),
            (Calling, 0, 0),
            (Restart, 0, 0),
            (Resume, 0, 3),
            (Resume, 0, 19),
            (Claim, 0, 2),
            (Claim, 1, 2),
            (PassTime, 0, 200),
        ],
    ),
    ("replaced", &[(LogIn, 0, 0), (Resume, 0, 0), (Resume, 0, 0), (LogOut, 0, 0), (Hello, 0, 0), (PassTime, 0, 200)]),
    (
        "full",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (LogIn, 0, 2),
            (LogIn, 0, 3),
            (LogIn, 0, 4),
            (LogIn, 0, 5),
            (LogIn, 0, 6),
            (LogIn, 0, 7),
            (LogIn, 0, 8),
        ],
    ),
    (
        "log-out-in-call",
        &[
            (LogIn, 0, 0),
            (LogIn, 0, 1),
            (Offering, 0, 0),
            (Confirm, 1, 0),
            (Calling, 0, 0),
            (LogOut, 0, 0),
            (Released, 1, 0),
            (Hello, 0, 0),
            (PassTime, 0, 60),
        ],
    ),
];

const NAMES: [&str; 14] = [
    "Ana",
    "小明",
    "  Ana  Maria ",
    "ＡＮＡ",
    "ﬁ",
    "e\u{301}",
    "\u{202e}anA",
    "a\u{200b}b",
    "",
    " ",
    "👍🏽",
    "❤\u{fe0f}",
    "İ",
    "ﷺﷺﷺﷺ",
];

/// XOR-PEER-ADDRESS of port 50000 of the server, in the relay target's form.
const PEER: [u8; 11] = [0x00, 0x12, 8, 0, 1, 0xC3 ^ 0x21, 0x50 ^ 0x12, 203 ^ 0x21, 0x12, 113 ^ 0xA4, 1 ^ 0x42];
/// REQUESTED-TRANSPORT with UDP.
const UDP: [u8; 7] = [0x00, 0x19, 4, 17, 0, 0, 0];
/// CHANNEL-NUMBER 0x4001.
const CHANNEL: [u8; 7] = [0x00, 0x0C, 4, 0x40, 1, 0, 0];

/// A step of the relay target.
fn relay_step(operation: RelayOp, client: u8, argument: &[u8]) -> Vec<u8> {
    let length = u8::try_from(argument.len()).unwrap_or(u8::MAX);
    [&[operation as u8, client, length], argument].concat()
}

/// Inputs of the relay target: after two allocations, one step of each kind.
fn relay_scenarios() -> Vec<(&'static str, Vec<u8>)> {
    use RelayOp::{Channel, Indication, PassTime, Raw, Signed, Stream, Unsigned};
    let allocate = [&[3], &UDP[..]].concat();
    let permit = [&[8], &PEER[..]].concat();
    let bind = [&[9], &CHANNEL[..], &PEER].concat();
    let send = [&[6], &PEER[..], &[0x00, 0x13, 3, 1, 2, 3]].concat();
    let both = |step: &[u8]| [relay_step(Signed, 0, step), relay_step(Signed, 3, step)].concat();
    let begin = [both(&allocate), both(&permit), both(&bind)].concat();
    let after = |step: Vec<u8>| [begin.clone(), step].concat();
    let all_allocate = (0..4).flat_map(|client| relay_step(Signed, client, &allocate)).collect();
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    vec![
        ("begin", begin.clone()),
        ("send", after(relay_step(Indication, 0, &send))),
        ("channel", after(relay_step(Channel, 0, &[0, 1, 1, 2, 3]))),
        ("refresh", after(relay_step(Signed, 0, &[4, 0x00, 0x0D, 4, 0, 0, 2, 88]))),
        ("delete", after(relay_step(Signed, 0, &[4, 0x00, 0x0D, 4, 0, 0, 0, 0]))),
        ("expired", after([relay_step(PassTime, 61, &[]), relay_step(Indication, 0, &send)].concat())),
        ("quotas", all_allocate),
        ("ipv6", relay_step(Signed, 0, &[&allocate[..], &[0x00, 0x17, 4, 2, 0, 0, 0]].concat())),
        ("even-port", relay_step(Signed, 0, &[&allocate[..], &[0x00, 0x18, 1, 0x80]].concat())),
        ("unknown-attribute", relay_step(Signed, 0, &[&allocate[..], &[0x00, 0x1A, 0]].concat())),
        ("unsigned", relay_step(Unsigned, 0, &allocate)),
        ("binding", relay_step(Raw, 0, &stun)),
        ("stream", after(relay_step(Stream, 3, &[&stun[..], &[0x40, 1, 0, 3, 1, 2, 3, 0]].concat()))),
        ("garbage", relay_step(Raw, 0, b"GET / HTTP/1.1")),
    ]
}

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let directory = root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), bytes)
    };
    for (name, scenario) in SCENARIOS {
        let bytes: Vec<u8> =
            scenario.iter().flat_map(|(op, connection, argument)| [*op as u8, *connection, *argument]).collect();
        write("registry", name, &bytes)?;
    }
    for (name, bytes) in relay_scenarios() {
        write("relay", name, &bytes)?;
    }
    for (number, name) in NAMES.iter().enumerate() {
        write("names", &format!("name-{number:02}"), name.as_bytes())?;
    }
    // The examples in the documentation cover all messages.
    let protocol = fs::read_to_string(root.join("docs/PROTOCOL.md"))?;
    let examples = protocol.lines().filter(|line| line.starts_with("{\"type\":"));
    for (number, example) in examples.enumerate() {
        write("decode", &format!("example-{number:02}"), example.as_bytes())?;
    }
    for (name, text) in [
        ("not-json", "hello"),
        ("unknown", r#"{"type":"dance"}"#),
        ("number", r#"{"type":"offering","to":1e99,"media":"video"}"#),
    ] {
        write("decode", name, text.as_bytes())?;
    }
    Ok(())
}
