//! Socket.IO packets: what a message of Engine.IO carries.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::SerializeSeq};
use serde_json::{Map, Value};
use socketioxide_core::{
    Str, Value as RawValue,
    packet::{Packet as Raw, PacketData},
    parser::{Parse, ParseConfig, ParseError, ParserState},
};
use socketioxide_parser_common::CommonParser;

use super::{Args, DecodeError, EncodeError, MAX_ACK_ID, check};

/// One Socket.IO packet of either side.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// From a client: join a namespace, with its `auth`. From a server: joined, with `sid`.
    Connect {
        /// The namespace, starting with `/`.
        namespace: String,
        /// The `auth` of the client or `{"sid": …}` of the server.
        payload: Option<Map<String, Value>>,
    },
    /// From a server: the namespace was not joined.
    ConnectError {
        /// The namespace, starting with `/`.
        namespace: String,
        /// Why.
        message: String,
        /// More about it, as the application likes.
        data: Option<Value>,
    },
    /// Either side leaves the namespace.
    Disconnect {
        /// The namespace, starting with `/`.
        namespace: String,
    },
    /// An event, with binary attachments or without.
    Event {
        /// The namespace, starting with `/`.
        namespace: String,
        /// Set when the sender wants an acknowledgement.
        ack: Option<u64>,
        /// The event's name.
        name: String,
        /// Its arguments; `{"_placeholder": true, "num": n}` stands for attachment `n`.
        args: Vec<Value>,
        /// Its binary attachments.
        attachments: Vec<Bytes>,
    },
    /// The acknowledgement of an event.
    Ack {
        /// The namespace, starting with `/`.
        namespace: String,
        /// The id the event came with.
        ack: u64,
        /// The arguments; placeholders as in an event.
        args: Vec<Value>,
        /// Binary attachments.
        attachments: Vec<Bytes>,
    },
}

/// A packet ready for Engine.IO: one text message, then every attachment as a binary message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The text message (without the Engine.IO packet type).
    pub text: String,
    /// The binary messages that must follow it directly.
    pub attachments: Vec<Bytes>,
}

impl Encoded {
    /// An acknowledgement of the event `id`. A tuple becomes several arguments; [`Bytes`] anywhere in
    /// the payload become attachments.
    pub fn ack<T: Serialize + ?Sized>(namespace: &str, id: u64, payload: &T) -> Result<Self, EncodeError> {
        let value = CommonParser.encode_value(payload, None);
        Self::ack_value(namespace, id, value.map_err(|error| EncodeError::Payload(error.into()))?)
    }

    /// An acknowledgement of the event `id` with these arguments.
    pub fn ack_args(namespace: &str, id: u64, args: &Args) -> Result<Self, EncodeError> {
        let attachments = args.attachments().iter().cloned().collect();
        Self::ack_value(namespace, id, raw_value(json(&args.values())?, attachments))
    }

    fn ack_value(namespace: &str, id: u64, value: RawValue) -> Result<Self, EncodeError> {
        check::namespace(namespace)?;
        Ok(encode_raw(Raw::ack(namespace.to_owned(), value, wire_ack(id)?)))
    }
}

impl Packet {
    /// The namespace the packet belongs to.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Connect { namespace, .. }
            | Self::ConnectError { namespace, .. }
            | Self::Disconnect { namespace }
            | Self::Event { namespace, .. }
            | Self::Ack { namespace, .. } => namespace,
        }
    }

    /// The packet as text and attachments.
    pub fn encode(&self) -> Result<Encoded, EncodeError> {
        let namespace = self.namespace();
        check::namespace(namespace)?;
        let raw = match self {
            Self::Connect { payload, .. } => {
                let payload = payload.as_ref().map(json).transpose()?;
                Raw::connect(namespace.to_owned(), payload.map(|text| RawValue::Str(text.into(), None)))
            }
            Self::ConnectError { message, data, .. } => {
                return connect_error(namespace, message, data.as_ref());
            }
            Self::Disconnect { .. } => Raw::disconnect(namespace.to_owned()),
            Self::Event { ack, name, args, attachments, .. } => {
                let value = event_value(name, args, attachments)?;
                let mut raw = Raw::event(namespace.to_owned(), value);
                if let Some(ack) = ack {
                    raw.inner.set_ack_id(wire_ack(*ack)?);
                }
                raw
            }
            Self::Ack { ack, args, attachments, .. } => {
                let value = raw_value(json(args)?, attachments.iter().cloned().collect());
                return Encoded::ack_value(namespace, *ack, value);
            }
        };
        Ok(encode_raw(raw))
    }
}

