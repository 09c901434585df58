//! Which release of the reference this crate stands for.

/// Version of the command line, as `chaos --version` and `chaos info core` tell it.
pub const CLI_VERSION: &str = "1.21.4";

/// Version of the library, as the journal's `chaoslib-version` tells it.
pub const LIB_VERSION: &str = "1.45.1";
