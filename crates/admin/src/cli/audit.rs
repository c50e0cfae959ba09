//! The audit.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatepass_contract::id::RequestId;
use gatepass_contract::name::UserName;

use crate::moment::Moment;

/// What can be done with the audit.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List records, oldest first.
    List(ListAudit),
    /// Write all records as JSON lines, checking the chain on the way.
    Export(ExportAudit),
    /// Check exports without the master; names the first broken record.
    ///
    /// The printed hash is that of the last record: compare it with one noted elsewhere to know that nothing was cut off
    /// at the end.
    Verify {
        /// The export, or several in the order in which they were made; `-` is standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// Which records.
#[derive(Debug, Args)]
pub struct ListAudit {
    /// By this user, whatever with.
    #[arg(long, value_name = "NAME")]
    pub user: Option<UserName>,

    /// Of this request: the id that a refusal names, as an agent, `gatepass check` or the master's log prints it.
    #[arg(long, value_name = "ID")]
    pub request: Option<RequestId>,

    /// Of this action, like key.revoke.
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,

    /// About this, like apikey:AEAQCAIBAEAQCAIB.
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,

    /// Not before this: an instant like 2026-11-22T20:00:00Z, or how long ago, like 2d.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Moment>,

    /// Before this.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Moment>,

    /// How many at most; all of them where absent.
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,

    /// Only what follows the record of this number.
    #[arg(long, value_name = "NUMBER", hide_short_help = true)]
    pub after: Option<u64>,
}

/// What to export.
#[derive(Debug, Args)]
pub struct ExportAudit {
    /// Write to this new file (mode 0600) instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Only what follows this record: the number of the last one of an earlier export.
    #[arg(long, value_name = "NUMBER")]
    pub after: Option<u64>,
}