/// Collects the messages of a connection into packets: the attachments of a binary packet follow
/// it as messages of their own.
#[derive(Debug)]
pub struct Decoder {
    max_attachments: usize,
    max_bytes: usize,
    max_values: usize,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    packet: Packet,
    announced: usize,
    bytes: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(10, 10_000_000)
    }
}

impl Decoder {
    /// A decoder that allows so many attachments per packet, and so many bytes in all of them.
    pub fn new(max_attachments: usize, max_bytes: usize) -> Self {
        Self { max_attachments, max_bytes, max_values: usize::MAX, partial: None }
    }

    /// Also bounds the number of JSON values in a packet: parsed, each takes up to 700 bytes of
    /// memory, however short it is as text.
    #[must_use]
    pub fn with_max_values(self, max_values: usize) -> Self {
        Self { max_values, ..self }
    }

    /// Takes a text message; answers a packet unless it waits for attachments.
    pub fn text(&mut self, text: &str) -> Result<Option<Packet>, DecodeError> {
        if self.partial.is_some() {
            return Err(DecodeError::Order);
        }
        let head = check::head(text, self.max_attachments)?;
        check::values(&text[head.json_at..], self.max_values)?;
        if text.starts_with('4') {
            return decode_connect_error(text, head.json_at).map(Some);
        }
        let packet = from_raw(decode_raw(text, self.max_attachments)?, &head)?;
        if head.attachments == 0 {
            return Ok(Some(packet));
        }
        self.partial = Some(Partial { packet, announced: head.attachments, bytes: 0 });
        Ok(None)
    }

    /// Takes a binary message; answers the packet it completes.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        let Some(mut partial) = self.partial.take() else { return Err(DecodeError::Order) };
        partial.bytes += bytes.len();
        if partial.bytes > self.max_bytes {
            return Err(DecodeError::Attachments);
        }
        if let Packet::Event { attachments, .. } | Packet::Ack { attachments, .. } = &mut partial.packet {
            attachments.push(bytes);
            if attachments.len() < partial.announced {
                self.partial = Some(partial);
                return Ok(None);
            }
        }
        Ok(Some(partial.packet))
    }
}

/// The parser keeps a binary packet in its state and asks for more; we take it from there and
/// count the attachments ourselves, because its own time-out reads the clock.
fn decode_raw(text: &str, max_attachments: usize) -> Result<Raw, DecodeError> {
    let state = ParserState::default();
    let config = ParseConfig { max_incoming_binaries: max_attachments, ..ParseConfig::default() };
    match CommonParser.decode_str(&config, &state, Str::copy_from_slice(text)) {
        Ok(raw) => Ok(raw),
        Err(ParseError::NeedsMoreBinaryData) => state
            .partial_bin_packet
            .lock()
            .ok()
            .and_then(|mut partial| partial.take())
            .map(|partial| partial.packet)
            .ok_or(DecodeError::Attachments),
        Err(ParseError::InvalidPacketType) => Err(DecodeError::Type),
        Err(ParseError::InvalidAttachments | ParseError::TooManyAttachments { .. }) => {
            Err(DecodeError::Attachments)
        }
        Err(_) => Err(DecodeError::Payload),
    }
}

fn from_raw(raw: Raw, head: &check::Head) -> Result<Packet, DecodeError> {
    let namespace = String::from(raw.ns);
    Ok(match raw.inner {
        PacketData::Connect(payload) => {
            if head.ack.is_some() {
                return Err(DecodeError::Payload);
            }
            let payload = match payload {
                Some(value) => Some(parse(text_of(&value)?)?),
                None => None,
            };
            Packet::Connect { namespace, payload }
        }
        PacketData::Disconnect => Packet::Disconnect { namespace },
        PacketData::Event(value, _) | PacketData::BinaryEvent(value, _) => {
            let items: Vec<Value> = parse(text_of(&value)?)?;
            let mut args = items.into_iter();
            let name = match args.next() {
                Some(Value::String(name)) if !check::is_reserved(&name) => name,
                // The reference accepts numbers as names too.
                Some(Value::Number(number)) => number.to_string(),
                _ => return Err(DecodeError::Name),
            };
            let args: Vec<Value> = args.collect();
            if head.attachments > 0 {
                args.iter().try_for_each(|arg| check::placeholders(arg, head.attachments))?;
            }
            Packet::Event { namespace, ack: head.ack, name, args, attachments: Vec::new() }
        }
        PacketData::EventAck(value, _) | PacketData::BinaryAck(value, _) => {
            let args: Vec<Value> = parse(text_of(&value)?)?;
            if head.attachments > 0 {
                args.iter().try_for_each(|arg| check::placeholders(arg, head.attachments))?;
            }
            let ack = head.ack.ok_or(DecodeError::Ack)?;
            Packet::Ack { namespace, ack, args, attachments: Vec::new() }
        }
        PacketData::ConnectError(_) => return Err(DecodeError::Type),
    })
}

