//! Who may read and write what, and whether there is room.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::Subject;
use super::finding::{Finding, Findings, Severity};
use super::id::Id;

/// The configuration, the files with secrets, the state directory, and the file systems that are written.
pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    findings.add(configuration(subject.config_file));
    findings.extend(subject.secret_files.iter().filter_map(|file| exposed_secret(file)));
    findings.extend(state(subject.state_dir));
    let outputs = subject.outputs.iter().filter_map(|output| output.dir().parent());
    let mut seen = Vec::new();
    for dir in std::iter::once(subject.state_dir).chain(outputs) {
        let Some((dir, meta)) = nearest(dir) else { continue };
        if !seen.contains(&meta.dev()) {
            seen.push(meta.dev());
            findings.extend(disk(&dir));
        }
    }
}

fn configuration(file: Option<&Path>) -> Finding {
    let Some(file) = file else { return Finding::fine(Id::ConfigDefault, Id::ConfigDefault.about()) };
    let shown = file.display();
    match fs::metadata(file).map(|meta| meta.permissions().mode() & 0o7777) {
        Ok(mode) if mode & 0o022 != 0 => {
            Finding::warning(Id::ConfigExposed, format!("{shown} can be written by others (mode {mode:04o})"))
                .with_hint(Some(format!("chmod go-w {shown}")))
        }
        Ok(_) => Finding::fine(Id::ConfigAccepted, format!("{shown} is accepted")),
        Err(error) => Finding::warning(Id::ConfigUnreadable, format!("{shown}: {error}")),
    }
}

/// Whether it can be read at all is somebody else's finding.
fn exposed_secret(file: &Path) -> Option<Finding> {
    let mode = fs::metadata(file).ok().filter(Metadata::is_file)?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then(|| {
        let shown = file.display();
        Finding::warning(
            Id::SecretExposed,
            format!("{shown} holds a secret and is open to others (mode {mode:04o})"),
        )
        .with_hint(Some(format!("chmod go= {shown}; if anybody may have read it, replace what it holds")))
    })
}

/// Every file and directory of it: private, and of one owner.
fn state(root: &Path) -> Vec<Finding> {
    let shown = root.display();
    let meta = match fs::metadata(root) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![Finding::fine(Id::StateMissing, format!("{shown} does not exist yet"))];
        }
        Err(error) => return vec![Finding::broken(Id::StoreUnreadable, format!("{shown}: {error}"))],
    };
    let mut all = vec![(root.to_owned(), meta.clone())];
    if let Err((path, error)) = gather(root, &mut all) {
        let message = format!("{} cannot be read: {error}", path.display());
        return vec![Finding::broken(Id::StoreUnreadable, message)];
    }
    let open = all.iter().find(|(_, meta)| meta.permissions().mode() & 0o077 != 0).map(|(path, meta)| {
        let (path, mode) = (path.display(), meta.permissions().mode() & 0o7777);
        Finding::broken(Id::StateExposed, format!("{path} is open to others (mode {mode:04o})"))
            .with_hint(Some(format!("chmod -R go= {shown}")))
    });
    let foreign = all.iter().find(|(_, of)| of.uid() != meta.uid()).map(|(path, of)| {
        let (path, uid, owner) = (path.display(), of.uid(), meta.uid());
        Finding::broken(
            Id::StateOwner,
            format!("{path} belongs to user {uid}, the directory to user {owner}"),
        )
        .with_hint(Some(format!("chown -R {owner} {shown}")))
    });
    let found: Vec<_> = open.into_iter().chain(foreign).collect();
    if found.is_empty() {
        vec![Finding::fine(Id::StatePrivate, format!("{shown} is closed to others"))]
    } else {
        found
    }
}

fn gather(dir: &Path, all: &mut Vec<(PathBuf, Metadata)>) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        let meta = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // a daemon at work replaces its files
            meta => meta.map_err(at(&path))?,
        };
        if meta.is_dir() {
            gather(&path, all)?;
        }
        if !meta.is_symlink() {
            all.push((path, meta));
        }
    }
    Ok(())
}

/// The directory, or the one above it that exists.
fn nearest(dir: &Path) -> Option<(PathBuf, Metadata)> {
    dir.ancestors().find_map(|dir| fs::metadata(dir).ok().map(|meta| (dir.to_owned(), meta)))
}

fn disk(dir: &Path) -> Vec<Finding> {
    let Ok(found) = statvfs(dir) else { return Vec::new() };
    let shown = dir.display();
    if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return vec![Finding::broken(
            Id::DiskReadonly,
            format!("{shown} is on a file system that is mounted read-only"),
        )];
    }
    let room = found.f_bavail.saturating_mul(found.f_frsize) / 1024;
    let scarce = scarcity(room, ROOM).map(|bad| {
        Finding::warning(Id::DiskRoom, format!("{room} KiB are free where {shown} is")).as_bad_as(bad)
    });
    let files = found.f_favail;
    let few = scarcity(files, FILES).filter(|_| found.f_files > 0).map(|bad| {
        Finding::warning(Id::DiskInodes, format!("{files} more files fit where {shown} is")).as_bad_as(bad)
    });
    let found: Vec<_> = scarce.into_iter().chain(few).collect();
    if found.is_empty() {
        vec![Finding::fine(Id::DiskRoom, format!("there is room enough where {shown} is"))]
    } else {
        found
    }
}

/// How bad it is to have no more: below the first it does not work, below the second it soon will not.
fn scarcity(left: u64, (least, little): (u64, u64)) -> Option<Severity> {
    match left {
        left if left < least => Some(Severity::Broken),
        left if left < little => Some(Severity::Warning),
        _ => None,
    }
}

/// KiB: a generation takes some twenty, its predecessor stays beside it.
const ROOM: (u64, u64) = (256, 16 * 1024);
const FILES: (u64, u64) = (16, 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_decides_how_bad_it_is() {
        for (left, want) in [
            (0, Some(Severity::Broken)),
            (255, Some(Severity::Broken)),
            (256, Some(Severity::Warning)),
            (16 * 1024 - 1, Some(Severity::Warning)),
            (16 * 1024, None),
        ] {
            assert_eq!(scarcity(left, ROOM), want, "{left}");
        }
    }
}
