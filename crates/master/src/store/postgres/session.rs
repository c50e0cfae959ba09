//! One connection to the server, with the statements that were prepared on it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use ::postgres::types::{ToSql, Type};
use ::postgres::{Client, Row, Statement};

use super::PostgresUrl;
use crate::clock::Stopwatch;
use crate::store::sql::{Result, Value};

/// What the server is told of a new connection.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s';
    SET client_min_messages = 'warning';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
/// After that long without use it is asked whether it is still there.
const IDLE: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Beyond that all are forgotten: filters of lists make many texts.
const STATEMENTS: usize = 256;

/// A connection.
pub(crate) struct Session {
    /// `None` only while it is dropped.
    client: RefCell<Option<Client>>,
    statements: RefCell<HashMap<String, Statement>>,
    used: Cell<Stopwatch>,
    lost: Cell<bool>,
}

impl Session {
    pub(in crate::store) fn open(url: &PostgresUrl) -> Result<Self> {
        let mut client = url.connect()?;
        client.batch_execute(SETTINGS)?;
        Ok(Self {
            client: RefCell::new(Some(client)),
            statements: RefCell::default(),
            used: Cell::new(Stopwatch::start()),
            lost: Cell::new(false),
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Client) -> std::result::Result<T, ::postgres::Error>,
    ) -> Result<T> {
        let mut client = self.client.borrow_mut();
        let done = work(client.as_mut().expect("there is a client until the drop"));
        self.used.set(Stopwatch::start());
        Ok(done?)
    }

    /// Several statements at once, without values.
    pub(super) fn batch(&self, statements: &str) -> Result<()> {
        self.with(|client| client.batch_execute(statements))
    }

    /// A statement that steers the transaction; when one fails, nobody knows any more where the transaction stands.
    pub(crate) fn control(&self, statement: &str) -> Result<()> {
        self.batch(statement).inspect_err(|_| self.lost.set(true))
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.get() || self.client.borrow().as_ref().is_none_or(Client::is_closed)
    }

    /// Whether it can be used: one that lay idle may have been ended by the server or the network.
    pub(super) fn is_alive(&self) -> bool {
        let fresh = self.used.get().elapsed() < IDLE;
        !self.is_lost() && (fresh || self.with(|client| client.is_valid(PATIENCE)).is_ok())
    }

    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        let statement = self.prepared(sql, values)?;
        self.with(|client| client.execute(&statement, &bound(&statement, values)))
    }

    pub(crate) fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let statement = self.prepared(sql, values)?;
        self.with(|client| client.query(&statement, &bound(&statement, values)))
    }

    fn prepared(&self, sql: &str, values: &[Value<'_>]) -> Result<Statement> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let types: Vec<_> = values.iter().map(kind).collect();
        let statement = self.with(|client| client.prepare_typed(&with_dollars(sql), &types))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// To say good-bye to the server the client blocks, which a thread that runs tasks must not.
impl Drop for Session {
    fn drop(&mut self) {
        let client = self.client.take();
        if tokio::runtime::Handle::try_current().is_ok() {
            std::thread::spawn(move || drop(client));
        }
    }
}

/// Without the type, a placeholder beside a literal would be of the literal's short type; nothing leaves it to the server.
fn kind(value: &Value<'_>) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

fn bound<'a>(statement: &Statement, values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let nothing = |kind: &Type| -> &(dyn ToSql + Sync) {
        match *kind {
            Type::INT8 => &None::<i64>,
            Type::BYTEA => &None::<&[u8]>,
            _ => &None::<&str>,
        }
    };
    let one = |(value, kind): (&'a Value<'_>, _)| -> &'a (dyn ToSql + Sync) {
        match value {
            Value::Null => nothing(kind),
            Value::Int(number) => number,
            Value::Text(text) => text,
            Value::Blob(bytes) => bytes,
        }
    };
    values.iter().zip(statement.params()).map(one).collect()
}

/// `?1` is `$1` there; what stands in quotes is left alone.
fn with_dollars(sql: &str) -> String {
    let mut quoted = false;
    let dollar = |letter| {
        quoted ^= letter == '\'';
        if letter == '?' && !quoted { '$' } else { letter }
    };
    sql.chars().map(dollar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_placeholders_change() {
        let sql = "SELECT 'what?1', a FROM b WHERE c = ?1 AND d <> 'it''s ?2' AND e = ?2";
        let want = "SELECT 'what?1', a FROM b WHERE c = $1 AND d <> 'it''s ?2' AND e = $2";
        assert_eq!(with_dollars(sql), want);
    }
}
