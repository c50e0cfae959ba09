//! Where everything of an instance is, and what its files say: pure.

use std::path::{Path, PathBuf};

use gatepass_contract::name::DisplayName;

use super::request::{Ca, Gateway, New, Way};

/// One installed agent: its user and its two directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// As whom it runs.
    pub user: String,
    /// Program and scripts.
    pub inst: PathBuf,
    /// Configuration, logs, certificates.
    pub data: PathBuf,
}

/// What a file of an instance says beyond what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What the agent is called.
    pub name: DisplayName,
    /// How the master reaches this host.
    pub host: String,
}

impl Instance {
    /// `TWS`, where the program is.
    #[must_use]
    pub fn tws(&self) -> PathBuf {
        self.inst.join("TWS")
    }

    /// This instance's own copy of the program.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.tws().join("bin/gatepass")
    }

    /// The configuration of the agent.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.data.join("gatepass/config.toml")
    }

    /// Its identity.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.data.join("gatepass/state")
    }

    /// Where readers of old expect certificates.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.data.join("ssl/certs")
    }

    /// The file that names the JWT.
    #[must_use]
    pub fn ita_ini(&self) -> PathBuf {
        self.data.join("ITA/cpa/ita/ita.ini")
    }

    /// The file that names agent and master.
    #[must_use]
    pub fn job_manager_ini(&self) -> PathBuf {
        self.data.join("ITA/cpa/config/JobManager.ini")
    }

    /// What the agent says.
    #[must_use]
    pub fn message_log(&self) -> PathBuf {
        self.data.join("stdlist/JM/JobManager_message.log")
    }

    /// What installations said.
    #[must_use]
    pub fn install_log(&self, version: &str) -> PathBuf {
        self.data.join(format!("installation/logs/twsinst_linux_{}^{version}.log", self.user))
    }

    /// The journal of the installation, beside the instance.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        beside(&self.inst, ".install")
    }

    /// The journal of the last update, beside the instance.
    #[must_use]
    pub fn update_journal(&self) -> PathBuf {
        beside(&self.inst, ".update")
    }

    /// The journal of a download under way, beside the instance.
    #[must_use]
    pub fn download_journal(&self) -> PathBuf {
        beside(&self.inst, ".download")
    }

    /// Where a download makes a new identity before it takes the place of the old one.
    #[must_use]
    pub fn fresh_state(&self) -> PathBuf {
        self.data.join("gatepass/state.new")
    }

    /// The unit's name.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("tebctl-tws_cpa_agent_{}.service", self.user)
    }

    /// Every directory, parents first, with its mode.
    #[must_use]
    pub fn directories(&self) -> Vec<(PathBuf, u32)> {
        let open = |path: PathBuf| (path, 0o755);
        let mut all = vec![open(self.inst.clone()), open(self.tws()), open(self.tws().join("bin"))];
        all.push(open(self.data.clone()));
        let inside =
            ["ITA", "ITA/cpa", "ITA/cpa/config", "ITA/cpa/ita", "installation", "installation/logs", "ssl"];
        all.extend(inside.map(|name| open(self.data.join(name))));
        all.extend(["stdlist", "stdlist/JM"].map(|name| open(self.data.join(name))));
        all.extend([(self.data.join("gatepass"), 0o750), (self.state(), 0o700)]);
        all
    }

    /// The line by which the registry knows it.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("TWA_path={}", self.inst.display())
    }

    /// Its entry in the registry; `{n}` is the entry's number.
    #[must_use]
    pub fn registry_entry(&self) -> String {
        format!(
            "#TWAInstance registry\nTWA_componentList=TWS\n{}\nTWS_basePath={}\nTWS_counter={{n}}\nTWS_datadir={}\n\
             TWS_instance_type=DA\nTWS_user_name={}\n",
            self.mark(),
            self.tws().display(),
            self.data.display(),
            self.user
        )
    }

    /// `tws_env.sh`: what shells are given to work with the instance.
    #[must_use]
    pub fn environment(&self) -> String {
        format!(
            "# To be sourced: . {tws}/tws_env.sh\nTWA_HOME='{inst}'\nTWS_HOME='{tws}'\nUNISONHOME='{tws}'\n\
             UNISONWORK='{data}'\nTWA_DATA_DIR='{data}'\nGATEPASS_CONFIG='{config}'\n\
             export TWA_HOME TWS_HOME UNISONHOME UNISONWORK TWA_DATA_DIR GATEPASS_CONFIG\n\
             PATH='{tws}/bin':\"$PATH\"\nexport PATH\n",
            inst = quoted(&self.inst),
            tws = quoted(&self.tws()),
            data = quoted(&self.data),
            config = quoted(&self.config()),
        )
    }

    /// The unit, where systemd runs services.
    #[must_use]
    pub fn unit_text(&self) -> String {
        format!(
            "[Unit]\nDescription=Agent of the instance {inst} (gatepass)\nWants=network-online.target\n\
             After=network-online.target\nStartLimitIntervalSec=0\n\n\
             [Service]\nType=notify\nNotifyAccess=main\nUser={user}\n\
             ExecStart=\"{program}\" --config \"{config}\" run\nExecReload=/bin/kill -HUP $MAINPID\n\
             Restart=always\nRestartSec=15s\nRestartPreventExitStatus=2\nTimeoutStartSec=3min\nWatchdogSec=40min\n\
             TimeoutStopSec=2min\nStandardError=append:{log}\nUMask=0077\nLimitCORE=0\nNoNewPrivileges=yes\n\
             PrivateTmp=yes\nProtectSystem=full\nProtectClock=yes\nProtectControlGroups=yes\n\
             ProtectKernelLogs=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\nRestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\nLockPersonality=yes\n\n[Install]\nWantedBy=multi-user.target\n",
            inst = escaped(&self.inst),
            user = self.user,
            program = escaped(&self.program()),
            config = escaped(&self.config()),
            log = escaped(&self.message_log()),
        )
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// For single quotes of a shell.
fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\'', r"'\''")
}

