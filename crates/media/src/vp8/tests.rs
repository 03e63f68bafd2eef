use super::*;

/// A payload whose descriptor is `0x10` for the first packet of a frame, else `0`.
fn payload(is_start: bool, data: &[u8]) -> Bytes {
    let mut payload = vec![if is_start { 0x10 } else { 0 }];
    payload.extend_from_slice(data);
    payload.into()
}

fn keyframe() -> Bytes {
    keyframe_of(640, 480)
}

/// A keyframe's header only (RFC 6386, section 9.1).
fn keyframe_of(width: u16, height: u16) -> Bytes {
    let ([w0, w1], [h0, h1]) = (width.to_le_bytes(), height.to_le_bytes());
    payload(true, &[0x10, 1, 2, 0x9D, 0x01, 0x2A, w0, w1, h0, h1])
}

fn delta() -> Bytes {
    payload(true, &[0x11, 3])
}

fn frames(assembler: &mut FrameAssembler, now: Instant) -> Vec<(u64, bool, usize)> {
    let mut frames = Vec::new();
    while let AssemblyStep::Frame(frame, _) = assembler.next(now) {
        frames.push((frame.timestamp, frame.keyframe, frame.data.len()));
    }
    frames
}

#[test]
fn frames_are_assembled_from_reordered_packets_across_the_wrap() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(65_534, 0, false, &keyframe());
    assembler.push(0, 0, true, &payload(false, &[9]));
    assert_eq!(frames(&mut assembler, now), []);
    assembler.push(65_535, 0, false, &payload(false, &[7, 8]));
    assembler.push(1, 900, true, &delta());
    let frames = frames(&mut assembler, now);
    let [first, second] = frames[..] else { panic!("{frames:?}") };
    assert_eq!((first.1, first.2), (true, 13));
    assert_eq!((second.1, second.2), (false, 2));
    assert_eq!(second.0 - first.0, 10_000, "900 ticks are 10 ms");
}

#[test]
fn delta_frames_before_the_first_keyframe_are_ignored() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &delta());
    assert!(assembler.needs_keyframe());
    assembler.push(2, 900, true, &keyframe());
    assert_eq!(frames(&mut assembler, now).len(), 1);
    assert!(!assembler.needs_keyframe());
}

#[test]
fn a_second_packet_with_the_same_number_replaces_nothing() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(1, 0, false, &keyframe());
    assert_eq!(frames(&mut assembler, now), []);
    assembler.push(1, 0, true, &delta());
    assembler.push(2, 0, true, &payload(false, &[9]));
    let frames = frames(&mut assembler, now);
    assert!(matches!(frames[..], [(_, true, 11)]), "{frames:?}");
}

#[test]
fn a_late_packet_of_an_earlier_frame_is_no_part_of_a_keyframe_that_was_found() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(10, 900, false, &keyframe());
    assert_eq!(frames(&mut assembler, now), []);
    assembler.push(9, 0, true, &payload(false, &[0x11, 5, 5]));
    assembler.push(11, 900, true, &payload(false, &[9]));
    let frames = frames(&mut assembler, now);
    assert!(matches!(frames[..], [(_, true, 11)]), "{frames:?}");
}

#[test]
fn a_packet_in_place_of_padding_that_was_skipped_is_no_part_of_the_next_frame() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &keyframe());
    assembler.push(2, 0, false, &Bytes::new());
    assembler.push(3, 900, false, &delta());
    assert_eq!(frames(&mut assembler, now).len(), 1);
    assembler.push(2, 0, false, &payload(false, &[0x11, 5, 5]));
    assembler.push(4, 900, true, &payload(false, &[9]));
    let frames = frames(&mut assembler, now);
    assert!(matches!(frames[..], [(_, false, 3)]), "{frames:?}");
}

#[test]
fn after_a_loss_timeout_output_continues_with_a_keyframe() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &keyframe());
    assert_eq!(frames(&mut assembler, now).len(), 1);
    assembler.push(3, 1800, true, &delta());
    assert_eq!(assembler.next(now), AssemblyStep::Wait(Some(now + LOSS_TIMEOUT)));
    let later = now + LOSS_TIMEOUT;
    assert_eq!(assembler.next(later), AssemblyStep::Lost);
    assembler.push(4, 2700, true, &delta());
    assert_eq!(frames(&mut assembler, later), []);
    assembler.push(5, 3600, true, &keyframe());
    assert_eq!(frames(&mut assembler, later).len(), 1);
}

