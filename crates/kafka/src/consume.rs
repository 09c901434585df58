//! Records taken out of a group's way: read, and the group's commit moved past exactly these.
//!
//! What it promises:
//! 1. The commit is moved only when a named record is the next one the group will read, and only past named records
//!    that follow one another. Every other record stays to be consumed.
//! 2. Records are read by assignment, outside of the group: looking disturbs nobody.
//! 3. The call ends within its bound, and says of each offset what became of it.
//!
//! A commit from outside is accepted only while the group is empty, and a consumer that keeps its position in memory
//! would not see it anyway. So when it is time to move the commit, the members are removed from the group: they may no
//! longer commit, notice it at their next heartbeat, rejoin, and read on from the new commit. That works with every
//! assignor and both protocols, costs the group one rebalance (and, as every rebalance without notice, a second delivery
//! of what members had not committed), and cannot be overtaken by a member's own commit: if one
//! rejoined before ours, ours is refused and everything is looked at again. Joining the group instead would cost two
//! rebalances, depend on the assignor handing out the right partition, and let a stuck member commit its old position
//! on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, POLL_PAUSE};
use crate::committed::Committed;
use crate::error::{Error, Result};
use crate::truth::{self, Isolation, Record};

/// A reasonable bound for the whole of a call.
pub const TAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often members are removed before it is given up: each time means that one rejoined between two calls.
const EVICTIONS_MAX: u32 = 5;

/// How far before the first named offset a commit may be with nothing but offsets without records in between
/// (transaction markers, compaction), and be seen to be there.
const HOLES_MAX: i64 = 100;

/// What became of the records that were to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The named records that exist, in order.
    pub records: Vec<Record>,
    /// The offsets that the group's commit was moved past by this call.
    pub skipped: BTreeSet<i64>,
    /// The offsets that the group had passed by itself.
    pub passed: BTreeSet<i64>,
    /// The offsets that were not next in line before the bound; the group will still come to them.
    pub waiting: BTreeSet<i64>,
    /// What the group has committed for the partition now.
    pub committed: Option<i64>,
    /// How often the members were made to rejoin.
    pub evictions: u32,
}

/// Reads the records at `offsets` of the partition, and moves the group past them as soon as they are next in line.
///
/// A group without a commit is taken to begin at the start of the log.
///
/// # Errors
/// [`Error::UnknownGroup`], [`Error::UnknownTopic`], [`Error::UnknownPartition`], [`Error::OffsetOutOfRange`] for an offset
/// at or behind the end of the log, [`Error::Unfinished`] when the records could not be read or members kept coming
/// back, [`Error::OutcomeUnknown`], or that a broker does not answer.
pub async fn take(
    cluster: &Cluster,
    group: &str,
    topic: &str,
    partition: i32,
    offsets: &BTreeSet<i64>,
    timeout: Duration,
) -> Result<Taken> {
    let deadline = Instant::now() + timeout;
    cluster.describe_group(group).await?;
    let log = Log::read(cluster, topic, partition, offsets, timeout).await?;
    let mut taken = Taken {
        records: log.named(offsets),
        skipped: BTreeSet::new(),
        passed: BTreeSet::new(),
        waiting: offsets.clone(),
        committed: None,
        evictions: 0,
    };
    loop {
        let committed = cluster.committed_offsets(group, topic).await?;
        taken.committed = committed.get(&partition).copied();
        let position = taken.committed.unwrap_or(log.start).max(log.start);
        let ahead = taken.waiting.split_off(&position);
        taken.passed.append(&mut taken.waiting);
        taken.waiting = ahead;
        if taken.waiting.is_empty() {
            return Ok(taken);
        }
        if let Some(next) = log.behind_named(position, offsets) {
            if taken.evictions == EVICTIONS_MAX {
                return Err(Error::Unfinished {
                    what: format!(
                        "moving group {group} past {topic}/{partition} offset {position}"
                    ),
                    limit: timeout,
                    state: format!("members rejoined {EVICTIONS_MAX} times before the commit"),
                });
            }
            let place = Place {
                cluster,
                group,
                topic,
                partition,
            };
            if place
                .advance(taken.committed, next, &mut taken.evictions)
                .await?
            {
                let ahead = taken.waiting.split_off(&next);
                taken.skipped.append(&mut taken.waiting);
                taken.waiting = ahead;
                taken.committed = Some(next);
                if taken.waiting.is_empty() {
                    return Ok(taken);
                }
            }
        }
        if Instant::now() + POLL_PAUSE >= deadline {
            return Ok(taken);
        }
        sleep(POLL_PAUSE).await;
    }
}

