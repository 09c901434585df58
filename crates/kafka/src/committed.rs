//! What groups committed: read, reset, restored, deleted.
//!
//! A commit from outside is accepted only while the group has no members; who would otherwise overwrite it is named in
//! the error. Every reset returns what was committed before.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::VersionRange;
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, settled};
use crate::error::{Error, Result};
use crate::group::{absent, check_group, role};
use crate::topic::{text, topic_name};

/// From version 8 on the answer is a list of groups; from version 10 on topics go by id, not by name.
const FETCH_VERSIONS: VersionRange = VersionRange { min: 8, max: 9 };
/// From version 10 on topics go by id, not by name.
const COMMIT_VERSIONS: VersionRange = VersionRange { min: 7, max: 9 };
const DELETE_VERSIONS: VersionRange = VersionRange { min: 0, max: 0 };

/// The generation of whoever is no member.
const NO_GENERATION: i32 = -1;

/// The leader epoch of a commit that does not say.
const NO_EPOCH: i32 = -1;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The epoch of the leader that the record before was read from; -1 when unknown.
    pub leader_epoch: i32,
    /// What the committer wrote beside it.
    pub metadata: String,
}

impl Committed {
    /// A commit of that offset, and nothing else.
    pub(crate) fn at(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: NO_EPOCH,
            metadata: String::new(),
        }
    }
}

/// The commits of a group for some of its partitions, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOffsets {
    /// The group.
    pub group: String,
    /// The commits by topic and partition; nothing for a partition that is known to have none.
    pub offsets: BTreeMap<String, BTreeMap<i32, Option<Committed>>>,
}

/// Where a group is to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the start of the log.
    Earliest,
    /// At the end of the log.
    Latest,
    /// At this offset, which has to be in the log or at its end.
    To(i64),
    /// So many records later, or earlier when negative, than now: at most up to the ends of the log. A partition
    /// without a commit counts from the start of the log.
    ShiftBy(i64),
    /// At the first record with this timestamp, in milliseconds since the epoch, or a later one.
    Timestamp(i64),
}

impl Cluster {
    /// What the group committed for each partition of the topic: the offset of the next record it will read.
    /// Partitions without a commit are left out.
    ///
    /// # Errors
    /// [`Error::NodeUnreachable`] when the coordinator does not answer, or that no broker answers. A group that never
    /// was has committed nothing, which is no error.
    pub async fn committed_offsets(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let mut offsets = self.group_offsets(group).await?.offsets;
        let of_topic = offsets.remove(topic).unwrap_or_default();
        let committed = of_topic
            .into_iter()
            .filter_map(|(partition, committed)| Some((partition, committed?.offset)));
        Ok(committed.collect())
    }

