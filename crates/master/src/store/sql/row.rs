//! What comes back. What does not parse was not written by this program: it is refused, never guessed at.

use std::error::Error;
use std::str::FromStr;

use gatepass_contract::digest::Sha256;
use gatepass_contract::time::UnixTime;
use postgres::types::{FromSql, Type};
use serde::de::DeserializeOwned;

use super::{Result, SqlError};

/// One row of an answer; columns are counted from 0.
pub(crate) enum Row<'a> {
    /// Of a file.
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of a server.
    Postgres(&'a postgres::Row),
}

impl Row<'_> {
    /// A number.
    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| wrong(column, NOTHING))
    }

    /// A number, or nothing.
    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            // A literal is of the short type there.
            Self::Postgres(row) if row.columns().get(column).is_some_and(|is| *is.type_() == Type::INT4) => {
                Ok(from_server::<Option<i32>>(row, column)?.map(i64::from))
            }
            Self::Postgres(row) => from_server(row, column),
        }
    }

    /// Text, or nothing.
    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<&str>> {
        match self {
            Self::Sqlite(row) => row.get_ref(column)?.as_str_or_null().map_err(|error| wrong(column, error)),
            Self::Postgres(row) => from_server(row, column),
        }
    }

    /// Bytes, or nothing.
    pub(crate) fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>> {
        match self {
            Self::Sqlite(row) => row.get_ref(column)?.as_blob_or_null().map_err(|error| wrong(column, error)),
            Self::Postgres(row) => from_server(row, column),
        }
    }

    /// Text.
    pub(crate) fn text(&self, column: usize) -> Result<&str> {
        self.opt_text(column)?.ok_or_else(|| wrong(column, NOTHING))
    }

    /// Bytes.
    pub(crate) fn blob(&self, column: usize) -> Result<&[u8]> {
        self.opt_blob(column)?.ok_or_else(|| wrong(column, NOTHING))
    }

    /// So many bytes: an id, a digest.
    pub(crate) fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N]> {
        self.blob(column)?.try_into().map_err(|error| wrong::<std::array::TryFromSliceError>(column, error))
    }

    /// So many bytes, or nothing.
    pub(crate) fn opt_bytes<const N: usize>(&self, column: usize) -> Result<Option<[u8; N]>> {
        let bytes = self.opt_blob(column)?.map(TryInto::try_into);
        bytes.transpose().map_err(|error: std::array::TryFromSliceError| wrong(column, error))
    }

    /// A number of a smaller type, a counter mostly.
    pub(crate) fn number<T: TryFrom<i64, Error: Error + Send + Sync + 'static>>(
        &self,
        column: usize,
    ) -> Result<T> {
        T::try_from(self.int(column)?).map_err(|error| wrong(column, error))
    }

    /// A number of a smaller type, or nothing.
    pub(crate) fn opt_number<T: TryFrom<i64, Error: Error + Send + Sync + 'static>>(
        &self,
        column: usize,
    ) -> Result<Option<T>> {
        let number = self.opt_int(column)?.map(T::try_from);
        number.transpose().map_err(|error| wrong(column, error))
    }

    /// A yes or no.
    pub(crate) fn flag(&self, column: usize) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    /// An instant.
    pub(crate) fn instant(&self, column: usize) -> Result<UnixTime> {
        self.int(column).map(UnixTime)
    }

    /// An instant, or nothing.
    pub(crate) fn opt_instant(&self, column: usize) -> Result<Option<UnixTime>> {
        Ok(self.opt_int(column)?.map(UnixTime))
    }

    /// A digest.
    pub(crate) fn digest(&self, column: usize) -> Result<Sha256> {
        self.bytes(column).map(Sha256)
    }

    /// A word, a name or an address from its text.
    pub(crate) fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(&self, column: usize) -> Result<T> {
        self.text(column)?.parse().map_err(|error| wrong(column, error))
    }

    /// A word, a name or an address, or nothing.
    pub(crate) fn opt_parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
        &self,
        column: usize,
    ) -> Result<Option<T>> {
        self.opt_text(column)?.map(str::parse).transpose().map_err(|error| wrong(column, error))
    }

    /// From its JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(self.text(column)?).map_err(|error| wrong(column, error))
    }

    /// From its JSON, or nothing.
    pub(crate) fn opt_json<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>> {
        let text = self.opt_text(column)?;
        text.map(serde_json::from_str).transpose().map_err(|error| wrong(column, error))
    }

    /// For what is checked outside: says where it was.
    pub(crate) fn checked<T, E: Into<Box<dyn Error + Send + Sync>>>(
        column: usize,
        value: std::result::Result<T, E>,
    ) -> Result<T> {
        value.map_err(|error| SqlError::column(column, error))
    }
}

fn from_server<'a, T: FromSql<'a>>(row: &'a postgres::Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(|error| wrong(column, error))
}

const NOTHING: &str = "there is nothing";

fn wrong<E: Into<Box<dyn Error + Send + Sync>>>(column: usize, error: E) -> SqlError {
    SqlError::column(column, error)
}
