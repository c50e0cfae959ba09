//! Where else the identity goes, and what is told of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::Subject;
use super::finding::{Finding, Findings};
use super::id::Id;
use super::units::{self, Unit};
use crate::hooks::Hook;
use crate::state::State;
use crate::store::Store;
use crate::trouble::whole;

/// Whether every output holds what is current. Pair, chain, owner and modes included: it is compared with what would be
/// written.
pub(super) fn outputs(subject: &Subject<'_>, store: &Store, findings: &mut Findings) {
    let Ok(Some((_, parts))) = store.current() else { return };
    for output in subject.outputs {
        let dir = output.dir().display();
        findings.add(match output.holds(&parts) {
            Ok(true) => Finding::fine(Id::OutputCurrent, format!("{dir} holds the current identity")),
            Ok(false) => {
                Finding::warning(Id::OutputStale, format!("{dir} does not hold the current identity"))
                    .with_hint(Some("is the daemon running, and may it write there?".to_owned()))
            }
            Err(error) => Finding::broken(Id::OutputImpossible, whole(&error)).with_hint(None),
        });
    }
}

/// Whether what they run is there, and how they went the last time.
pub(super) async fn hooks(hooks: &[Hook], state: &State, findings: &mut Findings) {
    for hook in hooks {
        let Ok(written) = serde_json::to_value(hook) else { continue };
        let name = written["name"].as_str().unwrap_or_default();
        if let Some(program) = written["run"][0].as_str() {
            findings.add(runnable(name, Path::new(program)));
        }
        let units = [&written["reload"], &written["restart"], &written["signal"]["unit"]];
        for unit in units.into_iter().filter_map(Value::as_str) {
            findings.extend(units::show(unit).await.map(|known| about_unit(name, unit, &known)));
        }
    }
    let failed = state.hooks.iter().filter(|result| !result.ok);
    findings.extend(failed.map(|result| {
        Finding::warning(Id::HookFailed, format!("hook `{}` failed: {}", result.name, result.detail))
    }));
}

fn about_unit(hook: &str, unit: &str, known: &Unit) -> Finding {
    if known.is_there() {
        Finding::fine(Id::HookReady, format!("hook `{hook}`: {unit} is there"))
    } else {
        Finding::warning(Id::HookUnit, format!("hook `{hook}`: systemd has no unit {unit}"))
    }
}

fn runnable(hook: &str, program: &Path) -> Finding {
    let shown = program.display();
    match std::fs::metadata(program) {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => {
            Finding::fine(Id::HookReady, format!("hook `{hook}`: {shown} is there"))
        }
        Ok(_) => Finding::warning(Id::HookMissing, format!("hook `{hook}`: {shown} cannot be run")),
        Err(error) => Finding::warning(Id::HookMissing, format!("hook `{hook}`: {shown}: {error}")),
    }
}
