//! Functions of Chaos Toolkit extensions, carried out natively: what an experiment calls by module and name with a
//! `python` provider, without Python.
//!
//! What it promises:
//! 1. Modules, names, arguments and defaults are those of the extension, and so are types and shapes of results; where
//!    the extension's own behaviour is a defect, ours differs, and `docs/chaos-toolkit-extensions.md` says how.
//! 2. [`Function::check`] names every problem of the arguments at once, without any IO.
//! 3. [`Function::call`] ends within a named bound, whatever brokers do.
//! 4. A call succeeds only when its effect was seen. A failure says what was wrong, where, who is at fault, and what to
//!    do next.
//! 5. A placeholder such as `${earliest}` that nothing has filled in is a failure, never a value.
//!
//! What it leaves to others: reading experiments, substitution, tolerances, the configuration that a [`Control`]'s
//! values go into, and the functions that only a local system can carry out ([`Function::is_native`] is false): the
//! caller binds those to faults.

mod arguments;
mod catalogue;
mod chaosaws;
mod chaoskafka;
mod control;
mod failure;
mod function;
mod kafka;

pub use arguments::{Argument, ArgumentKind};
pub use catalogue::{control, controls, find, functions};
pub use control::Control;
pub use failure::{Culprit, Failure};
pub use function::{Function, Kind};
