//! The language of Chaos Toolkit documents, as `chaostoolkit-lib` 1.45.1 speaks it: Python's values,
//! YAML 1.1 and JSON, `string.Template` substitution, tolerances, jsonpath2, Python's `re`.
//!
//! Pure: texts and values in, values out. Nothing here panics, whatever the input.

pub mod decimal;
pub mod json;
pub mod jsonpath;
pub mod pattern;
pub mod raised;
pub mod redaction;
pub mod template;
pub mod text;
pub mod tolerance;
pub mod value;
pub mod yaml;

pub use raised::Raised;
pub use value::{Dict, Key, Value};
