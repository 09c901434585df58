//! The run lock: one run at a time on one system.

use shaketable_testbed::Home;

/// Takes the lock of a system; the kernel gives it back when the process dies. The error comes with
/// whether it is the command line's fault.
pub(crate) fn lock(home: &Home, system: &str) -> Result<std::fs::File, (String, bool)> {
    let path = home.system(system).root().join("run.lock");
    let file = std::fs::File::create(&path)
        .map_err(|error| (format!("cannot make {}: {error}", path.display()), false))?;
    file.try_lock().map_err(|_| {
        let what = format!("another run is using system `{system}`; wait for it, or give this one a system of its own with --name");
        (what, true)
    })?;
    Ok(file)
}
