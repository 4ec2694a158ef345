//! Names from sets that may grow.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name from a set that may grow: one that this version knows, or the name as it was sent. So an
/// older client reads what a newer server sends, and is wrong about this one name only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Open<T> {
    /// A name that this version knows.
    Known(T),
    /// A name that came later.
    Other(String),
}

impl<T> Open<T> {
    /// What is meant, if this version knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Other(_) => None,
        }
    }
}

impl<T> From<T> for Open<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl<T: PartialEq> PartialEq<T> for Open<T> {
    fn eq(&self, other: &T) -> bool {
        self.known() == Some(other)
    }
}

impl<T: Serialize> Serialize for Open<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(known) => known.serialize(serializer),
            Self::Other(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Open<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Name<T> {
            type Value = Open<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Open<T>, E> {
                let known = T::deserialize(StrDeserializer::<de::value::Error>::new(name));
                Ok(known.map_or_else(|_| Open::Other(name.to_owned()), Open::Known))
            }
        }

        deserializer.deserialize_str(Name(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric_domain::model::{AckCause, WakeReason};
    use serde_json::json;

    #[test]
    fn a_name_is_known_or_kept_and_comes_out_as_it_went_in() {
        for (name, reason) in [("mention", Some(WakeReason::Mention)), ("on_duty", Some(WakeReason::OnDuty))]
        {
            let read: Open<WakeReason> = serde_json::from_value(json!(name)).unwrap();
            assert_eq!(read.known().copied(), reason);
            assert_eq!(serde_json::to_value(&read).unwrap(), json!(name));
        }
        let read: Open<AckCause> = serde_json::from_value(json!("/tomorrow")).unwrap();
        assert_eq!(read, Open::Other("/tomorrow".into()));
        assert_eq!(serde_json::to_value(&read).unwrap(), json!("/tomorrow"));
        assert!(serde_json::from_value::<Open<AckCause>>(json!(1)).is_err());
        let known: Open<AckCause> = serde_json::from_value(json!("timeout")).unwrap();
        assert!(known == AckCause::Timeout && read != AckCause::Timeout);
    }
}
