//! What the tests of experiments share: a catalogue, a good document, an environment.

use shaketable_document::{Diagnostics, Field, Kind, Source};
use shaketable_experiment::{Experiment, FaultDeclaration, parse};

pub const FAULTS: &[FaultDeclaration] = &[
    FaultDeclaration {
        name: "process-kill",
        doc: "Kills a process.",
        parameters: &[
            Field::optional("restart-after", Kind::Duration, "When it comes back."),
            Field::optional(
                "signal",
                Kind::Choice(&["SIGKILL", "SIGTERM"]),
                "With what.",
            ),
            Field::optional("times", Kind::Integer, "How often."),
        ],
        targets: &["leader-of", "controller", "service"],
    },
    FaultDeclaration {
        name: "process-pause",
        doc: "Pauses a process.",
        parameters: &[Field::required("duration", Kind::Duration, "How long.")],
        targets: &["service"],
    },
];

pub const GOOD: &str = include_str!("good.yaml");

fn environment(name: &str) -> Option<String> {
    (name == "ORDER_API").then(|| "http://127.0.0.1:8000".to_owned())
}

pub fn read(text: &str) -> Result<(Experiment, Diagnostics), Diagnostics> {
    parse(&Source::new("e.yaml", text), FAULTS, &environment)
}
