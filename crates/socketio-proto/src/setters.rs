//! Setters that can be chained, for structs that callers cannot write as a literal.

/// Writes `with_` setters for public fields.
macro_rules! setters {
    ($($setter:ident => $field:ident: $kind:ty),+ $(,)?) => {$(
        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $setter(mut self, $field: $kind) -> Self {
            self.$field = $field;
            self
        }
    )+};
}

pub(crate) use setters;
