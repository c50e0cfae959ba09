//! The pages of the commands that Gatepass takes over, made from the tables that their parser obeys.

use std::fmt::Write as _;

use gatepass::dialect::codes::Ending;
use gatepass::dialect::parameters::{DOWNLOADER, Parameter, TWSINST, Takes, Treatment};

use super::{DATE, roff, source};

/// Name of file and text of each page.
pub(super) fn pages() -> [(String, String); 2] {
    [
        page(
            "twsinst",
            "install a workload agent with the command lines of the product's installer",
            "Takes the documented command lines of the installer of HCL and IBM Workload Automation agents and makes a \
             Gatepass agent. One dash or two; \\fB\\-jwt=false\\fR is \\fB\\-jwt false\\fR. A second run changes nothing; a \
             stopped one is taken up where it stopped; a failed one leaves the host as it was. Secrets leave the arguments \
             of the process before anything else is done.",
            "-",
            TWSINST,
        ),
        page(
            "AgentCertificateDownloader.sh",
            "fetch certificates or a JWT with the command lines of the product's downloader",
            "Gets fresh credentials for an instance that \\fBtwsinst\\fR(1) made. One that holds an identity renews it and \
             stays the agent it is.",
            "--",
            DOWNLOADER,
        ),
    ]
}

fn page(name: &str, about: &str, text: &str, dash: &str, all: &[Parameter]) -> (String, String) {
    let (title, source) = (roff(name), source());
    let mut page = format!(
        ".TH {title} 1 {DATE} \"{source}\" Gatepass\n.ad l\n.SH NAME\n{title} \\- {about}\n.SH SYNOPSIS\n.B {title}\n\
         .RI [ parameter \" [\" value ]]...\n.SH DESCRIPTION\n{text}\n.SH PARAMETERS\n"
    );
    for Parameter { name, takes, treatment, does, .. } in all {
        let does = match treatment {
            Treatment::Used => (*does).to_owned(),
            Treatment::Noticed(why) => format!("Accepted, changes nothing: {why}"),
            Treatment::Refused(why) => format!("Refused: {why}"),
        };
        let does = does.replace('`', "");
        let _ = write!(page, ".TP\n\\fB{}{}\\fR{}\n{}\n", roff(dash), roff(name), value(*takes), roff(&does));
    }
    page += ".SH EXIT STATUS\n";
    for (ending, meaning) in Ending::ALL {
        let _ = write!(page, ".TP\n.B {}\n{}\n", ending as u8, roff(&meaning.replace('`', "")));
    }
    page += ".SH SEE ALSO\n.BR gatepass (1),\n.BR gatepass\\-config.toml (5),\n.BR gatepass\\-state (5),\n.BR gatepass (7)\n\
        .PP\n.IR from\\-twsinst.md ,\ninstalled with the documentation of the package, has examples and what is different.\n";
    (format!("{name}.1"), page)
}

fn value(takes: Takes) -> String {
    match takes {
        Takes::Nothing | Takes::Flag => String::new(),
        Takes::TrueFalse => " true|false".to_owned(),
        Takes::Choice(words) => format!(" {}", words.join("|")),
        Takes::Port => " \\fIport\\fR".to_owned(),
        Takes::Number => " \\fInumber\\fR".to_owned(),
        Takes::Path => " \\fIpath\\fR".to_owned(),
        Takes::Id32 => " \\fIid\\fR".to_owned(),
        Takes::Text => " \\fItext\\fR".to_owned(),
        Takes::Secret => " \\fIsecret\\fR".to_owned(),
    }
}
