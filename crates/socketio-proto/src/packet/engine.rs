//! Engine.IO packets: what a transport carries.

use base64::Engine as _;
use bytes::Bytes;
use engineioxide_core::{Packet as Raw, ProtocolVersion, Str};
use serde::{Deserialize, Serialize};

use super::DecodeError;

/// Between two packets of one long-polling payload.
const SEPARATOR: char = '\u{1e}';

/// The handshake, the first packet a server sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The session's id, to be sent with every further request.
    pub sid: String,
    /// Transports the client may upgrade to.
    pub upgrades: Vec<String>,
    /// Milliseconds between two pings of the server.
    pub ping_interval: u64,
    /// Milliseconds the client has to answer.
    pub ping_timeout: u64,
    /// Largest payload in bytes the client may send.
    pub max_payload: u64,
}

/// One Engine.IO packet of either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnginePacket {
    /// `0{…}`: the handshake.
    Open(Open),
    /// `1`: the session ends.
    Close,
    /// `2`: the server asks whether the client is there.
    Ping,
    /// `3`: the client is.
    Pong,
    /// `2probe`: the client tries the websocket before it upgrades.
    PingProbe,
    /// `3probe`: the server's answer.
    PongProbe,
    /// `4…`: a text message.
    Message(String),
    /// A binary message: a binary frame on websocket, `b` and base64 in a polling payload.
    Binary(Bytes),
    /// `5`: from here on the websocket is used.
    Upgrade,
    /// `6`: nothing; answers a poll so that it ends.
    Noop,
}

impl EnginePacket {
    /// Reads one packet from a text frame or from one part of a polling payload.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        if let Some(json) = text.strip_prefix('0') {
            return serde_json::from_str(json).map(Self::Open).map_err(|_| DecodeError::Payload);
        }
        if let Some(message) = text.strip_prefix('4') {
            return Ok(Self::Message(message.into()));
        }
        let raw =
            Raw::parse(ProtocolVersion::V4, Str::copy_from_slice(text)).map_err(|error| match error {
                engineioxide_core::PacketParseError::InvalidPacketType(_) => DecodeError::Type,
                _ => DecodeError::Content,
            })?;
        // The parser looks at the first character only; the fixed packets are exactly one long.
        let exact = text.len() == 1;
        Ok(match raw {
            Raw::Close if exact => Self::Close,
            Raw::Ping if exact => Self::Ping,
            Raw::Pong if exact => Self::Pong,
            Raw::Upgrade if exact => Self::Upgrade,
            Raw::Noop if exact => Self::Noop,
            Raw::PingUpgrade => Self::PingProbe,
            Raw::PongUpgrade => Self::PongProbe,
            Raw::Binary(bytes) => Self::Binary(bytes),
            _ => return Err(DecodeError::Content),
        })
    }

    /// The packet as text; binary as `b` and base64, as in a polling payload.
    pub fn encode(&self) -> String {
        match self {
            Self::Open(open) => {
                format!("0{}", serde_json::to_string(open).unwrap_or_default())
            }
            Self::Close => "1".into(),
            Self::Ping => "2".into(),
            Self::Pong => "3".into(),
            Self::PingProbe => "2probe".into(),
            Self::PongProbe => "3probe".into(),
            Self::Message(text) => format!("4{text}"),
            Self::Binary(bytes) => {
                format!("b{}", base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            Self::Upgrade => "5".into(),
            Self::Noop => "6".into(),
        }
    }
}

/// The packets of one long-polling payload, read one at a time: a megabyte of separators must not
/// become a list of half a million packets.
pub fn payload(body: &str) -> impl Iterator<Item = Result<EnginePacket, DecodeError>> + '_ {
    body.split(SEPARATOR).map(EnginePacket::decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open() -> Open {
        Open {
            sid: "abc".into(),
            upgrades: vec!["websocket".into()],
            ping_interval: 25_000,
            ping_timeout: 20_000,
            max_payload: 1_000_000,
        }
    }

    #[test]
    fn the_handshake_has_the_fields_of_the_protocol_in_their_order() {
        assert_eq!(
            EnginePacket::Open(open()).encode(),
            r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
    }

    #[test]
    fn refuses_what_is_no_packet() {
        for text in ["", "7", "x", "é", "11", "2prob", "3probes", "55", "6 ", "b*", "0{}", "0"] {
            assert!(EnginePacket::decode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_a_payload_of_several_packets() {
        let packets: Vec<_> = payload("4a\u{1e}bAQID\u{1e}3").map(Result::unwrap).collect();
        assert_eq!(
            packets,
            [
                EnginePacket::Message("a".into()),
                EnginePacket::Binary(Bytes::from_static(&[1, 2, 3])),
                EnginePacket::Pong
            ]
        );
    }

    fn packets() -> impl Strategy<Value = EnginePacket> {
        prop_oneof![
            Just(EnginePacket::Open(open())),
            Just(EnginePacket::Close),
            Just(EnginePacket::Ping),
            Just(EnginePacket::Pong),
            Just(EnginePacket::PingProbe),
            Just(EnginePacket::PongProbe),
            Just(EnginePacket::Upgrade),
            Just(EnginePacket::Noop),
            ".*".prop_map(EnginePacket::Message),
            proptest::collection::vec(any::<u8>(), 0..64)
                .prop_map(|bytes| EnginePacket::Binary(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(packet in packets()) {
            prop_assert_eq!(EnginePacket::decode(&packet.encode()), Ok(packet));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[0-6b]?.{0,64}") {
            let _ = EnginePacket::decode(&text);
            let _ = payload(&text).count();
        }
    }
}