/// For a unit: a percent sign begins a specifier there. Of all else that means something in one nothing is in a path.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// `ITA/cpa/ita/ita.ini`.
#[must_use]
pub fn ita_ini(new: &New, instance: &Instance) -> String {
    let (plain, tls) = if new.is_tls { (0, new.port) } else { (new.port, 0) };
    let jwt = if new.jwt { jwt_line(instance) } else { String::new() };
    format!(
        "[ITA]\nname = JobManager\n\n{SSL}\ntcp_port = {plain}\nssl_port = {tls}\nssl version = atleast.TLSv1.2\n{jwt}"
    )
}

const SSL: &str = "[ITA SSL]";

/// The entry that leads a reader to the JWT.
fn jwt_line(instance: &Instance) -> String {
    format!("jwt_file = {}\n", instance.state().join("current/agent.jwt").display())
}

/// The same `ita.ini` with the entry, or without it.
#[must_use]
pub fn with_jwt(text: &str, instance: &Instance, wanted: bool) -> String {
    let is_entry = |line: &&str| line.split('=').next().is_some_and(|name| name.trim() == "jwt_file");
    let mut lines: Vec<String> =
        text.lines().filter(|line| !is_entry(line)).map(|line| format!("{line}\n")).collect();
    if wanted {
        match lines.iter().position(|line| line.trim() == SSL) {
            Some(at) => lines.insert(at + 1, jwt_line(instance)),
            None => lines.push(format!("{SSL}\n{}", jwt_line(instance))),
        }
    }
    lines.concat()
}

/// The same `JobManager.ini` with another agent's id and another way to the master.
#[must_use]
pub fn with_agent(text: &str, agent: &str, way: &Way) -> String {
    let changed = |line: &str| match line.split('=').next().map(str::trim) {
        Some("AgentID") => format!("AgentID = {agent}\n"),
        Some("ResourceAdvisorUrl") => format!("ResourceAdvisorUrl = {}\n", way.resource_url()),
        _ => format!("{line}\n"),
    };
    text.lines().map(changed).collect()
}

/// `ITA/cpa/config/JobManager.ini`, for an agent with that id.
#[must_use]
pub fn job_manager_ini(new: &New, facts: &Facts, agent: &str) -> String {
    let url = new.way.as_ref().map(Way::resource_url).unwrap_or_default();
    format!(
        "[ResourceAdvisorAgent]\nResourceAdvisorUrl = {url}\nBackupResourceAdvisorUrls =\n\
         FullyQualifiedHostname = {}\nAgentID = {agent}\nComputerSystemDisplayName = {}\n\
         NotifyToResourceAdvisorPeriodSeconds = 119\nCPUScannerPeriodSeconds = 10\n",
        facts.host, facts.name
    )
}

