//! `chaos init`: a wizard that writes an experiment from what `chaos discover` found.

use std::path::Path;

use shaketable_dialect::{Dict, Value, json, text};

use crate::access::{get, item, iterate, iterate_key};
use crate::arguments::InitArguments;
use crate::configuration::convert_to_type;
use crate::json_text;
use crate::notification::{Event, notify};
use crate::problem::Problem;
use crate::session::Session;
use crate::settings::{open_error, read_text};
use crate::yaml_text;

const BLUE: u8 = 34;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const DIM: u8 = 2;

const WELCOME: &str = "You are about to create an experiment.\n\
This wizard asks for its parts, one after the other:\n\
\n\
- a steady-state hypothesis [OPTIONAL]\n\
- an experimental method\n\
- a set of rollback activities [OPTIONAL]\n\
\n\
Only the method is required, with at least one activity (probe or action).\n";
const HYPOTHESIS: &str = "\nA steady-state hypothesis says what is normal for your system.\n\
Its probes are checked before the method, to see whether the system is fit for it,\n\
and again after it, to see whether the system has deviated.\n";
const PROBES: &str =
    "\nYou may now define probes that determine the steady state of your system.\n";
const METHOD: &str = "\nThe method contains actions, which change something in your system, and probes,\n\
which gather information while it goes on.\n";
const ROLLBACKS: &str = "\nRollbacks are actions that bring the system back to a given state.\n";
const TOLERANCE: &str =
    "\nA steady-state probe needs a tolerance: the value within which the system is normal.\n\n";
const ARGUMENTS: &str = "\nNow the arguments of this activity. Default values are shown in brackets; press\n\
return to take them, or to set nothing.\n";

/// Asks, and writes the experiment; 1 when the answers end before the questions do.
pub async fn init(mut session: Session, arguments: &InitArguments) -> i32 {
    let code = match created(&mut session, arguments).await {
        Ok(()) => 0,
        Err(problem) if problem.is(ABORTED) => {
            session.console.err("Aborted!\n");
            1
        }
        Err(problem) => session.crash(&problem),
    };
    session.close().await;
    code
}

/// The class of the problem that standard input has ended.
const ABORTED: &str = "Abort";

async fn created(session: &mut Session, arguments: &InitArguments) -> Result<(), Problem> {
    let settings = session.load_settings()?;
    notify(session, &settings, Event::InitStarted, &Value::None, None).await;
    let wizard = Wizard { session };
    wizard.tell(WELCOME, BLUE);
    let path = Path::new(&arguments.discovery_path);
    let discovery = if !arguments.discovery_path.is_empty() && path.exists() {
        Some(json::parse(&read_text(path)?)?)
    } else {
        let told = "No discovery was found, let's create an empty experiment\n";
        session.console.out(told);
        None
    };
    let experiment = wizard.experiment(discovery.as_ref())?;
    let target = Path::new(&arguments.experiment_path);
    let extension = target.extension().map(|name| name.to_ascii_lowercase());
    let text = match extension.as_ref().and_then(|name| name.to_str()) {
        Some("yaml" | "yml") => yaml_text::dump(&experiment, 4, false),
        _ => json_text::dump(&experiment, 4)?,
    };
    std::fs::write(target, text).map_err(|error| open_error(target, &error))?;
    session.console.out(&format!(
        "\nExperiment created and saved in '{}'\n",
        arguments.experiment_path
    ));
    notify(session, &settings, Event::InitCompleted, &experiment, None).await;
    Ok(())
}

/// The questions.
struct Wizard<'a> {
    session: &'a Session,
}