#[test]
fn a_retransmitted_packet_repairs_the_loss() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    for (number, payload) in [(1, keyframe()), (3, delta()), (2, delta()), (2, delta()), (1, keyframe())] {
        assembler.push(number, u32::from(number) * 900, true, &payload);
    }
    assert_eq!(frames(&mut assembler, now).len(), 3);
}

#[test]
fn padding_between_frames_is_skipped() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &keyframe());
    assembler.push(2, 0, false, &Bytes::new());
    assembler.push(3, 900, true, &delta());
    assert_eq!(frames(&mut assembler, now).len(), 2);
}

#[test]
fn every_form_of_payload_descriptor_is_removed() {
    let bodies: [&[u8]; 5] = [
        &[0x90, 0x80, 0x05, 0x10],
        &[0x90, 0x80, 0x85, 0x06, 0x10],
        &[0x90, 0xC0, 0x05, 0x07, 0x10],
        &[0x90, 0xE0, 0x85, 0x06, 0x07, 0x20, 0x10],
        &[0x10, 0x10],
    ];
    for body in bodies {
        let packet = parse(0, true, &Bytes::copy_from_slice(body));
        assert!(packet.is_some_and(|packet| packet.starts_keyframe() && packet.data.len() == 1), "{body:?}");
    }
}

#[test]
fn truncated_payloads_are_rejected() {
    let bodies: [&[u8]; 4] = [&[0x10], &[0x90], &[0x90, 0x80], &[0x90, 0xF0, 0x85, 0x06]];
    for body in bodies {
        assert!(parse(0, true, &Bytes::copy_from_slice(body)).is_none(), "{body:?}");
    }
}

#[test]
fn the_number_of_held_packets_is_bounded() {
    let mut assembler = FrameAssembler::default();
    for number in 0..10_000_u16 {
        assembler.push(number, 0, false, &delta());
    }
    assert!(assembler.packets.len() <= MAX_PACKETS);
}

#[test]
fn keyframes_with_a_picture_beyond_the_limits_count_as_lost() {
    let now = Instant::now();
    for (width, height, expected) in [
        (1, 1, true),
        (5_120, 2_880, true),
        (2_048, 8_192, true),
        (8_192, 2_048, true),
        (8_193, 1, false),
        (1, 8_193, false),
        (4_096, 4_097, false),
        (16_383, 16_383, false),
        (0, 480, false),
        (640, 0, false),
        // The scaling factor does not count.
        (640 | 3 << 14, 480 | 3 << 14, true),
    ] {
        let mut assembler = FrameAssembler::default();
        assembler.push(1, 0, true, &keyframe_of(width, height));
        assembler.push(2, 900, true, &delta());
        assert_eq!(frames(&mut assembler, now).len(), if expected { 2 } else { 0 }, "{width} {height}");
        assert_eq!(assembler.needs_keyframe(), !expected, "{width} {height}");
    }
}

#[test]
fn keyframes_without_a_complete_header_count_as_lost() {
    let now = Instant::now();
    for header in [&[0x10][..], &[0x10, 1, 2, 0x9D, 0x01, 0x2A, 128, 2, 224], &[0x10, 1, 2, 0, 0, 0, 128, 2, 224, 1]] {
        let mut assembler = FrameAssembler::default();
        assembler.push(1, 0, true, &payload(true, header));
        assert_eq!(assembler.next(now), AssemblyStep::Lost);
        assert!(assembler.needs_keyframe());
    }
}

#[test]
fn packets_larger_than_the_network_carries_are_ignored() {
    let mut assembler = FrameAssembler::default();
    assembler.push(1, 0, true, &payload(true, &[0; MAX_PAYLOAD]));
    assert!(assembler.packets.is_empty());
}

/// Half the range of timestamps with each frame.
#[test]
fn overflowing_timestamps_neither_panic_nor_stop_the_output() {
    let mut assembler = FrameAssembler::default();
    let now = Instant::now();
    let mut timestamp = 0_u32;
    for number in 0..20_000_u16 {
        timestamp = timestamp.wrapping_add(i32::MAX.unsigned_abs());
        assembler.push(number, timestamp, true, &keyframe());
        assert!(frames(&mut assembler, now).iter().all(|(micros, ..)| *micros < 1 << 53));
        assert!(!assembler.needs_keyframe());
    }
}
