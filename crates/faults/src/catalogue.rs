//! The catalogue: the one list of all faults.

use shaketable_experiment::FaultDeclaration;

use crate::fault::Fault;
use crate::{
    noop, postgres_lock, process_environment, process_kill, process_pause, process_restart,
    process_throttle,
};

/// Every fault, in the order of the documentation.
pub const FAULTS: &[&dyn Fault] = &[
    &noop::Noop,
    &process_kill::ProcessKill,
    &process_restart::ProcessRestart,
    &process_pause::ProcessPause,
    &process_throttle::ProcessThrottle,
    &process_environment::ProcessEnvironment,
    &postgres_lock::PostgresLock,
];

/// What experiments may say about each fault.
pub fn declarations() -> Vec<FaultDeclaration> {
    FAULTS.iter().map(|fault| fault.declaration()).collect()
}

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    FAULTS
        .iter()
        .copied()
        .find(|fault| fault.declaration().name == name)
}
