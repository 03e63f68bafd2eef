use super::*;

/// The first packet of a frame has a descriptor of `0x10`, the others of `0`.
fn packet(start: bool, data: &[u8]) -> Bytes {
    let mut packet = vec![if start { 0x10 } else { 0 }];
    packet.extend_from_slice(data);
    packet.into()
}

fn key() -> Bytes {
    packet(true, &[0x10, 1, 2])
}

fn delta() -> Bytes {
    packet(true, &[0x11, 3])
}

fn frames(assembler: &mut Assembler, now: Instant) -> Vec<(u64, bool, usize)> {
    let mut frames = Vec::new();
    while let Next::Frame(frame, _) = assembler.next(now) {
        frames.push((frame.timestamp, frame.keyframe, frame.data.len()));
    }
    frames
}

#[test]
fn puts_a_frame_together_in_any_order_across_the_wrap() {
    let mut assembler = Assembler::default();
    let now = Instant::now();
    assembler.push(65_534, 0, false, &key());
    assembler.push(0, 0, true, &packet(false, &[9]));
    assert_eq!(frames(&mut assembler, now), []);
    assembler.push(65_535, 0, false, &packet(false, &[7, 8]));
    assembler.push(1, 900, true, &delta());
    let frames = frames(&mut assembler, now);
    let [first, second] = frames[..] else { panic!("{frames:?}") };
    assert_eq!((first.1, first.2), (true, 6));
    assert_eq!((second.1, second.2), (false, 2));
    assert_eq!(second.0 - first.0, 10_000, "900 ticks are 10 ms");
}

#[test]
fn starts_with_a_keyframe() {
    let mut assembler = Assembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &delta());
    assert!(assembler.needs_keyframe());
    assembler.push(2, 900, true, &key());
    assert_eq!(frames(&mut assembler, now).len(), 1);
    assert!(!assembler.needs_keyframe());
}

#[test]
fn waits_for_what_is_missing_then_goes_on_with_a_keyframe() {
    let mut assembler = Assembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &key());
    assert_eq!(frames(&mut assembler, now).len(), 1);
    assembler.push(3, 1800, true, &delta());
    assert_eq!(assembler.next(now), Next::Wait(Some(now + PATIENCE)));
    let later = now + PATIENCE;
    assert_eq!(assembler.next(later), Next::Lost);
    assembler.push(4, 2700, true, &delta());
    assert_eq!(frames(&mut assembler, later), []);
    assembler.push(5, 3600, true, &key());
    assert_eq!(frames(&mut assembler, later).len(), 1);
}

#[test]
fn a_repaired_loss_loses_nothing() {
    let mut assembler = Assembler::default();
    let now = Instant::now();
    for (number, payload) in [(1, key()), (3, delta()), (2, delta()), (2, delta()), (1, key())] {
        assembler.push(number, u32::from(number) * 900, true, &payload);
    }
    assert_eq!(frames(&mut assembler, now).len(), 3);
}

#[test]
fn padding_between_frames_is_passed_over() {
    let mut assembler = Assembler::default();
    let now = Instant::now();
    assembler.push(1, 0, true, &key());
    assembler.push(2, 0, false, &Bytes::new());
    assembler.push(3, 900, true, &delta());
    assert_eq!(frames(&mut assembler, now).len(), 2);
}

#[test]
fn takes_off_every_kind_of_descriptor() {
    let bodies: [&[u8]; 5] = [
        &[0x90, 0x80, 0x05, 0x10],
        &[0x90, 0x80, 0x85, 0x06, 0x10],
        &[0x90, 0xC0, 0x05, 0x07, 0x10],
        &[0x90, 0xE0, 0x85, 0x06, 0x07, 0x20, 0x10],
        &[0x10, 0x10],
    ];
    for body in bodies {
        let part = part(0, true, &Bytes::copy_from_slice(body));
        assert!(part.is_some_and(|part| part.starts_keyframe() && part.data.len() == 1), "{body:?}");
    }
}

#[test]
fn what_is_cut_off_is_no_part() {
    let bodies: [&[u8]; 4] = [&[0x10], &[0x90], &[0x90, 0x80], &[0x90, 0xF0, 0x85, 0x06]];
    for body in bodies {
        assert!(part(0, true, &Bytes::copy_from_slice(body)).is_none(), "{body:?}");
    }
}

#[test]
fn what_waits_is_bounded() {
    let mut assembler = Assembler::default();
    for number in 0..10_000_u16 {
        assembler.push(number, 0, false, &delta());
    }
    assert!(assembler.parts.len() <= LIMIT);
}
