//! What is handed to a statement.

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{AgentId, KeyId, NoticeId, RequestId, TokenId};
use gatepass_contract::pki::Thumbprint;
use gatepass_contract::time::UnixTime;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

/// A value as both engines know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Nothing.
    Null,
    /// A number, an instant, a yes (1) or no (0).
    Int(i64),
    /// Words, addresses, JSON.
    Text(&'a str),
    /// Ids, digests, DER.
    Blob(&'a [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What can be handed to a statement as it is.
pub(crate) trait Bind {
    fn value(&self) -> Value<'_>;
}

/// The values of a statement, in the order of its placeholders.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::Bind::value(&$value)),*] };
}
pub(crate) use params;

impl<T: Bind + ?Sized> Bind for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Bind> Bind for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::value)
    }
}

impl Bind for i64 {
    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}

impl Bind for u32 {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl Bind for bool {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl Bind for UnixTime {
    fn value(&self) -> Value<'_> {
        Value::Int(self.0)
    }
}

impl Bind for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Bind for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Bind for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl Bind for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> Bind for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

/// Ids and digests, as their bytes.
macro_rules! bytes {
    ($($id:ty),*) => {$(
        impl Bind for $id {
            fn value(&self) -> Value<'_> {
                Value::Blob(&self.0)
            }
        }
    )*};
}

bytes!(AgentId, KeyId, NoticeId, RequestId, Sha256, Thumbprint, TokenId);
