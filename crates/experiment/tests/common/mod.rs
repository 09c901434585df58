//! What the tests of experiments share: a catalogue, a good document, an environment.

use shaketable_document::{Diagnostics, Field, Kind, Source};
use shaketable_experiment::{
    ActivityKind, Bindings, Catalogue, Experiment, FaultDeclaration, FunctionDeclaration,
    Overrides, parse,
};

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
        targets: &["leader-of", "broker", "controller", "service"],
    },
    FaultDeclaration {
        name: "process-pause",
        doc: "Pauses a process.",
        parameters: &[Field::required("duration", Kind::Duration, "How long.")],
        targets: &["service"],
    },
];

pub const GOOD: &str = include_str!("good.yaml");

/// A catalogue with two native functions, one that is not, a control, and a file of bindings.
pub fn catalogue() -> Catalogue {
    let bound = "cloud.actions.reboot: {for-each: ids, fault: process-kill, target: {broker: '${ids}'}, restart-after: 10s}\n\
                 cloud.actions.rename: {fault: process-kill, target: {service: '${whose}'}, restart-afer: 10s}\n\
                 cloud.actions.recolor: {fault: process-kill, target: {service: x}, restart-afer: 10s}\n\
                 cloud.actions.each: {for-each: topic, fault: process-kill, target: {service: '${topic}'}}";
    Catalogue {
        faults: FAULTS.to_vec(),
        functions: vec![
            FunctionDeclaration {
                module: "chaoskafka.actions",
                name: "produce_messages",
                kind: ActivityKind::Action,
                native: true,
                arguments: vec![
                    ("bootstrap_servers", false),
                    ("topic", true),
                    ("messages", false),
                ],
            },
            FunctionDeclaration {
                module: "shaketable.kafka",
                name: "consumer_lag",
                kind: ActivityKind::Probe,
                native: true,
                arguments: vec![("group", true), ("partition", false)],
            },
            FunctionDeclaration {
                module: "cloud.actions",
                name: "reboot",
                kind: ActivityKind::Action,
                native: false,
                arguments: vec![("ids", true), ("arn", false)],
            },
        ],
        controls: vec![(
            "chaoskafka.controls.get_production_offsets",
            &["earliest", "partition"],
        )],
        bindings: Bindings::parse(&Source::new("b.yaml", bound), &[]).expect("bindings"),
    }
}

fn environment(name: &str) -> Option<String> {
    (name == "ORDER_API").then(|| "http://127.0.0.1:8000".to_owned())
}

pub fn read(text: &str) -> Result<(Experiment, Diagnostics), Diagnostics> {
    read_with(text, &Overrides::default())
}

pub fn read_with(
    text: &str,
    overrides: &Overrides,
) -> Result<(Experiment, Diagnostics), Diagnostics> {
    parse(
        &Source::new("e.yaml", text),
        &catalogue(),
        &environment,
        overrides,
    )
}