/// `ITA/cpa/config/JobManagerGW.ini`, where the agent is a gateway.
#[must_use]
pub fn gateway_ini(new: &New, facts: &Facts) -> Option<String> {
    let (id, host, port) = (&new.gateway_id, &facts.host, new.port);
    (new.gateway == Gateway::Local).then(|| {
        format!(
            "[ITA]\nActionPollers = 1\n\n[JobManagerGW]\nJobManagerGWID = {id}\n\
             JobManagerGWURIs = https://{host}:{port}/ita/JobManagerGW/JobManagerRESTWeb/JobScheduler/resource\n\
             EIFPort = {}\n",
            new.event_port
        )
    })
}

/// `ITA/cpa/config/pools.properties`.
pub const POOLS: &str =
    "# One pool a line; `;optional` where the agent may go on without it, `;skip` where it is left out.\n";

/// The agent's own configuration.
#[must_use]
pub fn config(new: &New, facts: &Facts, instance: &Instance) -> String {
    let mut table = toml::Table::new();
    let text = |path: PathBuf| toml::Value::String(path.to_string_lossy().into_owned());
    let (key, value): (_, toml::Value) = match &new.way {
        Some(Way::Master(url)) => ("masters", vec![url.to_string()].into()),
        Some(Way::Gateway(place)) => ("gateways", vec![place.to_string()].into()),
        None => ("adopted", toml::Table::from_iter([("dir".into(), text(instance.certificates()))]).into()),
    };
    table.insert(key.into(), value);
    table.insert("name".into(), facts.name.to_string().into());
    table.insert("state_dir".into(), text(instance.state()));
    match &new.ca {
        Some(Ca::File(_)) => _ = table.insert("ca_file".into(), text(ca_copy(instance))),
        Some(Ca::Fingerprint(digest)) => _ = table.insert("ca_fingerprint".into(), digest.to_string().into()),
        None => {}
    }
    if new.gateway == Gateway::Local {
        let gateway = [("listen", format!("[::]:{}", new.port)), ("id", new.gateway_id.clone())];
        let gateway = gateway.map(|(key, value)| (key.to_owned(), value.into()));
        table.insert("gateway".into(), toml::Table::from_iter(gateway).into());
    }
    if new.way.is_some() && !new.jwt {
        table.insert("output".into(), vec![toml::Value::Table(certificates_output(instance))].into());
    }
    format!("# Of the instance {}; twsinst wrote it.\n{table}", instance.inst.display())
}

/// `[[output]]` for those who read certificates.
#[must_use]
pub fn certificates_output(instance: &Instance) -> toml::Table {
    let dir = instance.certificates().to_string_lossy().into_owned();
    toml::Table::from_iter([("dir".into(), dir.into()), ("format".into(), "tws".into())])
}

/// Where the file of `-cafile` goes: the agent's user can read it there.
#[must_use]
pub fn ca_copy(instance: &Instance) -> PathBuf {
    instance.data.join("gatepass/master-ca.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance { user: "u".into(), inst: "/opt/HCL/TWA_u".into(), data: "/opt/HCL/TWA_u/TWSDATA".into() }
    }

    #[test]
    fn the_entry_for_the_jwt_comes_and_goes_and_all_else_stays() {
        let (instance, entry) =
            (instance(), "jwt_file = /opt/HCL/TWA_u/TWSDATA/gatepass/state/current/agent.jwt\n");
        let without = "# mine\n[ITA SSL]\nssl_port = 31114\n[Other]\nx = 1\n";
        let with = with_jwt(without, &instance, true);
        assert_eq!(with, format!("# mine\n[ITA SSL]\n{entry}ssl_port = 31114\n[Other]\nx = 1\n"));
        assert_eq!(with_jwt(&with, &instance, true), with);
        assert_eq!(with_jwt(&with, &instance, false), without);
        assert_eq!(with_jwt("", &instance, true), format!("[ITA SSL]\n{entry}"));
    }

    #[test]
    fn paths_survive_shells_and_units() {
        let odd = Instance { inst: "/opt/a'b 50%".into(), ..instance() };
        assert!(odd.environment().contains(r"TWA_HOME='/opt/a'\''b 50%'"), "{}", odd.environment());
        assert!(odd.unit_text().contains("ExecStart=\"/opt/a'b 50%%/TWS/bin/gatepass\""));
        assert_eq!(odd.journal(), Path::new("/opt/a'b 50%.install"));
    }
}
