//! `chaos discover`: what an installed extension can do.
//!
//! Nothing is ever installed. A failure is told in the log only; the exit code stays 0, as in the reference.

use shaketable_dialect::Value;
use shaketable_python::PythonError;

use crate::arguments::DiscoverArguments;
use crate::json_text;
use crate::notification::{Event, notify};
use crate::problem::Problem;
use crate::session::Session;
use crate::settings::open_error;

/// Discovers a package and writes down the outcome.
pub async fn discover(mut session: Session, arguments: &DiscoverArguments) -> i32 {
    let code = match discovered(&mut session, arguments).await {
        Ok(()) => 0,
        Err(crash) => session.crash(&crash),
    };
    session.close().await;
    code
}

async fn discovered(session: &mut Session, arguments: &DiscoverArguments) -> Result<(), Problem> {
    let settings = session.load_settings()?;
    let package = Value::from(arguments.package.as_str());
    notify(session, &settings, Event::DiscoveryStarted, &package, None).await;
    if !arguments.no_install {
        session.logger.info(format!(
            "Package '{}' is expected to be installed: nothing is installed here",
            arguments.package
        ));
    }
    let host = &session.host;
    let system = !arguments.no_system_info;
    let discovery = match host.discover(&arguments.package, system).await {
        Ok(discovery) => discovery,
        Err(error) => {
            let crash =
                matches!(&error, PythonError::Raised(raised) if raised.kind != "DiscoveryFailed");
            let problem = Problem::from(error);
            if crash && !problem.is_chaos() {
                return Err(problem);
            }
            let tell = Event::DiscoveryFailed;
            notify(session, &settings, tell, &package, Some(&problem)).await;
            let name = &arguments.package;
            session
                .logger
                .debug(format!("Failed to discover {name}\n{problem}"));
            session.logger.critical(problem.to_string());
            return Ok(());
        }
    };
    let path = &arguments.discovery_path;
    std::fs::write(path, json_text::dump(&discovery, 2)?)
        .map_err(|error| open_error(path.as_ref(), &error))?;
    session
        .logger
        .info(format!("Discovery outcome saved in {path}"));
    let tell = Event::DiscoveryCompleted;
    notify(session, &settings, tell, &discovery, None).await;
    Ok(())
}
