//! A value and where it stands in the file, so that a problem found later can point there.

use std::borrow::Cow;
use std::ops::{Deref, Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_spanned::Spanned;

/// Byte offsets into the configuration's text. Empty at 0 for a default, which stands nowhere.
pub(crate) type Span = Range<usize>;

/// A value and where it stands. Read as the value itself.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    value: T,
    span: Span,
}

impl<T> At<T> {
    /// A value that is not in the file.
    pub(crate) fn default_value(value: T) -> Self {
        Self { value, span: 0..0 }
    }

    /// What is made of the value, in its place.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), span: self.span }
    }

    /// Whether it is in the file, and no default.
    pub(crate) fn is_written(&self) -> bool {
        !self.span.is_empty()
    }

    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

/// For the defaults in the schema.
impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
