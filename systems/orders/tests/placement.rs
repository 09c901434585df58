//! Whether a reassignment is seen to be finished, and whether operations are read right.

use orders::placement::{Layout, Replicas, unready};
use orders::topics::{Operation, parse_operations};
use shaketable_kafka::Partition;

const FIXED: Layout = Layout {
    partitions: 2,
    replicas: Replicas::On(&[&[1, 2, 3], &[3, 1, 2]]),
    min_insync_replicas: 2,
};

fn partition(partition: i32, leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> Partition {
    Partition {
        partition,
        leader,
        leader_epoch: 1,
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        offline: Vec::new(),
        error: None,
    }
}

#[test]
fn a_finished_reassignment_leaves_no_difference() {
    let partitions = [
        partition(0, Some(2), &[1, 2, 3], &[3, 2, 1]),
        partition(1, Some(3), &[3, 1, 2], &[1, 2, 3]),
    ];
    assert_eq!(
        FIXED.differences(&partitions, Some("2")),
        Vec::<String>::new()
    );
    assert_eq!(unready(&partitions), Vec::<String>::new());
}

#[test]
fn replicas_that_are_still_added_are_a_difference() {
    let partitions = [
        partition(0, Some(2), &[1, 2, 3], &[2]),
        partition(1, Some(3), &[3], &[3]),
    ];
    assert_eq!(
        FIXED.differences(&partitions, Some("2")),
        ["partition 1 has replicas [3] instead of [3, 1, 2]"]
    );
    assert_eq!(
        unready(&partitions),
        ["partition 0 has replicas that are not in sync: [1, 3]"]
    );
}

#[test]
fn a_partition_without_a_leader_is_not_ready() {
    let partitions = [partition(0, None, &[1], &[1])];
    assert_eq!(unready(&partitions), ["partition 0 has no leader"]);
}

#[test]
fn the_preferred_leader_and_the_configuration_count() {
    let partitions = [
        partition(0, Some(1), &[2, 1, 3], &[1, 2, 3]),
        partition(1, Some(3), &[3, 1, 2], &[1, 2, 3]),
        partition(2, Some(3), &[3, 1, 2], &[1, 2, 3]),
    ];
    assert_eq!(
        FIXED.differences(&partitions, Some("1")),
        [
            "3 partitions instead of 2",
            "partition 0 has replicas [2, 1, 3] instead of [1, 2, 3]",
            "min.insync.replicas is 1 instead of 2",
        ]
    );
}

#[test]
fn a_replication_factor_is_met_anywhere() {
    let published = Layout {
        partitions: 1,
        replicas: Replicas::Any(1),
        min_insync_replicas: 1,
    };
    let alone = [partition(0, Some(3), &[3], &[3])];
    assert_eq!(
        published.differences(&alone, Some("1")),
        Vec::<String>::new()
    );
    let mended = [partition(0, Some(3), &[3, 1, 2], &[3])];
    assert_eq!(
        published.differences(&mended, None),
        [
            "partition 0 has 3 replicas instead of 1",
            "min.insync.replicas is not told instead of 1",
        ]
    );
}

#[test]
fn operations_are_separated_by_blanks_or_commas() {
    assert_eq!(
        parse_operations(
            " initial_topics_configuration,fixed_topics_configuration  describe_topics"
        ),
        Ok(vec![
            Operation::Initial,
            Operation::Fixed,
            Operation::Describe
        ])
    );
    for operation in Operation::ALL {
        assert_eq!(parse_operations(operation.name()), Ok(vec![operation]));
    }
}

#[test]
fn every_wrong_operation_is_named_with_the_right_ones() {
    let problem = parse_operations("fix describe_topics destroy").expect_err("two are wrong");
    assert!(
        problem.starts_with("no operation \"fix\", \"destroy\""),
        "{problem}"
    );
    assert!(problem.contains("fixed_topics_configuration"), "{problem}");
    assert!(parse_operations(" , ").is_err());
}
