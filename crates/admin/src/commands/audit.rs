//! The audit: reading it, keeping it, checking what was kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use gatepass_contract::audit::{Beginning, Record, Verified, Verifier};
use gatepass_contract::digest::Sha256;
use gatepass_contract::wire::admin::AuditQuery;
use serde::Serialize;

use super::session::Session;
use crate::cli::{AuditCommand, ExportAudit, ListArguments, ListAudit};
use crate::error::CtlError;
use crate::output::{self, Form};
use crate::secret_file::SecretFile;
use crate::table;

pub(super) async fn run(command: AuditCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        AuditCommand::List(arguments) => list(arguments, session).await,
        AuditCommand::Export(arguments) => export(&arguments, session).await,
        AuditCommand::Verify { files } => verify(&files, session.form),
    }
}

async fn list(arguments: ListAudit, session: &Session) -> Result<(), CtlError> {
    let now = session.master.time().await?;
    let query = AuditQuery {
        after: None,
        limit: None,
        user: arguments.user,
        request: arguments.request,
        action: arguments.action,
        subject: arguments.subject,
        since: arguments.since.map(|since| since.before(now)),
        until: arguments.until.map(|until| until.before(now)),
    };
    let after = arguments.after.map(|number| number.to_string());
    let extent = ListArguments { limit: arguments.limit, after }.into();
    session.list(&session.master.audit(query, extent).await?, table::audit).await
}

/// What a chain of records has come to, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Report {
    records: u64,
    first: u64,
    last: u64,
    hash: Sha256,
    beginning: &'static str,
}

impl Report {
    fn of(verifier: &Verifier) -> Option<Self> {
        let Verified { first, last, beginning } = verifier.verified()?;
        let beginning = match beginning {
            Beginning::First => "the first record there ever was",
            Beginning::Continued => "where an earlier export ends",
            Beginning::Pruned => "where retention has cut it, as a later record tells",
            Beginning::Unproven => "unproven: what was before is not told",
        };
        Some(Self { records: last.seq + 1 - first, first, last: last.seq, hash: last.hash, beginning })
    }
}

/// The same in words.
fn said(report: Option<&Report>) -> String {
    report.map_or_else(
        || "no records".to_owned(),
        |report| {
            let Report { records, first, last, hash, beginning } = report;
            format!("{records} records, {first} to {last}, unbroken\nbegins with: {beginning}\nhash of the last: {hash}")
        },
    )
}

async fn export(arguments: &ExportAudit, session: &Session) -> Result<(), CtlError> {
    let mut verifier = Verifier::new();
    match &arguments.out {
        None => to_output(arguments.after, &mut verifier, session).await?,
        Some(path) => to_file(path, arguments.after, &mut verifier, session).await?,
    }
    output::talk(said(Report::of(&verifier).as_ref()));
    Ok(())
}

async fn to_output(after: Option<u64>, verifier: &mut Verifier, session: &Session) -> Result<(), CtlError> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let write = |record: Record| {
        verifier.follow(&record)?;
        writeln!(stdout, "{}", line(&record)).map_err(CtlError::Output)
    };
    session.master.audit_from(after, write).await?;
    stdout.flush().map_err(CtlError::Output)
}

async fn to_file(
    path: &Path,
    after: Option<u64>,
    verifier: &mut Verifier,
    session: &Session,
) -> Result<(), CtlError> {
    let mut file = SecretFile::create(path)?;
    let unwritable = |source| CtlError::Unwritable { file: path.to_owned(), source };
    let write = |record: Record| {
        verifier.follow(&record)?;
        file.append(&line(&record)).map_err(unwritable)
    };
    session.master.audit_from(after, write).await?;
    file.finish().map_err(unwritable)
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).expect("a record always serializes")
}

/// Checks exports that follow each other. No master is asked.
pub(super) fn verify(files: &[PathBuf], form: Form) -> Result<(), CtlError> {
    let mut verifier = Verifier::new();
    for file in files {
        if file == Path::new("-") {
            check(io::stdin().lock(), &mut verifier, CtlError::StandardInput)?;
        } else {
            let unreadable = |source| CtlError::unreadable(file, source);
            let opened = File::open(file).map_err(unreadable)?;
            check(BufReader::new(opened), &mut verifier, unreadable)?;
        }
    }
    let report = Report::of(&verifier);
    output::print(&form.machine(&report).unwrap_or_else(|| said(report.as_ref())))
}

fn check(
    from: impl BufRead,
    verifier: &mut Verifier,
    unreadable: impl Fn(io::Error) -> CtlError,
) -> Result<(), CtlError> {
    for line in from.lines() {
        verifier.line(&line.map_err(&unreadable)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatepass_contract::audit::{DONE, Entry, Head};
    use gatepass_contract::id::RequestId;
    use gatepass_contract::time::UnixTime;

    use super::*;

    fn chain(n: u8) -> Vec<Record> {
        let mut head = Head::EMPTY;
        let entry = |n: u8| Entry {
            at: UnixTime(i64::from(n)),
            request: RequestId([n; 10]),
            actor: "master".to_owned(),
            action: "key.create".to_owned(),
            subject: String::new(),
            outcome: DONE.to_owned(),
            from: "127.0.0.1".parse().expect("an address"),
            detail: "{}".to_owned(),
        };
        (1..=n)
            .map(|n| {
                let record = head.append(entry(n));
                head = record.head();
                record
            })
            .collect()
    }

    fn checked(parts: &[&[Record]]) -> Result<Option<Report>, String> {
        let mut verifier = Verifier::new();
        for part in parts {
            let text: String = part.iter().map(|record| line(record) + "\n").collect();
            check(text.as_bytes(), &mut verifier, CtlError::StandardInput)
                .map_err(|error| error.to_string())?;
        }
        Ok(Report::of(&verifier))
    }

    #[test]
    fn a_whole_chain_is_good_in_one_part_or_in_several() {
        let all = chain(5);
        let whole = checked(&[&all]).expect("unbroken").expect("records");
        assert_eq!((whole.records, whole.first, whole.last, whole.hash), (5, 1, 5, all[4].hash));
        assert_eq!(checked(&[&all[..2], &all[2..]]), Ok(Some(whole.clone())));
        assert!(said(Some(&whole)).starts_with("5 records, 1 to 5, unbroken\nbegins with: the first record"));
        let rest = checked(&[&all[2..]]).expect("unbroken").expect("records");
        assert_eq!((rest.records, rest.first, rest.last), (3, 3, 5));
        assert!(rest.beginning.starts_with("unproven"), "{rest:?}");
        assert_eq!(said(checked(&[]).expect("nothing").as_ref()), "no records");
    }

    #[test]
    fn the_first_broken_record_is_named() {
        let mut changed = chain(5);
        changed[2].actor = "user:mallory".to_owned();
        let mut missing = chain(5);
        missing.remove(3);
        for (records, want) in [
            (changed, "audit record 3 was changed after it was written"),
            (missing, "audit record 4 is missing or out of place"),
        ] {
            assert_eq!(checked(&[&records]), Err(want.to_owned()));
        }
        let nonsense = check("{}\n".as_bytes(), &mut Verifier::new(), CtlError::StandardInput);
        assert_eq!(nonsense.expect_err("no record").to_string(), "audit record 1 cannot be read");
    }
}
