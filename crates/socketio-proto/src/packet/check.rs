//! The limits that the packet crates do not check.

use serde_json::Value;

use super::{DecodeError, EncodeError, MAX_ACK_ID, MAX_NAMESPACE};

/// Names the client library raises itself; sent over the wire they would forge its state.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What stands between the packet type and the payload, read strictly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Announced attachments; only binary packets have them.
    pub(super) attachments: usize,
    pub(super) ack: Option<u64>,
    /// Where the JSON starts.
    pub(super) json_at: usize,
}

/// Reads the head of a Socket.IO packet. `text` starts with the packet type.
pub(super) fn head(text: &str, max_attachments: usize) -> Result<Head, DecodeError> {
    let bytes = text.as_bytes();
    let kind = *bytes.first().ok_or(DecodeError::Type)?;
    if !kind.is_ascii_digit() || kind > b'6' {
        return Err(DecodeError::Type);
    }
    let mut at = 1;
    let mut attachments = 0;
    if matches!(kind, b'5' | b'6') {
        let end = digits(bytes, at);
        if end == at || end - at > 4 || bytes.get(end) != Some(&b'-') {
            return Err(DecodeError::Attachments);
        }
        attachments = text[at..end].parse().map_err(|_| DecodeError::Attachments)?;
        if attachments == 0 || attachments > max_attachments {
            return Err(DecodeError::Attachments);
        }
        at = end + 1;
    }
    if bytes.get(at) == Some(&b'/') {
        let end = bytes[at..].iter().position(|byte| *byte == b',');
        let length = end.unwrap_or(bytes.len() - at);
        if length > MAX_NAMESPACE {
            return Err(DecodeError::Namespace);
        }
        at += end.map_or(length, |end| end + 1);
    }
    let end = digits(bytes, at);
    let ack = if end > at {
        // 2^53 has 16 digits; a longer run of zeros is nobody's id either.
        if end - at > 16 {
            return Err(DecodeError::Ack);
        }
        let id: u64 = text[at..end].parse().map_err(|_| DecodeError::Ack)?;
        if id > MAX_ACK_ID {
            return Err(DecodeError::Ack);
        }
        Some(id)
    } else {
        None
    };
    Ok(Head { attachments, ack, json_at: end })
}

fn digits(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// How many values a JSON text may hold, counted before it is parsed: a megabyte of `{"":0}` would
/// become a hundred megabytes of maps.
pub(super) fn values(json: &str, max: usize) -> Result<(), DecodeError> {
    let mut count = 0;
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' | b',' if !in_text => count += 1,
            _ => {}
        }
    }
    if count <= max { Ok(()) } else { Err(DecodeError::Payload) }
}

/// Every `{"_placeholder": true, "num": n}` must point to an attachment. Recursion is bounded by
/// the JSON parser's own nesting limit.
pub(super) fn placeholders(value: &Value, attachments: usize) -> Result<(), DecodeError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| placeholders(item, attachments)),
        Value::Object(map) => {
            if map.get("_placeholder") == Some(&Value::Bool(true)) {
                let points = map
                    .get("num")
                    .and_then(Value::as_u64)
                    .and_then(|num| usize::try_from(num).ok())
                    .is_some_and(|num| num < attachments);
                return if points { Ok(()) } else { Err(DecodeError::Attachments) };
            }
            map.values().try_for_each(|item| placeholders(item, attachments))
        }
        _ => Ok(()),
    }
}

/// A namespace we are asked to write.
pub(super) fn namespace(namespace: &str) -> Result<(), EncodeError> {
    if namespace.starts_with('/') && namespace.len() <= MAX_NAMESPACE && !namespace.contains(',') {
        Ok(())
    } else {
        Err(EncodeError::Namespace(namespace.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_reads_every_part() {
        let read = |text| head(text, 10).unwrap();
        assert_eq!(read("2[\"a\"]"), Head { attachments: 0, ack: None, json_at: 1 });
        assert_eq!(read("212[\"a\"]"), Head { attachments: 0, ack: Some(12), json_at: 3 });
        assert_eq!(read("2/a,12[1]"), Head { attachments: 0, ack: Some(12), json_at: 6 });
        assert_eq!(read("52-/a,7[1]"), Head { attachments: 2, ack: Some(7), json_at: 7 });
        assert_eq!(read("0/a"), Head { attachments: 0, ack: None, json_at: 3 });
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (json, count) in [
            ("", 0),
            ("[]", 1),
            (r#"["a",{"b":[1,2]}]"#, 5),
            (r#"[",{[\",[","\\",1]"#, 3),
            (r#"["é\\\"","#, 2),
        ] {
            assert_eq!(values(json, count), Ok(()), "{json}");
            if count > 0 {
                assert_eq!(values(json, count - 1), Err(DecodeError::Payload), "{json}");
            }
        }
    }

    #[test]
    fn head_refuses_what_is_out_of_bounds() {
        for (text, error) in [
            ("", DecodeError::Type),
            ("7", DecodeError::Type),
            ("é", DecodeError::Type),
            ("5[1]", DecodeError::Attachments),
            ("50-[1]", DecodeError::Attachments),
            ("511-[1]", DecodeError::Attachments),
            ("599999999999999999999-[1]", DecodeError::Attachments),
            ("5-1-[1]", DecodeError::Attachments),
            ("299999999999999999999[1]", DecodeError::Ack),
            ("29007199254740992[1]", DecodeError::Ack),
        ] {
            assert_eq!(head(text, 10), Err(error), "{text}");
        }
        let long = format!("2/{},[1]", "n".repeat(MAX_NAMESPACE));
        assert_eq!(head(&long, 10), Err(DecodeError::Namespace));
    }
}
