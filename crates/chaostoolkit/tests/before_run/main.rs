//! Everything before and around a run: the command line, loading, validation, configuration, secrets,
//! settings, notifications.

mod commands;
mod configuration;
mod invocation;
mod loading;
mod server;
mod settings;
mod validation;
mod vault;
