//! `gatepassctl`: reads the command line, hands it to the library, turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use gatepassctl::cli::Arguments;
use gatepassctl::output;

fn main() -> ExitCode {
    match gatepassctl::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::explain(&error);
            ExitCode::from(error.exit().code())
        }
    }
}
