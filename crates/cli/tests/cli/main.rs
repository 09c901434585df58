//! The program from the command line, on systems of plain processes and small servers, which are
//! quick to bring up.
//! Systems with a Kafka cluster are in `orders.rs`, a binary of its own, so that they do not
//! compete with these tests for the machine.

mod activities;
mod bare;
mod beginning;
mod controls;
mod doctor;
mod documents;
mod faults;
mod healing;
mod logs;
mod machine;
mod run;
mod secrets;
mod servers;
mod services;
mod shop;
mod strategies;
mod suites;
mod supervision;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod testbed;

/// Exit codes, as `--help` has them, beside those in [`support`].
const ABORTED: i32 = 4;
const ERROR: i32 = 5;
