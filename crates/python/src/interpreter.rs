//! Finding the Python interpreter.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::PythonError;

/// The command that starts Python: the one asked for, `$PYTHON`, the one of `$VIRTUAL_ENV`, `python3` or
/// `python` on the `PATH`.
pub(crate) fn find(wanted: Option<&[OsString]>) -> Result<Vec<OsString>, PythonError> {
    if let Some(command) = wanted.filter(|command| !command.is_empty()) {
        return Ok(command.to_vec());
    }
    let mut tried = Vec::new();
    let named = std::env::var_os("PYTHON").filter(|name| !name.is_empty());
    let environment = std::env::var_os("VIRTUAL_ENV").filter(|name| !name.is_empty());
    let candidates = named.into_iter().chain(
        environment
            .map(|folder| Path::new(&folder).join("bin/python").into_os_string())
            .into_iter()
            .chain(["python3".into(), "python".into()]),
    );
    for candidate in candidates {
        if let Some(program) = on_path(&candidate) {
            return Ok(vec![program.into_os_string()]);
        }
        tried.push(candidate.to_string_lossy().into_owned());
    }
    Err(PythonError::NoInterpreter { tried })
}

fn on_path(name: &OsString) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return executable(path).then(|| path.to_path_buf());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|program| executable(program))
}

fn executable(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    program
        .metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
