//! Consumer groups: who coordinates them, what state they are in, and what they committed.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_groups_response::DescribedGroupMember;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, OffsetFetchRequest,
};
use kafka_protocol::protocol::VersionRange;
use tokio::time::Instant;

use crate::cluster::{Cluster, settled};
use crate::error::{Error, Result};
use crate::metadata::Broker;
use crate::topic::text;

/// From version 4 on the answer is a list of coordinators.
const FIND_VERSIONS: VersionRange = VersionRange { min: 4, max: 6 };
const DESCRIBE_VERSIONS: VersionRange = VersionRange { min: 3, max: 6 };
/// From version 8 on the answer is a list of groups; from version 10 on topics go by id, not by name.
const OFFSET_FETCH_VERSIONS: VersionRange = VersionRange { min: 8, max: 9 };

/// Kafka's number for a coordinator of consumer groups.
const GROUP_COORDINATOR: i8 = 0;

/// A consumer group of the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id.
    pub group: String,
    /// `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty` or `Dead`.
    pub state: String,
    /// What kind of group it is: `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor in use; empty while none is chosen.
    pub protocol: String,
    /// The members.
    pub members: Vec<Member>,
}

/// A member of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// What it calls itself.
    pub client_id: String,
    /// Where it connected from, such as `/127.0.0.1`.
    pub host: String,
}

impl Cluster {
    /// The broker that coordinates the group.
    ///
    /// # Errors
    /// [`Error::Api`] with `CoordinatorNotAvailable` when there is none within [`CALL_TIMEOUT`](crate::CALL_TIMEOUT): the partition of
    /// `__consumer_offsets` that the group is kept in is offline. Or that no broker answers.
    pub async fn coordinator(&self, group: &str) -> Result<Broker> {
        settled(|deadline| self.coordinator_by(group, deadline)).await
    }

    /// The group's state and members.
    ///
    /// # Errors
    /// [`Error::Api`] with `GroupIdNotFound` when there is no such group, or when it is not of the classic protocol;
    /// [`Error::NodeUnreachable`] when its coordinator does not answer; or that no broker answers.
    pub async fn describe_group(&self, group: &str) -> Result<Group> {
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let request = &request;
        settled(|deadline| async move {
            let coordinator = self.coordinator_by(group, deadline).await?;
            let role = role(group);
            let answer = self
                .read_from(&coordinator, &role, request, DESCRIBE_VERSIONS, deadline)
                .await?;
            let found = answer.groups.into_iter().next();
            let found = found.ok_or_else(|| absent("DescribeGroups", &coordinator))?;
            let message = found.error_message.as_deref();
            Error::check(
                "DescribeGroups",
                &format!("group {group}"),
                found.error_code,
                message,
            )?;
            let member = |member: &DescribedGroupMember| Member {
                member_id: member.member_id.to_string(),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
            };
            Ok(Group {
                group: group.to_owned(),
                state: found.group_state.to_string(),
                protocol_type: found.protocol_type.to_string(),
                protocol: found.protocol_data.to_string(),
                members: found.members.iter().map(member).collect(),
            })
        })
        .await
    }

    /// What the group committed for each partition of the topic: the offset of the next record it will read.
    /// Partitions without a commit are left out.
    ///
    /// # Errors
    /// As for [`Cluster::describe_group`]; a group that never was has committed nothing, which is no error.
    pub async fn committed_offsets(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let all_topics = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![all_topics]);
        let request = &request;
        settled(|deadline| async move {
            let coordinator = self.coordinator_by(group, deadline).await?;
            let role = role(group);
            let answer = self
                .read_from(
                    &coordinator,
                    &role,
                    request,
                    OFFSET_FETCH_VERSIONS,
                    deadline,
                )
                .await?;
            let found = answer.groups.into_iter().next();
            let found = found.ok_or_else(|| absent("OffsetFetch", &coordinator))?;
            Error::check(
                "OffsetFetch",
                &format!("group {group}"),
                found.error_code,
                None,
            )?;
            let mut offsets = BTreeMap::new();
            let of_topic = found
                .topics
                .iter()
                .filter(|found| found.name.as_str() == topic);
            for partition in of_topic.flat_map(|topic| &topic.partitions) {
                let subject = format!("group {group}, {topic}/{}", partition.partition_index);
                Error::check("OffsetFetch", &subject, partition.error_code, None)?;
                if partition.committed_offset >= 0 {
                    offsets.insert(partition.partition_index, partition.committed_offset);
                }
            }
            Ok(offsets)
        })
        .await
    }

    async fn coordinator_by(&self, group: &str, deadline: Instant) -> Result<Broker> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(GROUP_COORDINATOR)
            .with_coordinator_keys(vec![text(group)]);
        let answer = self.read(&request, FIND_VERSIONS, deadline).await?;
        let subject = format!("group {group}");
        Error::check("FindCoordinator", &subject, answer.error_code, None)?;
        let found = answer.coordinators.first().ok_or_else(|| Error::Protocol {
            call: "FindCoordinator".to_owned(),
            address: self.bootstrap(),
            reason: "the answer names no coordinator".to_owned(),
        })?;
        let message = found.error_message.as_deref();
        Error::check("FindCoordinator", &subject, found.error_code, message)?;
        Ok(Broker {
            node_id: found.node_id.0,
            host: found.host.to_string(),
            port: found.port,
        })
    }
}

fn role(group: &str) -> String {
    format!("coordinator of group {group}")
}

fn absent(call: &str, coordinator: &Broker) -> Error {
    Error::Protocol {
        call: call.to_owned(),
        address: coordinator.address(),
        reason: "the answer does not contain the group".to_owned(),
    }
}
