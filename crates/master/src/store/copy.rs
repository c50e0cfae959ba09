//! All that is in one database, put into another.
//!
//! Invariants: what is read is one state of the source, what is written appears whole. Before that each table is read back
//! and compared with what was read, and the audit's chain is followed: a copy that differs does not appear.
//!
//! The tables and their columns are those that the migrations make: nothing here has to be kept in step with them.

use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use gatepass_contract::audit::{Beginning, Broken, Verified};
use gatepass_contract::digest::Sha256;

use super::sql::{self, Conn, Row, SqlError, Value};
use super::{Database, StoreError, audit, migrations, postgres, sqlite};

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Each table, and how many rows of it.
    pub tables: Vec<(String, u64)>,
    /// The audit that came with it.
    pub audit: Verified,
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the two cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A master serves it, or somebody else looks into it.
    #[error("the database is in use")]
    InUse(#[source] StoreError),
    /// The target holds something.
    #[error("the database to copy into is not empty: there are rows in {table}")]
    NotEmpty {
        /// Where.
        table: String,
    },
    /// The source was made by another version.
    #[error("the database has schema {found}, this version knows {known}")]
    Version {
        /// What the source has.
        found: u32,
        /// What this program has.
        known: u32,
    },
    /// What was written is not what was read.
    #[error("the copy of {table} differs")]
    Differs {
        /// Which table.
        table: String,
    },
    /// The audit's chain does not hold.
    #[error(transparent)]
    Audit(#[from] Broken),
    /// There is no master in the source, or its audit was emptied.
    #[error("the database holds no audit")]
    NoAudit,
    /// The audit's beginning is gone.
    #[error("the audit begins with record {first}, and no record tells that those before were dropped")]
    Cut {
        /// Its number.
        first: u64,
    },
}

impl From<SqlError> for CopyError {
    fn from(error: SqlError) -> Self {
        StoreError::from(error).into()
    }
}

impl Database {
    /// Copies everything into `to`, where there must be nothing. A file is taken for this process alone meanwhile, so
    /// that nothing is written to it that would be missing in the copy; a server is read as it stands at this moment.
    pub fn copy_into(&self, to: &Self) -> Result<Copied, CopyError> {
        match self {
            Self::File(path) => {
                let conn = sqlite::open_alone(path).map_err(CopyError::InUse)?;
                to.fill(Conn::Sqlite(&conn))
            }
            Self::Server(url) => {
                let readers = postgres::Readers::new(url.clone());
                readers.with(|conn| {
                    conn.control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
                    let copied = known_version(conn).and_then(|()| to.fill(conn));
                    conn.control("COMMIT").map(|()| copied)
                })?
            }
        }
    }

    /// Writes a copy of everything into a new file, as it stands at this moment; whoever uses the database goes on.
    pub fn back_up(&self, path: &Path) -> Result<(), CopyError> {
        match self {
            Self::File(own) => Ok(sqlite::copy_whole(own, path)?),
            Self::Server(_) => self.copy_into(&Self::File(path.to_owned())).map(drop),
        }
    }

    fn fill(&self, from: Conn<'_>) -> Result<Copied, CopyError> {
        let (mut writing, _) = self.open()?;
        let mut outcome = Err(CopyError::NoAudit);
        let transacted = writing.transact(|to| {
            outcome = copy(from, to);
            // Any error undoes what was written; the reason is told below.
            outcome.as_ref().map(drop).map_err(|_| StoreError::Closed)
        });
        let copied = outcome?;
        transacted?;
        Ok(copied)
    }
}

/// What this program knows, or what would be missing is not even noticed.
fn known_version(conn: Conn<'_>) -> Result<(), CopyError> {
    let found = conn.one("SELECT version FROM schema_version", &[], |row| row.number(0))?.unwrap_or(0);
    let known = migrations::known();
    if found == known { Ok(()) } else { Err(CopyError::Version { found, known }) }
}

fn copy(from: Conn<'_>, to: Conn<'_>) -> Result<Copied, CopyError> {
    let all = tables()?;
    for table in &all {
        if to.exists(&format!("SELECT 1 FROM {}", table.name), &[])? {
            return Err(CopyError::NotEmpty { table: table.name.clone() });
        }
    }
    let mut copied = Vec::new();
    for table in &all {
        let read = table.walk(from, |rows| table.insert(to, rows))?;
        if table.walk(to, |_| Ok(()))? != read {
            return Err(CopyError::Differs { table: table.name.clone() });
        }
        copied.push((table.name.clone(), read.rows));
    }
    Ok(Copied { tables: copied, audit: verified(to)? })
}

fn verified(conn: Conn<'_>) -> Result<Verified, CopyError> {
    let verified = audit::verified(conn)??.ok_or(CopyError::NoAudit)?;
    match verified.beginning {
        Beginning::First | Beginning::Pruned | Beginning::Continued => Ok(verified),
        Beginning::Unproven => Err(CopyError::Cut { first: verified.first }),
    }
}

/// A table as the migrations make it.
struct Table {
    name: String,
    columns: Vec<Column>,
    /// Which of them, in order, make the primary key.
    key: Vec<usize>,
    refers_to: Vec<String>,
}

struct Column {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Integer,
    Text,
    Blob,
}

/// What a row holds.
enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// What was seen of a table.
#[derive(PartialEq, Eq)]
struct Seen {
    rows: u64,
    digest: Sha256,
}

const ROWS_READ: u32 = 1000;
/// Each statement is a round trip to a server; it can have 65,535 values.
const ROWS_WRITTEN: usize = 50;

impl Table {
    /// Hands all rows to `each`, some at a time, in the order of the primary key.
    fn walk(
        &self,
        conn: Conn<'_>,
        mut each: impl FnMut(&[Vec<Cell>]) -> sql::Result<()>,
    ) -> sql::Result<Seen> {
        let mut seen = Context::new(&SHA256);
        let mut count = 0;
        let mut rows = self.page(conn, None)?;
        while let Some(last) = rows.last() {
            each(&rows)?;
            rows.iter().flatten().for_each(|cell| cell.digest(&mut seen));
            count += rows.len() as u64;
            rows = self.page(conn, Some(last))?;
        }
        let digest = Sha256(seen.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"));
        Ok(Seen { rows: count, digest })
    }

    fn page(&self, conn: Conn<'_>, after: Option<&Vec<Cell>>) -> sql::Result<Vec<Vec<Cell>>> {
        let key = self.key.iter().map(|&at| self.columns[at].name.as_str()).collect::<Vec<_>>().join(", ");
        let behind = after
            .map_or(String::new(), |_| format!(" WHERE ({key}) > ({})", placeholders(1, self.key.len())));
        let text =
            format!("SELECT {} FROM {}{behind} ORDER BY {key} LIMIT {ROWS_READ}", self.names(), self.name);
        let values: Vec<_> =
            after.map_or(Vec::new(), |last| self.key.iter().map(|&at| last[at].value()).collect());
        conn.query(&text, &values, |row| {
            let cells = self.columns.iter().enumerate();
            cells.map(|(at, column)| column.kind.read(row, at)).collect()
        })
    }

    fn insert(&self, conn: Conn<'_>, rows: &[Vec<Cell>]) -> sql::Result<()> {
        for some in rows.chunks(ROWS_WRITTEN) {
            let width = self.columns.len();
            let groups: Vec<_> =
                (0..some.len()).map(|row| format!("({})", placeholders(row * width + 1, width))).collect();
            let text = format!("INSERT INTO {} ({}) VALUES {}", self.name, self.names(), groups.join(", "));
            let values: Vec<_> = some.iter().flatten().map(Cell::value).collect();
            conn.execute(&text, &values)?;
        }
        Ok(())
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn placeholders(from: usize, count: usize) -> String {
    (from..from + count).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ")
}

impl Kind {
    fn read(self, row: &Row<'_>, at: usize) -> sql::Result<Cell> {
        Ok(match self {
            Self::Integer => row.opt_int(at)?.map_or(Cell::Null, Cell::Integer),
            Self::Text => row.opt_text(at)?.map_or(Cell::Null, |text| Cell::Text(text.to_owned())),
            Self::Blob => row.opt_blob(at)?.map_or(Cell::Null, |bytes| Cell::Blob(bytes.to_vec())),
        })
    }
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }

    /// With its kind and length before it: no two different rows look alike.
    fn digest(&self, into: &mut Context) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Integer(number) => (1, &number.to_be_bytes()),
            Self::Text(text) => (2, text.as_bytes()),
            Self::Blob(bytes) => (3, bytes),
        };
        into.update(&[kind]);
        into.update(&(bytes.len() as u64).to_be_bytes());
        into.update(bytes);
    }
}

/// Every table there is, none before those it refers to.
fn tables() -> sql::Result<Vec<Table>> {
    let scratch = rusqlite::Connection::open_in_memory()?;
    for migration in migrations::for_sqlite(0).unwrap_or_default() {
        scratch.execute_batch(&migration)?;
    }
    let conn = Conn::Sqlite(&scratch);
    let names = conn.query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
        &[],
        |row| row.text(0).map(str::to_owned),
    )?;
    let mut left = names.into_iter().map(|name| table(conn, name)).collect::<sql::Result<Vec<_>>>()?;
    let mut sorted: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let placed: Vec<_> = sorted.iter().map(|table| table.name.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|table| table.refers_to.iter().all(|other| placed.contains(other)));
        assert!(!ready.is_empty(), "no tables refer to each other in a circle");
        sorted.extend(ready);
        left = rest;
    }
    Ok(sorted)
}

fn table(conn: Conn<'_>, name: String) -> sql::Result<Table> {
    let columns = conn.query(
        &format!("SELECT name, type, pk FROM pragma_table_info('{name}') ORDER BY cid"),
        &[],
        |row| {
            let kind = match row.text(1)? {
                "INTEGER" => Kind::Integer,
                "TEXT" => Kind::Text,
                _ => Kind::Blob,
            };
            Ok((Column { name: row.text(0)?.to_owned(), kind }, row.number::<u32>(2)?))
        },
    )?;
    let mut key: Vec<_> = (0..columns.len()).filter(|&at| columns[at].1 > 0).collect();
    key.sort_by_key(|&at| columns[at].1);
    let refers_to =
        conn.query(&format!("SELECT \"table\" FROM pragma_foreign_key_list('{name}')"), &[], |row| {
            row.text(0).map(str::to_owned)
        })?;
    let refers_to = refers_to.into_iter().filter(|other| *other != name).collect();
    Ok(Table { name, columns: columns.into_iter().map(|(column, _)| column).collect(), key, refers_to })
}
