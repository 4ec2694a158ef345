//! Reading the fields of a JSON request body, so that every bad one is listed at once.
//!
//! The same request types are read from HTTP bodies and from socket events, hence here and once.

use std::collections::HashSet;

use fabric_domain::model::{FieldError, Refusal, UserId, check_name};
use serde_json::{Map, Value};

/// A request that is read from a JSON object.
pub trait FromFields: Sized {
    /// Takes what it knows from the fields; complaints go to `fields`.
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self>;
}

/// Reads a request; every bad field is named in the refusal.
pub fn read<T: FromFields>(body: &Value) -> Result<T, Refusal> {
    let Value::Object(object) = body else {
        return Err(Refusal::field("body", "must be a JSON object"));
    };
    let mut fields = Fields { object, problems: Vec::new() };
    let request = T::from_fields(&mut fields);
    match request {
        Some(request) if fields.problems.is_empty() => Ok(request),
        _ => Err(Refusal::Invalid(fields.problems)),
    }
}

/// The fields of one request.
#[derive(Debug)]
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Notes a bad field.
    pub fn complain(&mut self, field: &'static str, message: impl Into<String>) {
        self.problems.push(FieldError::new(field, message));
    }

    /// The field's value; `null` counts as absent.
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// Whether the field is there, `null` or not.
    pub fn is_present(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    fn typed<T>(
        &mut self,
        field: &'static str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(field)?;
        let typed = read(value);
        if typed.is_none() {
            self.complain(field, format!("must be {what}"));
        }
        typed
    }

    /// A text, if given.
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        let text = self.typed(field, "a string", |value| value.as_str().map(str::to_owned))?;
        // No database stores it, and PostgreSQL refuses it: better said here than there.
        if text.contains('\0') {
            self.complain(field, "must not contain NUL characters");
            return None;
        }
        Some(text)
    }

    /// A text of at most `max` characters, if given.
    pub fn text_up_to(&mut self, field: &'static str, max: usize) -> Option<String> {
        let text = self.text(field)?;
        if text.chars().count() > max {
            self.complain(field, format!("must have at most {max} characters"));
            return None;
        }
        Some(text)
    }

    /// A text of 1 to `max` characters that must be given.
    pub fn required_text(&mut self, field: &'static str, max: usize) -> Option<String> {
        if self.get(field).is_none() {
            self.complain(field, "is required");
            return None;
        }
        let text = self.text_up_to(field, max)?;
        if text.trim().is_empty() {
            self.complain(field, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// A name of 1 to `max` characters that must be given, with nothing in it that is hidden or turns other text.
    pub fn required_label(&mut self, field: &'static str, max: usize) -> Option<String> {
        let name = self.required_text(field, max)?;
        match check_name(&name) {
            Ok(()) => Some(name),
            Err(problem) => {
                self.complain(field, problem);
                None
            }
        }
    }

    /// A user id that must be given.
    pub fn required_user(&mut self, field: &'static str) -> Option<UserId> {
        self.required_text(field, UserId::MAX_CHARS).map(UserId::from)
    }

    /// A user id, if given.
    pub fn user(&mut self, field: &'static str) -> Option<UserId> {
        self.get(field)?;
        self.required_user(field)
    }

    /// A list of user ids, if given; without repeats.
    pub fn users(&mut self, field: &'static str) -> Option<Vec<UserId>> {
        const MOST: usize = 1_000;
        let mut users: Vec<UserId> = Vec::new();
        let mut seen = HashSet::new();
        let ids = self.typed(field, "a list of user ids", Value::as_array)?;
        if ids.len() > MOST {
            self.complain(field, format!("must have at most {MOST} entries"));
            return None;
        }
        for id in ids {
            let valid = |id: &&str| {
                !id.trim().is_empty() && id.chars().count() <= UserId::MAX_CHARS && !id.contains('\0')
            };
            let Some(id) = id.as_str().filter(valid) else {
                self.complain(
                    field,
                    format!("must be a list of user ids of 1 to {} characters", UserId::MAX_CHARS),
                );
                return None;
            };
            let user = UserId::new(id);
            if user == UserId::system() {
                self.complain(field, "must not have the guild itself among them");
                return None;
            }
            if seen.insert(id) {
                users.push(user);
            }
        }
        Some(users)
    }

    /// A list of user ids that must be given.
    pub fn required_users(&mut self, field: &'static str) -> Option<Vec<UserId>> {
        if self.get(field).is_none() {
            self.complain(field, "is required");
            return None;
        }
        self.users(field)
    }

    /// A list of texts, if given.
    pub fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        self.typed(field, "a list of strings", |value| {
            value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        })
    }

    /// Whether something was said against this field.
    pub fn is_bad(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == field)
    }

    /// A truth value, if given.
    pub fn flag(&mut self, field: &'static str) -> Option<bool> {
        self.typed(field, "true or false", Value::as_bool)
    }

    /// A whole number from 0 to `max`, if given.
    pub fn number(&mut self, field: &'static str, max: u64) -> Option<u64> {
        self.typed(field, &format!("a whole number from 0 to {max}"), |value| {
            value.as_u64().filter(|number| *number <= max)
        })
    }

    /// The number of a turn, if given: up to 2^53 - 1, which every JSON parser keeps exactly.
    pub fn turn(&mut self) -> Option<u64> {
        self.number("turn", (1 << 53) - 1)
    }

    /// One of a closed set of names, if given.
    pub fn name<T: std::str::FromStr>(&mut self, field: &'static str, known: &str) -> Option<T> {
        self.typed(field, &format!("one of: {known}"), |value| value.as_str()?.parse().ok())
    }

    /// One of a closed set of names that must be given.
    pub fn required_name<T: std::str::FromStr>(&mut self, field: &'static str, known: &str) -> Option<T> {
        if self.get(field).is_none() {
            self.complain(field, "is required");
            return None;
        }
        self.name(field, known)
    }

    /// A list of at most `max` nested objects, if given; their complaints are ours.
    pub fn objects<T>(
        &mut self,
        field: &'static str,
        max: usize,
        read: impl Fn(&mut Fields<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.typed(field, "a list of objects", |value| {
            value.as_array()?.iter().map(Value::as_object).collect::<Option<Vec<_>>>()
        })?;
        if items.len() > max {
            self.complain(field, format!("must have at most {max} entries"));
            return None;
        }
        let each = items.into_iter().map(|object| {
            let mut inner = Fields { object, problems: Vec::new() };
            let item = read(&mut inner);
            self.problems.append(&mut inner.problems);
            item
        });
        // All of them are read: every bad field is to be listed.
        let items: Vec<Option<T>> = each.collect();
        items.into_iter().collect()
    }

    /// An object whose every value is a whole number from 0 to `max`, if given.
    pub fn numbers(&mut self, field: &'static str, max: u64) -> Option<Vec<(&'a str, u64)>> {
        self.typed(field, &format!("an object of whole numbers from 0 to {max}"), |value| {
            let number = |(name, value): (&'a String, &'a Value)| {
                Some((name.as_str(), value.as_u64().filter(|number| *number <= max)?))
            };
            value.as_object()?.iter().map(number).collect()
        })
    }

    /// A nested object, if given; its complaints are ours.
    pub fn object<T>(&mut self, field: &'static str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let object = self.typed(field, "an object", Value::as_object)?;
        let mut inner = Fields { object, problems: Vec::new() };
        let value = read(&mut inner);
        self.problems.append(&mut inner.problems);
        Some(value)
    }
}