impl Wizard<'_> {
    fn experiment(&self, discovery: Option<&Value>) -> Result<Value, Problem> {
        let mut experiment = Dict::new();
        experiment.insert("title", self.ask("Experiment's title", GREEN)?);
        experiment.insert("description", "N/A");
        experiment.insert("tags", Vec::new());
        let activities: Vec<Value> = match discovery {
            Some(discovery) => iterate(item(discovery, "activities")?)?
                .iter()
                .map(|activity| activity.clone().into_owned())
                .collect(),
            None => Vec::new(),
        };
        self.tell(HYPOTHESIS, BLUE);
        if self.confirm("Do you want to define a steady state hypothesis now?")? {
            let mut hypothesis = Dict::new();
            hypothesis.insert("title", self.ask("Hypothesis's title", GREEN)?);
            let mut probes = Vec::new();
            if discovery.is_some() {
                self.tell(PROBES, BLUE);
                self.add_activities(&of_type(&activities, "probe"), &mut probes, true)?;
            }
            hypothesis.insert("probes", probes);
            experiment.insert("steady-state-hypothesis", hypothesis);
        }
        if discovery.is_some() {
            let mut method = Vec::new();
            self.tell(METHOD, BLUE);
            if self.confirm("Do you want to define an experimental method?")? {
                self.add_activities(&activities, &mut method, false)?;
            }
            experiment.insert("method", method);
            self.tell(ROLLBACKS, BLUE);
            if self.confirm("Do you want to add some rollbacks now?")? {
                let mut rollbacks = Vec::new();
                self.add_activities(&of_type(&activities, "action"), &mut rollbacks, false)?;
                experiment.insert("rollbacks", rollbacks);
            }
        }
        Ok(Value::Dict(experiment))
    }

    /// Adds activities as long as more are wanted.
    fn add_activities(
        &self,
        activities: &[Value],
        pool: &mut Vec<Value>,
        with_tolerance: bool,
    ) -> Result<(), Problem> {
        loop {
            let console = &self.session.console;
            self.tell("Add an activity\n", GREEN);
            for (at, activity) in activities.iter().enumerate() {
                let name = text::str(item(activity, "name")?);
                console.out(&format!("{}) {name}\n", at + 1));
            }
            let chosen = self.ask_typed("Activity (0 to escape)", GREEN, "integer", None)?;
            if chosen == Value::Int(0) {
                return Ok(());
            }
            let index = chosen.as_int().and_then(|at| usize::try_from(at - 1).ok());
            let Some(selected) = index.and_then(|index| activities.get(index)) else {
                console.err("Please pick up a valid activity\n");
                continue;
            };
            if let Some(doc) = get(selected, "doc")?.filter(|doc| doc.is_truthy()) {
                self.tell(&format!("\n{}\n", text::str(doc)), BLUE);
            }
            let kind = text::str(item(selected, "type")?);
            if !self.confirm(&format!("Do you want to use this {kind}?"))? {
                if self.confirm("Do you want to select another activity?")? {
                    continue;
                }
                return Ok(());
            }
            pool.push(self.activity(selected, with_tolerance)?);
            if !self.confirm("Do you want to select another activity?")? {
                return Ok(());
            }
        }
    }

    fn activity(&self, selected: &Value, with_tolerance: bool) -> Result<Value, Problem> {
        let mut activity = Dict::new();
        activity.insert("type", item(selected, "type")?);
        activity.insert("name", item(selected, "name")?);
        let mut provider = Dict::new();
        provider.insert("type", "python");
        provider.insert("module", item(selected, "mod")?);
        provider.insert("func", item(selected, "name")?);
        let tolerance = if with_tolerance {
            self.tell(TOLERANCE, BLUE);
            Some(self.ask("What is the tolerance for this probe?", GREEN)?)
        } else {
            None
        };
        self.tell(ARGUMENTS, BLUE);
        let mut arguments = Dict::new();
        for argument in iterate_key(selected, "arguments")? {
            let name = text::str(item(&argument, "name")?);
            if name == "secrets" || name == "configuration" {
                continue;
            }
            let default = get(&argument, "default")?;
            let shown = default.map(|default| match default {
                Value::None => Value::from(""),
                other => other.clone(),
            });
            let wanted = text::str(get(&argument, "type")?.unwrap_or(&Value::None));
            let question = format!("Argument's value for '{name}'");
            let answer = self.ask_typed(&question, YELLOW, &wanted, shown)?;
            let unset = default.is_some_and(Value::is_none) && answer == Value::from("");
            arguments.insert(name, if unset { Value::None } else { answer });
        }
        provider.insert("arguments", arguments);
        activity.insert("provider", provider);
        if let Some(tolerance) = tolerance {
            activity.insert("tolerance", tolerance);
        }
        Ok(Value::Dict(activity))
    }

    fn tell(&self, text: &str, colour: u8) {
        let console = &self.session.console;
        console.out(&console.style(text, colour));
    }

    /// A text; asks again until there is one.
    fn ask(&self, question: &str, colour: u8) -> Result<String, Problem> {
        Ok(text::str(
            &self.ask_typed(question, colour, "string", None)?,
        ))
    }

    /// A value of a portable type; asks again until there is one.
    fn ask_typed(
        &self,
        question: &str,
        colour: u8,
        wanted: &str,
        default: Option<Value>,
    ) -> Result<Value, Problem> {
        let console = &self.session.console;
        let styled = console.style(question, colour);
        let bracket = default
            .as_ref()
            .map(|default| format!(" [{}]", text::str(default)))
            .unwrap_or_default();
        loop {
            console.out(&format!("{styled}{bracket}: "));
            let line = console.read_line().ok_or_else(aborted)?;
            if line.is_empty() {
                match &default {
                    Some(default) => return Ok(default.clone()),
                    None => continue,
                }
            }
            let value_type = match wanted {
                "integer" => "int",
                "number" => "float",
                "boolean" => "bool",
                "byte" => "bytes",
                "list" | "tuple" | "set" | "mapping" => "json",
                _ => "str",
            };
            match convert_to_type(&value_type.into(), Value::from(line.as_str())) {
                Ok(value) => return Ok(value),
                Err(_) => {
                    let told = format!("Error: '{line}' is not a valid {wanted}.\n");
                    console.out(&told);
                }
            }
        }
    }

    fn confirm(&self, question: &str) -> Result<bool, Problem> {
        let console = &self.session.console;
        let styled = console.style(question, DIM);
        loop {
            console.out(&format!("{styled} [y/N]: "));
            let line = console.read_line().ok_or_else(aborted)?;
            match line.trim().to_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "" | "n" | "no" => return Ok(false),
                _ => console.out("Error: invalid input\n"),
            }
        }
    }
}

fn of_type(activities: &[Value], kind: &str) -> Vec<Value> {
    let matches = |activity: &&Value| activity.get("type").and_then(Value::as_str) == Some(kind);
    activities.iter().filter(matches).cloned().collect()
}

fn aborted() -> Problem {
    Problem::crash(ABORTED, "")
}
