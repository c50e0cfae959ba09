//! Notices.

use clap::{Args, Subcommand};
use gatepass_contract::name::MailAddress;
use gatepass_contract::wire::admin::NoticeState;

use super::common::one_of;
use super::{ListArguments, ReasonArguments, Wanted};

/// What can be done with notices.
#[derive(Debug, Subcommand)]
pub enum NoticeCommand {
    /// List notices, youngest first.
    List(ListNotices),
    /// Send a notice to try out whether it arrives.
    Test {
        /// Where it is to go.
        #[arg(long, value_name = "ADDRESS")]
        to: MailAddress,
    },
    /// Send a notice again that was given up.
    Resend {
        /// Which.
        #[command(flatten)]
        wanted: Wanted,
        /// Why.
        #[command(flatten)]
        reason: ReasonArguments,
    },
}

/// Which notices.
#[derive(Debug, Args)]
pub struct ListNotices {
    /// In this state.
    #[arg(long, value_parser = one_of!(NoticeState))]
    pub state: Option<NoticeState>,

    /// About this, like apikey:AEAQCAIBAEAQCAIB.
    #[arg(long, value_name = "SUBJECT")]
    pub about: Option<String>,

    /// How many.
    #[command(flatten)]
    pub list: ListArguments,
}
