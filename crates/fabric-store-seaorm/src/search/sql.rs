//! SQL text with its values.

use std::fmt::Write as _;

use sea_orm::{DbBackend, Statement, Value};

/// A statement with `?` for its values.
#[derive(Debug)]
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Self {
        Self { text: text.into(), values: values.into_iter().collect() }
    }

    /// Appends text, and the values of the `?` in it.
    pub(super) fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    /// Appends another one.
    pub(super) fn append(&mut self, other: Self) {
        self.push(&other.text, other.values);
    }

    /// As this database spells it: `PostgreSQL` numbers the values.
    pub(super) fn into_statement(self, backend: DbBackend) -> Statement {
        let text = if backend == DbBackend::Postgres { numbered(&self.text) } else { self.text };
        Statement::from_sql_and_values(backend, text, self.values)
    }
}

/// `$1`, `$2` and so on for each `?`.
fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len());
    for (place, part) in text.split('?').enumerate() {
        if place > 0 {
            // Writing to a string cannot fail.
            let _ = write!(numbered, "${place}");
        }
        numbered.push_str(part);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_for_postgresql_only() {
        let statement = |backend| {
            let mut sql = Sql::new("SELECT a FROM t WHERE b = ?", [1.into()]);
            sql.push(" AND c = ?", [2.into()]);
            sql.append(Sql::new(" OR d = ?", [3.into()]));
            let statement = sql.into_statement(backend);
            (statement.sql, statement.values.map(|values| values.0.len()))
        };
        let plain = "SELECT a FROM t WHERE b = ? AND c = ? OR d = ?".to_owned();
        assert_eq!(statement(DbBackend::Sqlite), (plain, Some(3)));
        let numbered = "SELECT a FROM t WHERE b = $1 AND c = $2 OR d = $3".to_owned();
        assert_eq!(statement(DbBackend::Postgres), (numbered, Some(3)));
    }
}
