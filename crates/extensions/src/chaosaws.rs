//! chaosaws: reboots of managed brokers. Declared so that experiments can be checked; what a reboot is for a local
//! system is decided by whoever binds it to a fault.

use crate::arguments::{Argument, ArgumentKind};
use crate::function::{Function, How, Kind};

const MODULE: &str = "chaosaws.msk.actions";

const ARGUMENTS: &[Argument] = &[
    Argument::required(
        "cluster_arn",
        ArgumentKind::Text,
        "the cluster's resource name",
    ),
    Argument::required(
        "broker_ids",
        ArgumentKind::List,
        "the ids of the brokers to reboot",
    ),
];

const HOW: How = How::Elsewhere(
    "is not carried out against the cloud: bind it to a fault of the system under test, such as a restart of the broker",
);

/// The function's name in the extension.
pub(crate) const REBOOT_MSK_BROKER: Function = Function {
    module: MODULE,
    name: "reboot_msk_broker",
    kind: Kind::Action,
    doc: "Reboots brokers of a managed cluster.",
    arguments: ARGUMENTS,
    how: HOW,
};

/// The name of the cloud's own call, for the same.
pub(crate) const REBOOT_BROKER: Function = Function {
    name: "reboot_broker",
    doc: "Reboots brokers of a managed cluster: another name of reboot_msk_broker.",
    ..REBOOT_MSK_BROKER
};
