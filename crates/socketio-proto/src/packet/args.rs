//! The arguments of an event or an acknowledgement.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{BoxError, attached::Attached};

/// The arguments of an event or an acknowledgement, with its binary attachments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args {
    values: Vec<Value>,
    attachments: Vec<Bytes>,
}

/// Why an argument could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// There are fewer arguments.
    #[error("there is no argument {index}")]
    Missing {
        /// Which one was asked for, counted from 0.
        index: usize,
    },
    /// The argument is of another type.
    #[error("argument {index} is of another type")]
    Type {
        /// Which one was asked for, counted from 0.
        index: usize,
        /// What does not fit.
        #[source]
        source: BoxError,
    },
}

impl Args {
    /// These arguments; `{"_placeholder": true, "num": n}` stands for attachment `n`.
    pub fn new(values: Vec<Value>, attachments: Vec<Bytes>) -> Self {
        Self { values, attachments }
    }

    /// Reads the argument at `index`, counted from 0. Where `T` has [`Bytes`], they come from the
    /// attachments.
    pub fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T, ArgError> {
        let value = self.values.get(index).ok_or(ArgError::Missing { index })?;
        let read = T::deserialize(Attached { value, attachments: &self.attachments });
        read.map_err(|error| ArgError::Type { index, source: error.into() })
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no argument.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The arguments as JSON; `{"_placeholder": true, "num": n}` stands for attachment `n`.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The binary attachments.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// The arguments as JSON, and the attachments.
    pub fn into_parts(self) -> (Vec<Value>, Vec<Bytes>) {
        (self.values, self.attachments)
    }
}

impl From<Vec<Value>> for Args {
    fn from(values: Vec<Value>) -> Self {
        Self { values, attachments: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Upload {
        name: String,
        data: Bytes,
    }

    #[test]
    fn arguments_are_read_as_any_type() {
        let args = Args::from(vec![json!("hi"), json!({"n": [1, 2]})]);
        assert_eq!(args.get::<String>(0).unwrap(), "hi");
        assert_eq!(args.get::<Value>(1).unwrap(), json!({"n": [1, 2]}));
        assert!(matches!(args.get::<String>(2), Err(ArgError::Missing { index: 2 })));
        let error = args.get::<u8>(0).unwrap_err();
        assert!(error.source().unwrap().to_string().contains("expected u8"), "{error:?}");
    }

    #[test]
    fn attachments_are_where_their_placeholders_were() {
        let placeholder = |num: u8| json!({"_placeholder": true, "num": num});
        let attachments = vec![Bytes::from_static(&[1]), Bytes::from_static(&[2, 3])];
        let upload = json!({"name": "a.png", "data": placeholder(1)});
        let args = Args::new(vec![json!("put"), upload, placeholder(0)], attachments);
        assert_eq!(args.get::<String>(0).unwrap(), "put");
        let data = Bytes::from_static(&[2, 3]);
        assert_eq!(args.get::<Upload>(1).unwrap(), Upload { name: "a.png".into(), data });
        assert_eq!(args.get::<Bytes>(2).unwrap(), [1].as_slice());
        assert!(matches!(args.get::<String>(2), Err(ArgError::Type { index: 2, .. })));
        assert_eq!(args.get::<Value>(2).unwrap(), placeholder(0), "JSON has no bytes");
    }

    #[test]
    fn attachments_are_found_anywhere_in_an_argument() {
        #[derive(Debug, Deserialize, PartialEq)]
        enum Part {
            Nothing,
            Data(Bytes),
            Named { data: Bytes },
        }
        #[derive(Debug, Deserialize, PartialEq)]
        struct Newtype(Option<Bytes>);
        #[derive(Deserialize)]
        struct Known {
            known: Bytes,
        }
        let [one, two] = [0, 1].map(|num| json!({"_placeholder": true, "num": num}));
        let values = vec![
            json!(["Nothing", {"Data": two}, {"Named": {"data": one}}]),
            json!([two, null, one]),
            json!({"unknown": one, "known": two}),
        ];
        let (first, second) = (Bytes::from_static(&[1]), Bytes::from_static(&[2]));
        let args = Args::new(values, vec![first.clone(), second.clone()]);
        let parts = [Part::Nothing, Part::Data(second.clone()), Part::Named { data: first.clone() }];
        assert_eq!(args.get::<Vec<Part>>(0).unwrap(), parts);
        let newtypes = [Newtype(Some(second.clone())), Newtype(None), Newtype(Some(first))];
        assert_eq!(args.get::<Vec<Newtype>>(1).unwrap(), newtypes);
        assert_eq!(args.get::<Known>(2).unwrap().known, second);
    }
}
