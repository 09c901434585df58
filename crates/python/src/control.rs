//! Control modules, their functions, and what calling one has changed.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use shaketable_dialect::Value;

use crate::documents::{Argument, DocumentName, Documents};
use crate::error::Raised;
use crate::function::{CallId, Thread};
use crate::wire;

/// A control module that could be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlModule {
    /// Its file, empty if it has none.
    pub file: String,
    /// The control functions it has, each with the names of its parameters.
    pub functions: BTreeMap<String, Vec<String>>,
}

/// A call of one function of a control module.
#[derive(Debug, Clone, Copy)]
pub struct ControlCall<'a> {
    /// Its identity.
    pub id: CallId,
    /// The module's dotted name.
    pub module: &'a str,
    /// The function.
    pub function: ControlFunction<'a>,
    /// The control's own keyword arguments: a mapping, or `None`. Nothing is substituted in them.
    pub arguments: &'a Value,
    /// What the function may ask for by the names of its parameters.
    pub documents: Documents<'a>,
    /// Which thread runs it.
    pub thread: Thread,
}

/// A function of a control module.
#[derive(Debug, Clone, Copy)]
pub enum ControlFunction<'a> {
    /// `configure_control(...)`.
    Configure,
    /// `cleanup_control()`.
    Cleanup,
    /// `validate_control(control)`.
    Validate {
        /// The control as declared.
        control: &'a Value,
    },
    /// `before_..._control(context, ...)` and `after_..._control(context, state, ...)`.
    Apply {
        /// The function's name.
        name: &'a str,
        /// What the control is applied to.
        context: Argument<'a>,
        /// What came of it; `None` before it.
        state: Option<Argument<'a>>,
    },
}

/// What a control function did. Each value is there if the function changed it, and is then the new one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlOutcome {
    /// Whether the module and the function exist.
    pub ran: bool,
    /// What it raised; the changes it made before are listed all the same.
    pub raised: Option<Box<Raised>>,
    /// The experiment.
    pub experiment: Option<Value>,
    /// The configuration.
    pub configuration: Option<Value>,
    /// The secrets.
    pub secrets: Option<Value>,
    /// The settings.
    pub settings: Option<Value>,
    /// The journal.
    pub journal: Option<Value>,
    /// The context, if it was given as a value.
    pub context: Option<Value>,
    /// The state, if it was given as a value.
    pub state: Option<Value>,
}

impl ControlFunction<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            ControlFunction::Configure => "configure_control",
            ControlFunction::Cleanup => "cleanup_control",
            ControlFunction::Validate { .. } => "validate_control",
            ControlFunction::Apply { name, .. } => name,
        }
    }

    /// The positional arguments, as a JSON object.
    pub(crate) fn positional(&self) -> String {
        let mut members = Vec::new();
        match self {
            ControlFunction::Configure | ControlFunction::Cleanup => {}
            ControlFunction::Validate { control } => {
                members.push(("control", Argument::Value(control)))
            }
            ControlFunction::Apply { context, state, .. } => {
                members.push(("context", *context));
                members.extend(state.map(|state| ("state", state)));
            }
        }
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, argument)| format!("\"{name}\":{}", argument.encode()))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

impl ControlModule {
    pub(crate) fn from_json(json: &Json) -> Option<ControlModule> {
        let functions = json["functions"].as_object()?;
        let names = |json: &Json| -> Vec<String> {
            let items = json.as_array().into_iter().flatten();
            items
                .filter_map(|name| Some(name.as_str()?.to_string()))
                .collect()
        };
        Some(ControlModule {
            file: json["file"].as_str().unwrap_or_default().to_string(),
            functions: functions
                .iter()
                .map(|(name, parameters)| (name.clone(), names(parameters)))
                .collect(),
        })
    }
}

impl ControlOutcome {
    pub(crate) fn new(mut json: Json, changes: Vec<(DocumentName, Value)>) -> ControlOutcome {
        let mut take = |name: &str| {
            json.as_object_mut()
                .and_then(|members| members.remove(name))
        };
        let mut outcome = ControlOutcome {
            ran: take("ran") == Some(Json::Bool(true)),
            raised: take("failed").map(|failed| Box::new(Raised::from_json(&failed))),
            context: take("context").map(wire::decode),
            state: take("state").map(wire::decode),
            ..ControlOutcome::default()
        };
        for (name, value) in changes {
            match name {
                DocumentName::Experiment => outcome.experiment = Some(value),
                DocumentName::Configuration => outcome.configuration = Some(value),
                DocumentName::Secrets => outcome.secrets = Some(value),
                DocumentName::Settings => outcome.settings = Some(value),
                DocumentName::Journal => outcome.journal = Some(value),
                DocumentName::GlobalControls => {}
            }
        }
        outcome
    }
}
