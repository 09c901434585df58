//! `chaos validate`: is an experiment valid?

use shaketable_dialect::Value;

use crate::agent;
use crate::arguments::{Output, ValidateArguments};
use crate::loader::load_experiment;
use crate::notification::{Event, notify};
use crate::problem::Problem;
use crate::python_runtime;
use crate::session::Session;
use crate::validation::ensure_experiment_is_valid;

/// Checks the experiment; 0 when it is valid, 1 when not.
pub async fn validate(mut session: Session, arguments: &ValidateArguments) -> i32 {
    session.agent = arguments.output == Output::Agent;
    let code = match checked(&mut session, arguments).await {
        Ok(code) => code,
        Err(crash) => session.crash(&crash),
    };
    session.close().await;
    code
}

/// What the reference does; an error is what it lets fall through.
async fn checked(session: &mut Session, arguments: &ValidateArguments) -> Result<i32, Problem> {
    let settings = session.load_settings()?;
    let source = arguments.source.as_str();
    let verify_tls = !arguments.no_verify_tls;
    let experiment = match load_experiment(session, source, &settings, verify_tls).await {
        Ok(experiment) => experiment,
        Err(problem) if problem.is("InvalidSource") => {
            return Ok(invalid(session, source, None, "load", &problem));
        }
        Err(problem) => return Err(problem),
    };
    let runtime = python_runtime::of_experiment(&experiment)
        .and_then(|runtime| runtime.map_or(Ok(()), |runtime| session.use_runtime(&runtime)));
    if let Err(problem) = runtime {
        return Ok(invalid(
            session,
            source,
            Some(&experiment),
            "runtime",
            &problem,
        ));
    }
    let tell = Event::ValidateStarted;
    notify(session, &settings, tell, &experiment, None).await;
    match ensure_experiment_is_valid(session, &experiment).await {
        Ok(()) => {}
        Err(problem) if problem.is_chaos() => {
            let tell = Event::ValidateFailed;
            notify(session, &settings, tell, &experiment, Some(&problem)).await;
            let stage = "validation";
            return Ok(invalid(session, source, Some(&experiment), stage, &problem));
        }
        Err(problem) => return Err(problem),
    }
    let tell = Event::ValidateCompleted;
    notify(session, &settings, tell, &experiment, None).await;
    session
        .logger
        .info("experiment syntax and semantic look valid");
    if session.agent {
        let report = agent::validate_report(source, Some(&experiment), None);
        agent::emit(&session.console, &session.redaction.value(&report));
    }
    Ok(0)
}

fn invalid(
    session: &Session,
    source: &str,
    experiment: Option<&Value>,
    stage: &str,
    problem: &Problem,
) -> i32 {
    session.logger.error(problem.to_string());
    session.logger.debug(problem.to_string());
    if session.agent {
        let report = agent::validate_report(source, experiment, Some((stage, problem)));
        agent::emit(&session.console, &session.redaction.value(&report));
    }
    1
}
