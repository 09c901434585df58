//! Whether a topic's partitions are where they should be: pure functions of what a broker said.

use std::fmt;

use shaketable_kafka::Partition;

/// How a topic shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Replicas of each partition, by node id, preferred leader first; or how many of them.
    pub replicas: Replicas,
    /// How many partitions.
    pub partitions: usize,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
}

/// Where a partition's replicas shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// Anywhere: only their number matters.
    Any(usize),
    /// On exactly these nodes, one list for each partition, in this order.
    On(&'static [&'static [i32]]),
}

/// What differs from the layout, in words; empty when the topic is as it shall be.
pub type Differences = Vec<String>;

// === impl Layout ===

impl Layout {
    /// What of the topic's shape differs: the number of partitions, their replicas,
    /// `min.insync.replicas`. Which replicas are alive does not matter.
    pub fn differences(
        &self,
        partitions: &[Partition],
        min_insync_replicas: Option<&str>,
    ) -> Differences {
        let mut differences = Differences::new();
        if partitions.len() != self.partitions {
            differences.push(format!(
                "{} partitions instead of {}",
                partitions.len(),
                self.partitions
            ));
        }
        for partition in partitions {
            let number = partition.partition;
            match self.replicas {
                Replicas::Any(count) if partition.replicas.len() != count => {
                    differences.push(format!(
                        "partition {number} has {} replicas instead of {count}",
                        partition.replicas.len()
                    ));
                }
                Replicas::On(lists) => {
                    let wanted = usize::try_from(number).ok().and_then(|at| lists.get(at));
                    if wanted.is_some_and(|wanted| partition.replicas != *wanted) {
                        differences.push(format!(
                            "partition {number} has replicas {:?} instead of {:?}",
                            partition.replicas,
                            wanted.unwrap_or(&[].as_slice())
                        ));
                    }
                }
                Replicas::Any(_) => {}
            }
        }
        if min_insync_replicas != Some(self.min_insync_replicas.to_string().as_str()) {
            differences.push(format!(
                "min.insync.replicas is {} instead of {}",
                min_insync_replicas.unwrap_or("not told"),
                self.min_insync_replicas
            ));
        }
        differences
    }
}

/// What keeps partitions from serving in full: no leader, or replicas that are not in sync.
pub fn unready(partitions: &[Partition]) -> Differences {
    let mut differences = Differences::new();
    for partition in partitions {
        let number = partition.partition;
        if partition.leader.is_none() {
            differences.push(format!("partition {number} has no leader"));
        }
        let behind: Vec<i32> = partition
            .replicas
            .iter()
            .copied()
            .filter(|replica| !partition.isr.contains(replica))
            .collect();
        if !behind.is_empty() {
            differences.push(format!(
                "partition {number} has replicas that are not in sync: {behind:?}"
            ));
        }
    }
    differences
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} partitions, ", self.partitions)?;
        match self.replicas {
            Replicas::Any(count) => write!(formatter, "replication factor {count}")?,
            Replicas::On(lists) => write!(formatter, "replicas {lists:?}")?,
        }
        write!(
            formatter,
            ", min.insync.replicas {}",
            self.min_insync_replicas
        )
    }
}
