//! What the engine makes of activities: providers, retries, outputs, tolerances, sources and secrets, with
//! real processes, servers and Python.

mod bench;
mod carrying;
mod judging;
mod providers;
mod sources;
