//! The testbed: brings a system up as real local processes and supervises it.
//!
//! A system is described by its Compose file. Every container of it becomes a process with a
//! loopback address of its own (127.x.y.z), so that ports stay the standard ones. One supervising
//! process per system owns all the others.
//!
//! Promises:
//! 1. A system is *ready* only when every service is: brokers registered with the cluster, the
//!    database answering, health checks passing, one-shot services completed.
//! 2. Whatever ends the supervisor, SIGKILL included, ends every process of the system.
//! 3. A process is only ever signalled by the supervisor that is its parent, or after its pid,
//!    start time and boot id were recognised ([`process::ProcessIdentity`]).
//! 4. Two systems, and two instances of one system, never share an address.
//! 5. Everything on disk is under the home folder ([`home::Home`]); the only exception is the data
//!    of a server that runs as another user and could not reach it there, and `status` names it.
//!
//! Left to others: which fault to apply and when (`faults`, `engine`), and what is printed (`cli`).
//!
//! Reading order: [`compose`] reads the file, [`system`] gives it addresses, [`drivers`] know how
//! each kind of service runs, [`supervisor`] runs them, [`control`] is how the rest of Shaketable
//! talks to the supervisor, and [`testbed`] is the front door.

pub mod address;
pub mod compose;
pub mod control;
pub mod drivers;
pub mod env_file;
pub mod error;
pub mod home;
pub mod interpolation;
pub mod logs;
pub mod process;
mod source;
pub mod spawn;
pub mod supervisor;
pub mod system;
pub mod testbed;

pub use control::{InstanceStatus, SystemClient, SystemPhase, SystemStatus};
pub use error::TestbedError;
pub use home::Home;
pub use testbed::{BringUp, SystemSource, Testbed};
