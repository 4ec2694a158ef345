use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            bytes.push(0xfe);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0xff);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close,
}

impl From<Received<'_>> for Got {
    fn from(received: Received<'_>) -> Self {
        match received {
            Received::Text(text) => Self::Text(text.into()),
            Received::Binary(bytes) => Self::Binary(bytes.into()),
            Received::Ping(bytes) => Self::Ping(bytes.into()),
            Received::Close => Self::Close,
        }
    }
}

/// What comes of bytes that arrive in these chunks, and the rule they broke at last.
fn decode<'a>(decoder: &mut Decoder, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Got>, Option<u16>) {
    let mut got = Vec::new();
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let used = decoder.decode(&mut chunk, |received| {
            got.push(received.into());
            true
        });
        match used {
            Ok(used) => assert_eq!(used, chunk.len()),
            Err(Broken(code)) => return (got, Some(code)),
        }
    }
    (got, None)
}

fn whole(bytes: &[u8], max_bytes: usize, max_fragments: usize) -> (Vec<Got>, Option<u16>) {
    decode(&mut Decoder::new(max_bytes, max_fragments), std::iter::once(bytes))
}

#[test]
fn stops_at_the_frame_that_breaks_a_rule() {
    let good = frame(0x81, b"good");
    let bad = [
        (frame(0x81, &[b'x'; 1001]), 1009),
        (frame(0xc1, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x8b, b"x"), 1002),
        (frame(0x80, b"x"), 1002),
        (frame(0x89, &[b'x'; 126]), 1002),
        (frame(0x09, b"x"), 1002),
        ([frame(0x01, b"x"), frame(0x81, b"x")].concat(), 1002),
        (vec![0x81, 0x01, b'x'], 1002),
        (vec![0x81, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        (frame(0x81, b"\xff"), 1007),
    ];
    for (bad, code) in bad {
        let bytes = [good.clone(), bad].concat();
        assert_eq!(whole(&bytes, 1000, 10), (vec![Got::Text("good".into())], Some(code)));
    }
}

#[test]
fn a_length_is_judged_before_a_byte_of_the_payload_arrives() {
    let mut decoder = Decoder::new(1000, 10);
    let head = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(decode(&mut decoder, std::iter::once(&head[..])), (vec![], Some(1009)));
    assert_eq!(decoder.payload.capacity(), 0);
}

#[test]
fn counts_fragments_and_their_sum() {
    let fragments = |count: usize, size: usize| {
        let mut bytes = frame(0x01, &vec![b'x'; size]);
        (1..count).for_each(|n| bytes.extend(frame(u8::from(n + 1 == count) << 7, &vec![b'x'; size])));
        bytes
    };
    let text = |length: usize| (vec![Got::Text("x".repeat(length))], None);
    assert_eq!(whole(&fragments(3, 300), 1000, 3), text(900));
    assert_eq!(whole(&fragments(4, 1), 1000, 3), (vec![], Some(1009)));
    assert_eq!(whole(&fragments(3, 334), 1000, 3), (vec![], Some(1009)));
    // The next message begins anew.
    assert_eq!(whole(&fragments(3, 300).repeat(2), 1000, 3).0.len(), 2);
}

#[test]
fn who_takes_may_stop_and_go_on_later() {
    let mut bytes = [frame(0x81, b"a"), frame(0x81, b"b"), frame(0x81, b"c")].concat();
    let mut decoder = Decoder::new(1000, 3);
    let mut got: Vec<Got> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let used = decoder.decode(&mut bytes[at..], |received| {
            got.push(received.into());
            false
        });
        assert_eq!(used, Ok(7));
        at += used.unwrap();
    }
    assert_eq!(got, ["a", "b", "c"].map(|text| Got::Text(text.into())));
}

#[test]
fn nothing_is_kept_when_everything_is_whole() {
    let mut decoder = Decoder::new(1_000_000, 3);
    let bytes = [frame(0x01, &vec![b'x'; 70_000]), frame(0x89, b"hey"), frame(0x80, b"y")].concat();
    let (got, broken) = decode(&mut decoder, bytes.chunks(1_000));
    assert_eq!((got.len(), broken), (2, None));
    assert_eq!((decoder.payload.capacity(), decoder.control.capacity()), (0, 0));
}

/// A message in fragments, with pings between them.
fn message() -> impl Strategy<Value = (Vec<u8>, Vec<Got>)> {
    let fragment = (proptest::collection::vec(b'a'..=b'z', 0..300), any::<bool>());
    (any::<bool>(), proptest::collection::vec(fragment, 1..5)).prop_map(|(is_text, fragments)| {
        let (mut wire, mut all, mut got) = (Vec::new(), Vec::new(), Vec::new());
        let last = fragments.len() - 1;
        for (n, (payload, pings)) in fragments.into_iter().enumerate() {
            let opcode = if n > 0 { 0 } else { 2 - u8::from(is_text) };
            wire.extend(frame(opcode | u8::from(n == last) << 7, &payload));
            all.extend(payload);
            if pings && n != last {
                wire.extend(frame(0x89, b"hey"));
                wire.extend(frame(0x8a, b""));
                got.push(Got::Ping(b"hey".to_vec()));
            }
        }
        got.push(if is_text { Got::Text(String::from_utf8(all).unwrap()) } else { Got::Binary(all) });
        (wire, got)
    })
}

proptest! {
    #[test]
    fn what_was_sent_arrives_however_it_is_cut(
        messages in proptest::collection::vec(message(), 1..5),
        size in 1..600_usize,
    ) {
        let (wire, mut sent): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let wire = [wire.concat(), frame(0x88, b"")].concat();
        sent.push(vec![Got::Close]);
        let got = decode(&mut Decoder::new(2_000, 5), wire.chunks(size));
        prop_assert_eq!(got, (sent.concat(), None));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_are_not_hoarded(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8),
    ) {
        let mut decoder = Decoder::new(100, 3);
        decode(&mut decoder, chunks.iter().map(Vec::as_slice));
        prop_assert!(decoder.payload.len() <= 100 && decoder.control.len() <= 125);
    }
}