    /// Everything the group committed, for [`Cluster::restore_offsets`].
    ///
    /// # Errors
    /// As for [`Cluster::committed_offsets`].
    pub async fn group_offsets(&self, group: &str) -> Result<GroupOffsets> {
        let all_topics = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![all_topics]);
        let request = &request;
        settled(|deadline| async move {
            let coordinator = self.coordinator_by(group, deadline).await?;
            let answer = self
                .read_from(
                    &coordinator,
                    &role(group),
                    request,
                    FETCH_VERSIONS,
                    deadline,
                )
                .await?;
            let found = answer.groups.into_iter().next();
            let found = found.ok_or_else(|| absent("OffsetFetch", &coordinator))?;
            let mut offsets: BTreeMap<String, BTreeMap<i32, Option<Committed>>> = BTreeMap::new();
            match ResponseError::try_from_code(found.error_code) {
                None => {}
                Some(ResponseError::GroupIdNotFound) => {
                    let group = group.to_owned();
                    return Ok(GroupOffsets { group, offsets });
                }
                Some(_) => check_group("OffsetFetch", group, [found.error_code])?,
            }
            for topic in &found.topics {
                for partition in &topic.partitions {
                    let name = topic.name.as_str();
                    let subject = format!("group {group}, {name}/{}", partition.partition_index);
                    Error::check("OffsetFetch", &subject, partition.error_code, None)?;
                    if partition.committed_offset < 0 {
                        continue;
                    }
                    let metadata = partition.metadata.as_ref();
                    let committed = Committed {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: metadata.map(|text| text.to_string()).unwrap_or_default(),
                    };
                    offsets
                        .entry(name.to_owned())
                        .or_default()
                        .insert(partition.partition_index, Some(committed));
                }
            }
            Ok(GroupOffsets {
                group: group.to_owned(),
                offsets,
            })
        })
        .await
    }

    /// Makes the group read on elsewhere, in these partitions of the topic or in all of them. Returns what was committed
    /// for them before, for [`Cluster::restore_offsets`].
    ///
    /// # Errors
    /// [`Error::GroupNotEmpty`] naming the members, [`Error::OffsetOutOfRange`], [`Error::UnknownTopic`],
    /// [`Error::UnknownPartition`], [`Error::Api`], [`Error::OutcomeUnknown`].
    pub async fn reset_offsets(
        &self,
        group: &str,
        topic: &str,
        partitions: Option<&[i32]>,
        to: OffsetReset,
    ) -> Result<GroupOffsets> {
        self.demand_empty(group).await?;
        let starts = self.start_offsets(topic).await?;
        let ends = self.end_offsets(topic).await?;
        let numbers: Vec<i32> = match partitions {
            Some(partitions) => partitions.to_vec(),
            None => ends.keys().copied().collect(),
        };
        let at_time = match to {
            OffsetReset::Timestamp(timestamp_ms) => self.offsets_at(topic, timestamp_ms).await?,
            _ => BTreeMap::new(),
        };
        let mut committed = self.group_offsets(group).await?.offsets;
        let mut committed = committed.remove(topic).unwrap_or_default();
        let mut before = BTreeMap::new();
        let mut after = BTreeMap::new();
        for partition in numbers {
            let (Some(start), Some(end)) = (starts.get(&partition), ends.get(&partition)) else {
                return Err(Error::UnknownPartition {
                    topic: topic.to_owned(),
                    partition,
                    partitions: ends.len(),
                });
            };
            let old = committed.remove(&partition).flatten();
            let offset = match to {
                OffsetReset::Earliest => *start,
                OffsetReset::Latest => *end,
                OffsetReset::To(offset) if (*start..=*end).contains(&offset) => offset,
                OffsetReset::To(offset) => {
                    return Err(Error::OffsetOutOfRange {
                        topic: topic.to_owned(),
                        partition,
                        offset,
                        start: *start,
                        end: *end,
                    });
                }
                OffsetReset::ShiftBy(records) => {
                    let from = old.as_ref().map_or(*start, |old| old.offset);
                    from.saturating_add(records).clamp(*start, *end)
                }
                OffsetReset::Timestamp(_) => at_time.get(&partition).copied().unwrap_or(*end),
            };
            before.insert(partition, old);
            after.insert(partition, Committed::at(offset));
        }
        self.commit(group, topic, &after).await?;
        Ok(GroupOffsets {
            group: group.to_owned(),
            offsets: BTreeMap::from([(topic.to_owned(), before)]),
        })
    }

    /// Makes the commits of the partitions in the snapshot what they were; those that had none have none again. Other
    /// partitions are left alone. May be repeated.
    ///
    /// # Errors
    /// As for [`Cluster::reset_offsets`].
    pub async fn restore_offsets(&self, snapshot: &GroupOffsets) -> Result<()> {
        let group = &snapshot.group;
        for (topic, partitions) in &snapshot.offsets {
            let commits: BTreeMap<_, _> = partitions
                .iter()
                .filter_map(|(partition, old)| Some((*partition, old.clone()?)))
                .collect();
            let without = partitions.iter().filter(|(_, old)| old.is_none());
            let without: Vec<_> = without.map(|(partition, _)| *partition).collect();
            if !commits.is_empty() {
                self.commit(group, topic, &commits).await?;
            }
            if !without.is_empty() {
                match self.delete_offsets(group, topic, Some(&without)).await {
                    // A group that does not exist has no commits.
                    Err(Error::UnknownGroup { .. }) => {}
                    result => result?,
                }
            }
        }
        Ok(())
    }

    /// Deletes the group's commits for these partitions of the topic, or for all of them.
    ///
    /// # Errors
    /// [`Error::GroupNotEmpty`] while members subscribe to the topic, [`Error::UnknownGroup`], [`Error::UnknownTopic`],
    /// [`Error::Api`], [`Error::OutcomeUnknown`].
    pub async fn delete_offsets(
        &self,
        group: &str,
        topic: &str,
        partitions: Option<&[i32]>,
    ) -> Result<()> {
        let numbers = match partitions {
            Some(partitions) => partitions.to_vec(),
            None => {
                let metadata = self.metadata(Some(&[topic])).await?;
                let found = metadata.topic(topic)?;
                found.partitions.iter().map(|one| one.partition).collect()
            }
        };
        let partition =
            |number: i32| OffsetDeleteRequestPartition::default().with_partition_index(number);
        let named = OffsetDeleteRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(numbers.into_iter().map(partition).collect());
        let request = OffsetDeleteRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(vec![named]);
        let answer = self
            .change_group(group, &request, DELETE_VERSIONS, |answer| {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let codes = partitions.map(|partition| partition.error_code);
                check_group(
                    "OffsetDelete",
                    group,
                    std::iter::once(answer.error_code).chain(codes),
                )
            })
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explained(group, error).await?),
        }
    }

    /// Commits on behalf of a group without members.
    pub(crate) async fn commit(
        &self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, Committed>,
    ) -> Result<()> {
        let partition = |(partition, committed): (&i32, &Committed)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(committed.offset)
                .with_committed_leader_epoch(committed.leader_epoch)
                .with_committed_metadata(Some(text(&committed.metadata)))
        };
        let named = OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(offsets.iter().map(partition).collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(NO_GENERATION)
            .with_topics(vec![named]);
        let answer = self
            .change_group(group, &request, COMMIT_VERSIONS, |answer| {
                let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.try_for_each(|partition| {
                    let subject = format!("group {group}, {topic}/{}", partition.partition_index);
                    Error::check("OffsetCommit", &subject, partition.error_code, None)
                })
            })
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explained(group, error).await?),
        }
    }

    async fn demand_empty(&self, group: &str) -> Result<()> {
        match self.describe_group(group).await {
            Ok(found) if !found.members.is_empty() => Err(self.not_empty(group).await?),
            // A commit makes a group come to be.
            Ok(_) | Err(Error::UnknownGroup { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The same error, or who is in the group if that is what Kafka means.
    async fn explained(&self, group: &str, error: Error) -> Result<Error> {
        let by_members = |code: i16| {
            matches!(
                ResponseError::try_from_code(code),
                Some(
                    ResponseError::UnknownMemberId
                        | ResponseError::StaleMemberEpoch
                        | ResponseError::IllegalGeneration
                        | ResponseError::RebalanceInProgress
                        | ResponseError::NonEmptyGroup
                        | ResponseError::GroupSubscribedToTopic
                )
            )
        };
        match error {
            Error::Api { code, .. } if by_members(code) => self.not_empty(group).await,
            other => Ok(other),
        }
    }
}