/// The parser underneath neither reads this packet nor writes its `data`.
fn decode_connect_error(text: &str, json_at: usize) -> Result<Packet, DecodeError> {
    #[derive(Deserialize)]
    struct Body {
        message: String,
        data: Option<Value>,
    }
    let namespace = match text[1..json_at].strip_suffix(',').unwrap_or(&text[1..json_at]) {
        "" => "/",
        namespace if namespace.starts_with('/') => namespace,
        _ => return Err(DecodeError::Namespace),
    };
    let body: Body = parse(&text[json_at..])?;
    Ok(Packet::ConnectError { namespace: namespace.into(), message: body.message, data: body.data })
}

fn connect_error(namespace: &str, message: &str, data: Option<&Value>) -> Result<Encoded, EncodeError> {
    #[derive(Serialize)]
    struct Body<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a Value>,
    }
    let body = json(&Body { message, data })?;
    let text = if namespace == "/" { format!("4{body}") } else { format!("4{namespace},{body}") };
    Ok(Encoded { text, attachments: Vec::new() })
}

pub(super) fn encode_raw(raw: Raw) -> Encoded {
    match CommonParser.encode(raw) {
        RawValue::Str(text, attachments) => {
            Encoded { text: text.into(), attachments: attachments.map(Vec::from).unwrap_or_default() }
        }
        // The common parser writes text only.
        RawValue::Bytes(_) => Encoded { text: String::new(), attachments: Vec::new() },
    }
}

/// `[name, ...args]` with its attachments.
pub(super) fn event_value(
    name: &str,
    args: &[Value],
    attachments: &[Bytes],
) -> Result<RawValue, EncodeError> {
    struct Named<'a>(&'a str, &'a [Value]);
    impl Serialize for Named<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut items = serializer.serialize_seq(Some(self.1.len() + 1))?;
            items.serialize_element(self.0)?;
            for arg in self.1 {
                items.serialize_element(arg)?;
            }
            items.end()
        }
    }
    if check::is_reserved(name) {
        return Err(EncodeError::Name(name.into()));
    }
    Ok(raw_value(json(&Named(name, args))?, attachments.iter().cloned().collect()))
}

/// `[name, payload]`; a tuple becomes several arguments, and bytes anywhere in it attachments.
pub(super) fn payload_value<T: Serialize + ?Sized>(name: &str, payload: &T) -> Result<RawValue, EncodeError> {
    if check::is_reserved(name) {
        return Err(EncodeError::Name(name.into()));
    }
    CommonParser.encode_value(payload, Some(name)).map_err(|error| EncodeError::Payload(error.into()))
}

/// An event packet from whatever can be serialized, asking for an acknowledgement or not.
pub(crate) fn event_packet<T: Serialize + ?Sized>(
    namespace: &str,
    name: &str,
    payload: &T,
    ack: Option<u64>,
) -> Result<Encoded, EncodeError> {
    check::namespace(namespace)?;
    let mut raw = Raw::event(namespace.to_owned(), payload_value(name, payload)?);
    if let Some(ack) = ack {
        raw.inner.set_ack_id(wire_ack(ack)?);
    }
    Ok(encode_raw(raw))
}

fn raw_value(text: String, attachments: VecDeque<Bytes>) -> RawValue {
    RawValue::Str(text.into(), (!attachments.is_empty()).then_some(attachments))
}

fn text_of(value: &RawValue) -> Result<&str, DecodeError> {
    value.as_str().map(Str::as_str).ok_or(DecodeError::Payload)
}

/// Half an emoji is content that is merely wrong, and no reason to end a connection.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    let mended = well_formed_json::well_formed(text.as_bytes());
    mended
        .map_or_else(|| serde_json::from_str(text), |mended| serde_json::from_slice(&mended))
        .map_err(|_| DecodeError::Payload)
}

fn json(value: &impl Serialize) -> Result<String, EncodeError> {
    serde_json::to_string(value).map_err(|error| EncodeError::Payload(error.into()))
}

fn wire_ack(ack: u64) -> Result<i64, EncodeError> {
    if ack > MAX_ACK_ID {
        return Err(EncodeError::Ack);
    }
    i64::try_from(ack).map_err(|_| EncodeError::Ack)
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
