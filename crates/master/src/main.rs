//! `gatepass-master`: reads the command line, hands it to the library, turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use gatepass_master::cli::Arguments;
use gatepass_master::command;

fn main() -> ExitCode {
    match command::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.explain();
            ExitCode::from(error.exit())
        }
    }
}
