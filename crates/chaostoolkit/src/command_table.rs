//! The table of `chaos`: every command, option and argument, with its help.
//!
//! What they mean is left to `arguments`, how they are read to `command_line`.

use crate::command_line::{Argument, Command, Opt, Takes};

const OUTPUTS: Takes = Takes::Choice(&["text", "agent"]);
const YAML_OR_JSON: Takes = Takes::Choice(&["json", "yaml"]);
const KEY: Argument = Argument {
    name: "KEY",
    choices: &[],
};
const SOURCE: Argument = Argument {
    name: "SOURCE",
    choices: &[],
};

const fn option(name: &'static str, takes: Takes, about: &'static str) -> Opt {
    Opt { name, takes, about }
}

/// The program.
pub(crate) static CHAOS: Command = Command {
    name: "chaos",
    about: "",
    options: &[
        option("--version", Takes::Flag, "Show the version and exit."),
        option("--verbose", Takes::Flag, "Display debug level traces."),
        option(
            "--no-version-check",
            Takes::Flag,
            "Do not search for an updated version of the chaostoolkit.",
        ),
        option(
            "--change-dir",
            Takes::Text,
            "Change directory before running experiment.",
        ),
        option(
            "--no-log-file",
            Takes::Flag,
            "Disable logging to file entirely.",
        ),
        option(
            "--log-file",
            Takes::Text,
            "File path where to write the command's log.  [default: chaostoolkit.log]",
        ),
        option(
            "--log-file-level",
            Takes::Choice(&["debug", "info", "warning", "error"]),
            "File logging level: debug, info, warning, error",
        ),
        option(
            "--log-format",
            Takes::Choice(&["string", "json"]),
            "Console logging format: string, json.",
        ),
        option(
            "--settings",
            Takes::Text,
            "Path to the settings file.  [default: ~/.chaostoolkit/settings.yaml]",
        ),
    ],
    arguments: &[],
    commands: &[
        Command {
            name: "discover",
            about: "Discover capabilities and experiments.",
            options: &[
                option(
                    "--no-system-info",
                    Takes::Flag,
                    "Do not discover system information.",
                ),
                option(
                    "--no-install",
                    Takes::Flag,
                    "Assume package already in PYTHONPATH. Nothing is ever installed.",
                ),
                option(
                    "--discovery-path",
                    Takes::Text,
                    "Path where to save the the discovery outcome.  [default: ./discovery.json]",
                ),
            ],
            arguments: &[Argument {
                name: "PACKAGE",
                choices: &[],
            }],
            commands: &[],
        },
        Command {
            name: "info",
            about: "Display information about the Chaos Toolkit environment.\n\nAvailable targets \
                    are:\n\n* core: display the information about your version of the Chaos \
                    Toolkit\n\n* extensions: display the list of installed extensions and \
                    plugins\n\n* settings: display your current full settings",
            options: &[],
            arguments: &[Argument {
                name: "TARGET",
                choices: &["core", "settings", "extensions"],
            }],
            commands: &[],
        },
        Command {
            name: "init",
            about: "Initialize a new experiment from discovered capabilities.",
            options: &[
                option(
                    "--discovery-path",
                    Takes::AnyPath,
                    "Path to the discovery outcome.  [default: ./discovery.json]",
                ),
                option(
                    "--experiment-path",
                    Takes::AnyPath,
                    "Path where to save the experiment (.yaml or .json)  [default: \
                     ./experiment.json]",
                ),
            ],
            arguments: &[],
            commands: &[],
        },
        Command {
            name: "run",
            about: "Run the experiment loaded from SOURCE, either a local file or a HTTP \
                    resource. SOURCE can be formatted as JSON or YAML.",
            options: &[
                option(
                    "--journal-path",
                    Takes::Text,
                    "Path where to save the journal from the execution.",
                ),
                option(
                    "--dry",
                    Takes::Choice(&["probes", "actions", "activities", "pause"]),
                    "Run the experiment without executing the chosen strategy.",
                ),
                option(
                    "--no-validation",
                    Takes::Flag,
                    "Do not validate the experiment before running.",
                ),
                option(
                    "--no-verify-tls",
                    Takes::Flag,
                    "Do not verify TLS certificate.",
                ),
                option(
                    "--rollback-strategy",
                    Takes::Choice(&["default", "always", "never", "deviated"]),
                    "Rollback runtime strategy. Default is to never play them on interruption or \
                     failed hypothesis.",
                ),
                option(
                    "--var",
                    Takes::Text,
                    "Specify substitution values for configuration only. Can be provided multiple \
                     times. The pattern must be key=value or key:type=value. In that latter case, \
                     the value will be casted as the specified type. Supported types are: int, \
                     float, bytes. No type specified means a utf-8 decoded string.",
                ),
                option(
                    "--var-file",
                    Takes::Path,
                    "Specify files that contain configuration and secret substitution values. \
                     Either as a json/yaml payload where each key has a value mapping to a \
                     configuration entry. Or a .env file defining environment variables. Can be \
                     provided multiple times.",
                ),
                option(
                    "--control-file",
                    Takes::Path,
                    "Specify files that can contain controls definitions that will be loaded as \
                     global controls at startup. So before the experiment was even loaded.",
                ),
                option(
                    "--hypothesis-strategy",
                    Takes::Choice(&[
                        "default",
                        "before-method-only",
                        "after-method-only",
                        "during-method-only",
                        "continuously",
                        "continously",
                    ]),
                    "Strategy to execute the hypothesis during the run.",
                ),
                option(
                    "--hypothesis-frequency",
                    Takes::Float,
                    "Pace at which running the hypothesis. Only applies when strategy is either: \
                     during-method-only or continuously",
                ),
                option(
                    "--fail-fast",
                    Takes::Flag,
                    "When running in the during-method-only or continuous strategies, indicate \
                     the hypothesis can fail the experiment as soon as it deviates once. \
                     Otherwise, keeps running until the end of the experiment.",
                ),
                option(
                    "--output",
                    OUTPUTS,
                    "Output on stdout. With agent, a single JSON report is written once the run \
                     is over. The exit code is not affected.  [default: text]",
                ),
                option(
                    "--events-file",
                    Takes::File,
                    "Stream the run's progress as newline-delimited JSON events to this file, for \
                     instance to follow a long run.",
                ),
            ],
            arguments: &[SOURCE],
            commands: &[],
        },
        Command {
            name: "settings",
            about: "Read, write or remove from your settings file.",
            options: &[],
            arguments: &[],
            commands: &[
                Command {
                    name: "get",
                    about: "Show a settings value.\n\nThe key must be dotted path to its location \
                            in the settings file.",
                    options: &[option(
                        "--format",
                        Takes::Choice(&["string", "json", "yaml"]),
                        "Output format.",
                    )],
                    arguments: &[KEY],
                    commands: &[],
                },
                Command {
                    name: "remove",
                    about: "Remove a settings key and its children.\n\nThe key must be dotted \
                            path to its location in the settings file.",
                    options: &[],
                    arguments: &[KEY],
                    commands: &[],
                },
                Command {
                    name: "set",
                    about: "Set a settings value. The value must be a valid JSON string so that \
                            it can be interpreted with the appropriate type.\n\nThe key must be \
                            dotted path to its location in the settings file.",
                    options: &[],
                    arguments: &[
                        KEY,
                        Argument {
                            name: "VALUE",
                            choices: &[],
                        },
                    ],
                    commands: &[],
                },
                Command {
                    name: "show",
                    about: "Show the entire content of the settings file.\n\nBe aware this will \
                            not obfuscate secret data.",
                    options: &[option("--format", YAML_OR_JSON, "Output format.")],
                    arguments: &[],
                    commands: &[],
                },
            ],
        },
        Command {
            name: "skills",
            about: "Install skills guiding coding agents to run experiments.",
            options: &[],
            arguments: &[],
            commands: &[
                Command {
                    name: "install",
                    about: "Install the bundled skills for a coding agent.",
                    options: &[
                        option(
                            "--target",
                            Takes::Choice(&["claude", "codex", "opencode"]),
                            "Agent to install the skills for.  [required]",
                        ),
                        option(
                            "--scope",
                            Takes::Choice(&["workspace", "home"]),
                            "Install in the current workspace or in your home directory.",
                        ),
                        option("--skill", Takes::Text, "Install only this skill."),
                        option("--force", Takes::Flag, "Replace installed skills."),
                        option(
                            "--with-fault",
                            Takes::Flag,
                            "Also install fault's own skill.",
                        ),
                        option(
                            "--no-fault",
                            Takes::Flag,
                            "Do not install fault's own skill.",
                        ),
                    ],
                    arguments: &[],
                    commands: &[],
                },
                Command {
                    name: "list",
                    about: "List the bundled skills.",
                    options: &[],
                    arguments: &[],
                    commands: &[],
                },
                Command {
                    name: "show",
                    about: "Print the SKILL.md of the bundled skill NAME.",
                    options: &[],
                    arguments: &[Argument {
                        name: "NAME",
                        choices: &[],
                    }],
                    commands: &[],
                },
            ],
        },
        Command {
            name: "validate",
            about: "Validate the experiment at SOURCE.",
            options: &[
                option(
                    "--no-verify-tls",
                    Takes::Flag,
                    "Do not verify TLS certificate.",
                ),
                option(
                    "--output",
                    OUTPUTS,
                    "Output on stdout. With agent, a single JSON report is written. Only the \
                     first error found is reported.  [default: text]",
                ),
            ],
            arguments: &[SOURCE],
            commands: &[],
        },
    ],
};
