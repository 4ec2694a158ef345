//! Whatever a client sends is a packet or an error, never a panic; and a packet encodes to what decodes to it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use socketio_proto::packet::{Decoder, EnginePacket, payload};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        for packet in payload(text).flatten() {
            let again = EnginePacket::decode(&packet.encode()).expect("what was encoded is a packet");
            assert_eq!(again, packet);
        }
    }
    // The first part is a text message, the others are its attachments.
    let mut decoder = Decoder::new(10, 100_000).with_max_values(10_000);
    let mut parts = data.split(|byte| *byte == 0xFF);
    let Some(Ok(text)) = parts.next().map(std::str::from_utf8) else { return };
    let mut decoded = decoder.text(text);
    for part in parts {
        if !matches!(decoded, Ok(None)) {
            break;
        }
        decoded = decoder.binary(Bytes::copy_from_slice(part));
    }
    let Ok(Some(packet)) = decoded else { return };
    let Ok(encoded) = packet.encode() else { return };
    let mut decoder = Decoder::new(10, 1_000_000).with_max_values(10_000);
    let mut again = decoder.text(&encoded.text).expect("what was encoded is a packet");
    for attachment in encoded.attachments {
        again = decoder.binary(attachment).expect("what was encoded is a packet");
    }
    assert_eq!(again, Some(packet));
});