/// The part of the partition's log around the named offsets.
struct Log {
    /// The first offset of the whole log.
    start: i64,
    /// The first offset that was read.
    from: i64,
    records: Vec<Record>,
}

impl Log {
    async fn read(
        cluster: &Cluster,
        topic: &str,
        partition: i32,
        offsets: &BTreeSet<i64>,
        timeout: Duration,
    ) -> Result<Self> {
        let (starts, ends) =
            tokio::try_join!(cluster.start_offsets(topic), cluster.end_offsets(topic))?;
        let (Some(start), Some(end)) = (starts.get(&partition), ends.get(&partition)) else {
            return Err(Error::UnknownPartition {
                topic: topic.to_owned(),
                partition,
                partitions: ends.len(),
            });
        };
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
            return Ok(Self {
                start: *start,
                from: *start,
                records: Vec::new(),
            });
        };
        if last >= end || *first < 0 {
            return Err(Error::OffsetOutOfRange {
                topic: topic.to_owned(),
                partition,
                offset: if *first < 0 { *first } else { *last },
                start: *start,
                end: *end,
            });
        }
        let from = (first - HOLES_MAX).max(*start);
        let reading = truth::read_from(
            cluster,
            topic,
            &BTreeMap::from([(partition, from)]),
            &BTreeMap::from([(partition, last + 1)]),
            Isolation::ReadUncommitted,
            timeout,
        )
        .await
        .map_err(|error| Error::Client {
            what: format!("read {topic}/{partition}"),
            reason: error.to_string(),
        })?;
        if let Some(incomplete) = reading.incomplete.first() {
            return Err(Error::Unfinished {
                what: format!("reading {topic}/{partition} from {from} to {last}"),
                limit: timeout,
                state: incomplete.reason.clone(),
            });
        }
        Ok(Self {
            start: *start,
            from,
            records: reading.records,
        })
    }

    fn named(&self, offsets: &BTreeSet<i64>) -> Vec<Record> {
        let named = self.records.iter();
        let named = named.filter(|record| offsets.contains(&record.offset));
        named.cloned().collect()
    }

    /// The offset behind the named records that are next in line at `position`; nothing when the next record is not
    /// named, or not known.
    fn behind_named(&self, position: i64, offsets: &BTreeSet<i64>) -> Option<i64> {
        if position < self.from {
            return None;
        }
        let ahead = self.records.iter().map(|record| record.offset);
        let ahead = ahead.filter(|offset| *offset >= position);
        let run = ahead.take_while(|offset| offsets.contains(offset));
        run.last().map(|offset| offset + 1)
    }
}

/// A partition as one group sees it.
struct Place<'a> {
    cluster: &'a Cluster,
    group: &'a str,
    topic: &'a str,
    partition: i32,
}

impl Place<'_> {
    /// Commits `next` if the group's commit still is what it was seen to be. Says whether it did; if not, somebody was
    /// faster, and all is to be looked at again.
    async fn advance(&self, seen: Option<i64>, next: i64, evictions: &mut u32) -> Result<bool> {
        let members = self.cluster.describe_group(self.group).await?.members;
        if !members.is_empty() {
            self.cluster.evict(self.group, &members).await?;
            *evictions += 1;
        }
        // Nobody can commit from here on but a member that rejoins; and while there is one, our commit is refused.
        let committed = self
            .cluster
            .committed_offsets(self.group, self.topic)
            .await?;
        if committed.get(&self.partition).copied() != seen {
            return Ok(false);
        }
        let commit = Committed::at(next);
        let commits = BTreeMap::from([(self.partition, commit)]);
        match self.cluster.commit(self.group, self.topic, &commits).await {
            Ok(()) => Ok(true),
            Err(Error::GroupNotEmpty { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
