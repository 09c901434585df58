//! The tables of how an experiment is run.

use shaketable_document::{Field, Kind, Object};

use super::SCALAR;
use crate::plan::{Dry, HypothesisStrategy, RollbackStrategy};

/// When the hypothesis is asked.
const HYPOTHESIS: Object<'static> = Object {
    name: "hypothesis runtime",
    doc: "When the hypothesis is asked.",
    fields: &[
        Field::optional(
            "strategy",
            Kind::Choice(&HypothesisStrategy::NAMES),
            "`default`: before the method and after it; `continuously`: all the time in between, too.",
        ),
        Field::optional(
            "frequency",
            Kind::Duration,
            "From one question to the next while the method is carried out; 1s by default.",
        ),
    ],
};

const ROLLBACKS: Object<'static> = Object {
    name: "rollbacks runtime",
    doc: "When the rollbacks are carried out.",
    fields: &[Field::optional(
        "strategy",
        Kind::Choice(&RollbackStrategy::NAMES),
        "`default` and `always`: however the run ended; `deviated`: when the hypothesis did not hold.",
    )],
};

const PYTHON: Object<'static> = Object {
    name: "python runtime",
    doc: "The Python that modules of extensions are run with.",
    fields: &[
        Field::optional(
            "interpreter",
            Kind::Text,
            "The interpreter; that of the virtual environment, or python3, by default.",
        ),
        Field::optional(
            "dependencies",
            Kind::List(&Kind::Text),
            "Packages that have to be there; uv provides them.",
        ),
        Field::optional(
            "isolated",
            Kind::Bool,
            "Whether only these packages are to be seen.",
        ),
        Field::optional(
            "version",
            Kind::Text,
            "The version of Python; uv provides it.",
        ),
    ],
};

pub(super) const RUNTIME: Object<'static> = Object {
    name: "runtime",
    doc: "How the experiment is run.",
    fields: &[
        Field::optional(
            "hypothesis",
            Kind::Object(&HYPOTHESIS),
            "When the hypothesis is asked.",
        ),
        Field::optional(
            "rollbacks",
            Kind::Object(&ROLLBACKS),
            "When the rollbacks are carried out.",
        ),
        Field::optional(
            "python",
            Kind::Object(&PYTHON),
            "The Python that modules of extensions are run with.",
        ),
    ],
};

/// What is not really done.
pub(super) const DRY: Kind<'static> = Kind::AnyOf(&[Kind::Choice(&Dry::NAMES), Kind::Bool]);

/// Contributions.
pub(super) const CONTRIBUTIONS: Kind<'static> =
    Kind::Map(&Kind::Choice(&["high", "medium", "low", "none"]));

pub(super) const PAUSES: Object<'static> = Object {
    name: "pauses",
    doc: "Pauses around an activity.",
    fields: &[
        Field::optional("before", Kind::Duration, "Pause before it."),
        Field::optional("after", Kind::Duration, "Pause after it."),
    ],
};

pub(super) const RETRIES: Object<'static> = Object {
    name: "retries",
    doc: "Trying again after a failure.",
    fields: &[
        Field::required(
            "attempts",
            Kind::Integer,
            "Most attempts, the first one included.",
        ),
        Field::optional(
            "every",
            Kind::Duration,
            "From the end of an attempt to the next one; 1s by default.",
        ),
        Field::optional(
            "backoff",
            Kind::Number,
            "By what the wait is multiplied each time; 1 by default.",
        ),
    ],
};

/// A control; `provider` has the module.
pub(super) const CONTROL: Object<'static> = Object {
    name: "control",
    doc: "A control of a Chaos Toolkit extension, called before and after what it stands at.",
    fields: &[
        Field::required("name", Kind::Text, "What it is called."),
        Field::required(
            "provider",
            Kind::Tagged {
                tag: "type",
                cases: &[("python", Kind::Object(&CONTROL_PROVIDER))],
            },
            "What carries it out.",
        ),
        Field::optional(
            "scope",
            Kind::Choice(&["before", "after"]),
            "When it is called; both by default.",
        ),
        Field::optional(
            "automatic",
            Kind::Bool,
            "Whether the parts below inherit it; true by default.",
        ),
    ],
};

const CONTROL_PROVIDER: Object<'static> = Object {
    name: "control provider",
    doc: "A module with the functions of a control, carried out natively or by Python.",
    fields: &[
        Field::required("module", Kind::Text, "The control's module."),
        Field::optional(
            "arguments",
            Kind::Map(&Kind::Any),
            "Additional arguments of its functions, by name.",
        ),
        Field::optional(
            "secrets",
            Kind::List(&Kind::Text),
            "Groups of secrets that it gets.",
        ),
    ],
};

/// Another activity, or another control, in the place of this.
pub(super) const REFERENCE: Object<'static> = Object {
    name: "reference",
    doc: "What is written elsewhere in the document, under this name.",
    fields: &[Field::required("ref", Kind::Text, "Its name.")],
};

/// Variables from an output.
pub(super) const OUTPUTS: Kind<'static> = Kind::Map(&Kind::Text);

/// Variables of an environment.
pub(super) const ENVIRONMENT: Kind<'static> = Kind::Map(&SCALAR);
