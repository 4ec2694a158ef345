//! JSON in which placeholders stand for attachments, read by serde.

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

/// A value and the attachments that its placeholders stand for. Bytes are read from them; to
/// everything else a placeholder is the object that it is in JSON.
#[derive(Clone, Copy)]
pub(super) struct Attached<'a> {
    pub(super) value: &'a Value,
    pub(super) attachments: &'a [Bytes],
}

impl<'a> Attached<'a> {
    fn with(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    /// The attachment that the value stands for, if it is a placeholder.
    fn attachment(self) -> Option<&'a Bytes> {
        let is_placeholder = self.value.get("_placeholder")? == &Value::Bool(true);
        let num = usize::try_from(self.value.get("num")?.as_u64()?).ok()?;
        self.attachments.get(num).filter(|_| is_placeholder)
    }
}

impl<'de> Deserializer<'de> for Attached<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.iter().map(|item| self.with(item)));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(map) => {
                let entries = map.iter().map(|(key, value)| (key.as_str(), self.with(value)));
                let mut entries = MapDeserializer::new(entries);
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.attachment() {
            Some(bytes) => visitor.visit_borrowed_bytes(bytes),
            None => self.value.deserialize_byte_buf(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let entry = self.value.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        match entry {
            Some((variant, value)) => {
                visitor.visit_enum(Variant { variant: variant.as_str(), value: self.with(value) })
            }
            None => self.value.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Attached<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// An enum's variant with what it carries.
struct Variant<'a> {
    variant: &'a str,
    value: Attached<'a>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Attached<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Attached<'de>), Error> {
        let variant = seed.deserialize(self.variant.into_deserializer())?;
        Ok((variant, self.value))
    }
}

impl<'de> VariantAccess<'de> for Attached<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        serde::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }
}
