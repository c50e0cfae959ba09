//! `gatepass-master backup`, `restore` and `migrate`.

use std::path::Path;

use super::{CommandError, configuration, once};
use crate::backup::{self, MasterKey, Restored};
use crate::cli::{BackupArguments, MigrateArguments, RestoreArguments};
use crate::clock;
use crate::domain::audit::Cause;
use crate::init::file;
use crate::migrate;
use crate::output::{answer, talk};
use crate::random;

pub(super) fn back_up(arguments: &BackupArguments) -> Result<(), CommandError> {
    let dir = &arguments.place.dir;
    let key = if arguments.with_key { MasterKey::Included } else { MasterKey::LeftOut };
    backup::back_up(dir, &configuration(dir)?, &arguments.to, key)?;
    answer(arguments.to.display())?;
    match key {
        MasterKey::Included => talk("gatepass-master: whoever reads it can be this master: keep it like one"),
        MasterKey::LeftOut => talk(format_args!(
            "gatepass-master: it is of no use without {}, which is not in it: keep that elsewhere",
            dir.join(file::KEY).display()
        )),
    }
    Ok(())
}

pub(super) fn restore(arguments: RestoreArguments) -> Result<(), CommandError> {
    let RestoreArguments { from, dir, database_url } = arguments;
    let cause = Cause::of_the_master(random::request_id(), clock::now());
    let Restored { audit, key } = once(backup::restore(&from, &dir, database_url, cause))?;
    answer(dir.display())?;
    let shown = dir.display();
    talk(format_args!(
        "gatepass-master: its audit ends with record {}, hash {}: what was done since is not in it",
        audit.last.seq, audit.last.hash
    ));
    if key == MasterKey::LeftOut {
        talk(format_args!("gatepass-master: put the master's key in place first: {shown}/{}", file::KEY));
    }
    talk(format_args!(
        "gatepass-master: next: gatepass-master audit replay EXPORT --dir {shown}, which shows from an export of the audit \
         what was revoked since and is good again now"
    ));
    Ok(())
}

pub(super) fn migrate(arguments: MigrateArguments) -> Result<(), CommandError> {
    let MigrateArguments { place, to } = arguments;
    let url = to.to_string();
    let has_password = to.password().is_some();
    let copied = migrate::migrate(&place.dir, &configuration(&place.dir)?, to)?;
    for (table, rows) in &copied.tables {
        answer(format_args!("{rows:>10} {table}"))?;
    }
    let config = place.dir.join(file::CONFIG);
    talk(format_args!(
        "gatepass-master: all of it is there and was read back; its audit holds up to record {}, hash {}",
        copied.audit.last.seq, copied.audit.last.hash
    ));
    talk(format_args!(
        "gatepass-master: next: put this into {}, then start the master:\n\n[database]\nurl = \"{url}\"{}\n",
        config.display(),
        if has_password { "\npassword_file = \"database.password\"" } else { "" }
    ));
    talk(old_file(&place.dir));
    Ok(())
}

fn old_file(dir: &Path) -> String {
    let file = dir.join(file::DATABASE);
    format!("gatepass-master: {} is as it was; take it away once the master runs", file.display())
}
