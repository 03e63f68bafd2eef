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

/// A record of the targets of the native peer.
fn record(flags: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flags, u8::try_from(bytes.len()).unwrap_or(u8::MAX)], bytes].concat()
}

/// An RTP packet of the `rtp` target: VP8 with a one-byte descriptor.
fn rtp_packet(flags: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    record(flags, &[&sequence.to_be_bytes()[..], &timestamp.to_be_bytes(), payload].concat())
}

/// Inputs of a target, with their names.
type Inputs = Vec<(&'static str, Vec<u8>)>;

/// A STUN message.
fn stun(kind: u16, attributes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(attributes.len()).unwrap_or(u16::MAX);
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), &[0x21, 0x12, 0xA4, 0x42], &[7; 12], attributes].concat()
}

/// A connectivity check without integrity.
fn check() -> Vec<u8> {
    stun(0x0001, &[0, 6, 0, 3, b'a', b':', b'b', 0])
}

/// `ChannelData` with a check.
fn channel_data() -> Vec<u8> {
    let check = check();
    [&[0x40, 1, 0, u8::try_from(check.len()).unwrap_or(0)][..], &check].concat()
}

fn ice_scenarios() -> Inputs {
    let check = check();
    let peer = [0, 0x12, 0, 8, 0, 1, 0x32, 0x9A, 0xE1, 0x12, 0xA6, 0x45];
    let data = [&[0, 0x13, 0, u8::try_from(check.len()).unwrap_or(0)][..], &check].concat();
    let relayed = [&peer[..], &data].concat();
    let bind = [&[0, 0x0C, 0, 4, 0x40, 1, 0, 0][..], &peer].concat();
    let description = b"a=ice-ufrag:a\r\na=ice-pwd:b\r\na=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\n";
    vec![
        ("candidate", record(1, b"candidate:1 1 udp 1 192.0.2.7 5000 typ host generation 0")),
        ("name", record(1, b"1 1 udp 1 8ad55c71-0000-4000-8000-000000000001.local 5000 typ host")),
        ("related", record(1, b"1 1 udp 1 192.0.2.7 5000 typ srflx raddr 10.0.0.1 rport 9")),
        ("description", record(0, description)),
        ("request", [record(2, &check), record(3, &check)].concat()),
        ("answer", [record(2, &check), record(3, &stun(0x0101, &[])), record(2, &check)].concat()),
        ("relayed", [record(2, &stun(0x0016, &relayed)), record(3, &stun(0x0017, &relayed))].concat()),
        ("channel", [record(2, &stun(0x0009, &bind)), record(2, &channel_data()), record(3, &channel_data())].concat()),
    ]
}

fn rtcp_scenarios() -> Inputs {
    let feedback = |chunks: [u8; 4]| {
        let head = [0x8F, 205, 0, 5, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 1];
        record(1, &[&head[..], &chunks].concat())
    };
    vec![
        ("feedback", feedback([0x20, 10, 4, 4])),
        ("run-length", feedback([0x3F, 255, 0x3F, 255])),
        ("sender-report", record(1, &[&[0x80, 200, 0, 6, 0, 0, 0, 3][..], &[255; 20]].concat())),
        ("receiver-report", record(1, &[&[0x81, 201, 0, 7, 0, 0, 0, 3, 0, 0, 0, 1][..], &[9; 20]].concat())),
        ("pli", record(1, &[0x81, 206, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1])),
        ("fir", record(1, &[0x84, 206, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0])),
        ("nack", record(1, &[0x81, 205, 0, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 7, 255, 255])),
    ]
}

fn rtp_scenarios() -> Inputs {
    let keyframe = |sequence: u16| {
        rtp_packet(1, sequence, 900 * u32::from(sequence), &[0x10, 0x10, 1, 2, 0x9D, 1, 0x2A, 128, 2, 224, 1])
    };
    let delta_at = |flags, sequence: u16, timestamp| rtp_packet(flags, sequence, timestamp, &[0x10, 0x11, 3]);
    let delta = |sequence: u16| delta_at(1, sequence, 900 * u32::from(sequence));
    vec![
        ("frames", [keyframe(1), delta(2), delta(3)].concat()),
        ("lost", [keyframe(1), delta(3), delta_at(0x61, 4, 3_600), keyframe(5)].concat()),
        ("reordered", [delta(2), keyframe(1), delta(3)].concat()),
        ("jumps", [keyframe(1), delta_at(1, 2, 0x7FFF_FFFF), delta_at(1, 3, 0xFFFF_FFFE)].concat()),
        ("huge", rtp_packet(1, 1, 0, &[0x10, 0x10, 1, 2, 0x9D, 1, 0x2A, 255, 63, 255, 63])),
        ("descriptor", rtp_packet(1, 1, 0, &[0x90, 0xE0, 0x85, 6, 7, 0x20, 0x10])),
    ]
}

fn turn_stream_scenarios() -> Inputs {
    vec![
        ("stun", check()),
        ("channel", [&channel_data()[..], &[0x40, 1, 0, 3, 1, 2, 3, 0]].concat()),
        ("long", vec![0x40, 1, 0xFF, 0xFF, 0]),
        ("cut", check()[..10].to_vec()),
        ("tls", vec![0x16, 3, 1, 2, 0, 1]),
        ("odd", vec![0, 1, 0, 3, 1, 2, 3]),
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
    for (target, inputs) in [
        ("ice", ice_scenarios()),
        ("rtcp", rtcp_scenarios()),
        ("rtp", rtp_scenarios()),
        ("turn_stream", turn_stream_scenarios()),
    ] {
        for (name, bytes) in inputs {
            write(target, name, &bytes)?;
        }
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
