//! All functions and controls there are.

use crate::control::Control;
use crate::function::Function;
use crate::{chaosaws, chaoskafka, kafka};

static FUNCTIONS: [Function; 34] = [
    chaoskafka::probes::DESCRIBE_KAFKA_TOPIC,
    chaoskafka::probes::ALL_REPLICAS_IN_SYNC,
    chaoskafka::probes::CLUSTER_DOESNT_HAVE_UNDER_REPLICATED_PARTITIONS,
    chaoskafka::probes::CHECK_CONSUMER_LAG_UNDER_THRESHOLD,
    chaoskafka::probes::TOPIC_HAS_NO_OFFLINE_PARTITIONS,
    chaoskafka::actions::DELETE_KAFKA_TOPIC,
    chaoskafka::actions::REBALANCE_CONSUMER_GROUP,
    chaoskafka::actions::DELETE_CONSUMER_GROUP,
    chaoskafka::actions::PRODUCE_MESSAGES,
    chaoskafka::actions::CONSUME_MESSAGES,
    chaoskafka::controls::AFTER_ACTIVITY_CONTROL,
    chaosaws::REBOOT_MSK_BROKER,
    chaosaws::REBOOT_BROKER,
    kafka::probes::OFFLINE_PARTITIONS,
    kafka::probes::UNDER_REPLICATED_PARTITIONS,
    kafka::probes::UNDER_MIN_ISR_PARTITIONS,
    kafka::probes::CONSUMER_LAG,
    kafka::probes::CONSUMER_LAG_SECONDS,
    kafka::probes::RECORD_COUNT,
    kafka::probes::DESCRIBE_TOPIC,
    kafka::probes::DESCRIBE_GROUP,
    kafka::probes::COMMITTED_OFFSETS,
    kafka::probes::BROKER_CONFIG,
    kafka::actions::PRODUCE_MESSAGES,
    kafka::actions::CONSUME_MESSAGES,
    kafka::actions::REBALANCE_GROUP,
    kafka::actions::DELETE_GROUP,
    kafka::actions::DELETE_TOPIC,
    kafka::actions::CREATE_TOPIC,
    kafka::actions::SET_TOPIC_CONFIG,
    kafka::actions::SET_BROKER_CONFIG,
    kafka::actions::REASSIGN_PARTITIONS,
    kafka::actions::ELECT_LEADERS,
    kafka::actions::RESET_OFFSETS,
];

static CONTROLS: [Control; 1] = [chaoskafka::controls::GET_PRODUCTION_OFFSETS];

/// Every function, for validation and documentation.
pub fn functions() -> &'static [Function] {
    &FUNCTIONS
}

/// The function of that name in that module.
pub fn find(module: &str, name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|function| function.module == module && function.name == name)
}

/// Every control.
pub fn controls() -> &'static [Control] {
    &CONTROLS
}

/// The control that is this module.
pub fn control(module: &str) -> Option<&'static Control> {
    CONTROLS.iter().find(|control| control.module == module)
}
