//! Consumer groups of both protocols: who coordinates them, what state they are in, who is a member.
//!
//! What they committed is in `committed`, how far they are behind in `lag`.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, LeaveGroupRequest, ListGroupsRequest,
};
use kafka_protocol::protocol::{Request, StrBytes, VersionRange};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, POLL_PAUSE, decided, settled};
use crate::error::{Error, Result};
use crate::metadata::Broker;
use crate::topic::text;

/// From version 4 on the answer is a list of coordinators.
const FIND_VERSIONS: VersionRange = VersionRange { min: 4, max: 6 };
const DESCRIBE_VERSIONS: VersionRange = VersionRange { min: 3, max: 6 };
const CONSUMER_DESCRIBE_VERSIONS: VersionRange = VersionRange { min: 0, max: 1 };
const CONSUMER_HEARTBEAT_VERSIONS: VersionRange = VersionRange { min: 0, max: 1 };
/// Version 4 is the first that tells the state.
const LIST_VERSIONS: VersionRange = VersionRange { min: 4, max: 5 };
const DELETE_VERSIONS: VersionRange = VersionRange { min: 0, max: 2 };
/// Version 3 is the first by which several members leave at once.
const LEAVE_VERSIONS: VersionRange = VersionRange { min: 3, max: 5 };

/// Kafka's number for a coordinator of consumer groups.
const GROUP_COORDINATOR: i8 = 0;

/// The state of a group that does not exist, in the answers of brokers older than 4.0.
const DEAD: &str = "Dead";
/// The state of a group whose members all have their partitions.
const STABLE: &str = "Stable";
/// The member epoch by which a member of the consumer protocol leaves.
const LEAVING_EPOCH: i32 = -1;
/// What the broker logs as the reason for leaving.
const LEAVE_REASON: &str = "removed by shaketable, to rejoin";

/// A group, as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group's id.
    pub group: String,
    /// Its state, as in [`Group::state`].
    pub state: String,
    /// What kind of group it is: `consumer` for consumers; empty for one that only holds commits.
    pub protocol_type: String,
}

/// Which protocol a group's members speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// The classic protocol: a member assigns partitions to the others.
    Classic,
    /// The consumer protocol of KIP-848: the coordinator assigns.
    Consumer,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id.
    pub group: String,
    /// Which protocol it speaks.
    pub kind: GroupKind,
    /// `Stable` and `Empty`; on the way there `PreparingRebalance` and `CompletingRebalance`, or with the consumer
    /// protocol `Assigning` and `Reconciling`.
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
    /// The id under which the coordinator knows it.
    pub member_id: String,
    /// The id it keeps when it restarts, if it is a static member.
    pub instance_id: Option<String>,
    /// What it calls itself.
    pub client_id: String,
    /// Where it connected from, such as `/127.0.0.1`.
    pub host: String,
}

/// A rebalance that was seen to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebalance {
    /// The member that was removed to bring it about.
    pub evicted: Member,
    /// The members afterwards.
    pub members: Vec<Member>,
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

    /// Every group of every kind, sorted by id.
    ///
    /// # Errors
    /// [`Error::NodeUnreachable`] when one of the brokers does not answer: the groups it coordinates are not known.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>> {
        settled(|deadline| async move {
            let metadata = self.metadata_by(Some(&[]), deadline).await?;
            let request = ListGroupsRequest::default();
            let mut groups = Vec::new();
            for broker in &metadata.brokers {
                let role = "a coordinator of groups";
                let answer = self
                    .read_from(broker, role, &request, LIST_VERSIONS, deadline)
                    .await?;
                Error::check("ListGroups", &broker.address(), answer.error_code, None)?;
                groups.extend(answer.groups.iter().map(|group| ListedGroup {
                    group: group.group_id.to_string(),
                    state: group.group_state.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                }));
            }
            groups.sort_by(|one, other| one.group.cmp(&other.group));
            Ok(groups)
        })
        .await
    }

    /// The group's state and members.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`]; [`Error::NodeUnreachable`] when its coordinator does not answer; or that no broker
    /// answers.
    pub async fn describe_group(&self, group: &str) -> Result<Group> {
        settled(|deadline| async move {
            let coordinator = self.coordinator_by(group, deadline).await?;
            match self.describe_classic(&coordinator, group, deadline).await {
                Err(Error::UnknownGroup { .. }) => {}
                result => return result,
            }
            let found = self.describe_consumer(&coordinator, group, deadline).await;
            match found {
                // The broker is too old for the consumer protocol, or does not have it turned on.
                Err(Error::Protocol { .. }) => Err(unknown(group)),
                result => result,
            }
        })
        .await
    }

    /// Deletes an empty group and all its commits; take [`Cluster::group_offsets`] before, to be able to restore them.
    ///
    /// # Errors
    /// [`Error::GroupNotEmpty`], [`Error::UnknownGroup`], [`Error::Api`], [`Error::OutcomeUnknown`].
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
        let answer = self
            .change_group(group, &request, DELETE_VERSIONS, |answer| {
                let codes = answer.results.iter().map(|result| result.error_code);
                check_group("DeleteGroups", group, codes)
            })
            .await;
        match answer {
            Err(Error::Api { code, .. }) if code == ResponseError::NonEmptyGroup.code() => {
                Err(self.not_empty(group).await?)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Removes members from their group. Consumers learn of it at their next heartbeat, drop their partitions without
    /// committing, rejoin under new ids, and read on from what is committed then.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::Api`], [`Error::OutcomeUnknown`]. A member that is gone already is none.
    pub async fn evict(&self, group: &str, members: &[Member]) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        match self.describe_group(group).await?.kind {
            GroupKind::Classic => self.evict_classic(group, members).await,
            GroupKind::Consumer => self.evict_consumer(group, members).await,
        }
    }

    /// Makes the group rebalance, by removing one member, and waits until the rest and whoever rejoined have their
    /// partitions again.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`]; [`Error::Unfinished`] when the group has no members, or is not stable within `timeout`
    /// with as many members as before; as for [`Cluster::evict`].
    pub async fn rebalance(&self, group: &str, timeout: Duration) -> Result<Rebalance> {
        let deadline = Instant::now() + timeout;
        let unfinished = |state| Error::Unfinished {
            what: format!("rebalance of group {group}"),
            limit: timeout,
            state,
        };
        let before = self.describe_group(group).await?;
        let Some(evicted) = before.members.first().cloned() else {
            return Err(unfinished("the group has no members".to_owned()));
        };
        self.evict(group, std::slice::from_ref(&evicted)).await?;
        loop {
            let now = self.describe_group(group).await?;
            let still = |member: &Member| member.member_id == evicted.member_id;
            // With the consumer protocol a member keeps its id when it rejoins, so that only the state tells.
            let left = before.kind == GroupKind::Consumer || !now.members.iter().any(still);
            let complete = now.members.len() >= before.members.len();
            if left && complete && now.state == STABLE {
                let members = now.members;
                return Ok(Rebalance { evicted, members });
            }
            if Instant::now() + POLL_PAUSE >= deadline {
                return Err(unfinished(format!(
                    "it is {} with {} of {} members",
                    now.state,
                    now.members.len(),
                    before.members.len()
                )));
            }
            sleep(POLL_PAUSE).await;
        }
    }

    /// The error that says who is still in the group.
    pub(crate) async fn not_empty(&self, group: &str) -> Result<Error> {
        let found = self.describe_group(group).await?;
        let member =
            |one: &Member| format!("{} at {} ({})", one.client_id, one.host, one.member_id);
        let mut members: Vec<_> = found.members.iter().map(member).collect();
        if members.is_empty() {
            members.push("one that has left since".to_owned());
        }
        let group = group.to_owned();
        Ok(Error::GroupNotEmpty { group, members })
    }

    /// Asks the group's coordinator to change something; `check` says whether it did.
    pub(crate) async fn change_group<R: Request>(
        &self,
        group: &str,
        request: &R,
        versions: VersionRange,
        check: impl Fn(&R::Response) -> Result<()>,
    ) -> Result<R::Response> {
        let check = &check;
        decided(|deadline| async move {
            let coordinator = self.coordinator_by(group, deadline).await?;
            let answer = self
                .change_at(&coordinator, &role(group), request, versions, deadline)
                .await?;
            check(&answer)?;
            Ok(answer)
        })
        .await
    }

    async fn describe_classic(
        &self,
        coordinator: &Broker,
        group: &str,
        deadline: Instant,
    ) -> Result<Group> {
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let answer = self
            .read_from(
                coordinator,
                &role(group),
                &request,
                DESCRIBE_VERSIONS,
                deadline,
            )
            .await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| absent("DescribeGroups", coordinator))?;
        check_group("DescribeGroups", group, [found.error_code])?;
        if found.group_state.as_str() == DEAD {
            return Err(unknown(group));
        }
        let members = found.members.into_iter().map(|member| Member {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
        });
        Ok(Group {
            group: group.to_owned(),
            kind: GroupKind::Classic,
            state: found.group_state.to_string(),
            protocol_type: found.protocol_type.to_string(),
            protocol: found.protocol_data.to_string(),
            members: members.collect(),
        })
    }

    async fn describe_consumer(
        &self,
        coordinator: &Broker,
        group: &str,
        deadline: Instant,
    ) -> Result<Group> {
        let request =
            ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text(group))]);
        let versions = CONSUMER_DESCRIBE_VERSIONS;
        let answer = self
            .read_from(coordinator, &role(group), &request, versions, deadline)
            .await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| absent("ConsumerGroupDescribe", coordinator))?;
        check_group("ConsumerGroupDescribe", group, [found.error_code])?;
        let members = found.members.into_iter().map(|member| Member {
            member_id: member.member_id.to_string(),
            instance_id: member.instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
        });
        Ok(Group {
            group: group.to_owned(),
            kind: GroupKind::Consumer,
            state: found.group_state.to_string(),
            protocol_type: "consumer".to_owned(),
            protocol: found.assignor_name.to_string(),
            members: members.collect(),
        })
    }

    async fn evict_classic(&self, group: &str, members: &[Member]) -> Result<()> {
        let identity = |member: &Member| {
            MemberIdentity::default()
                .with_member_id(text(&member.member_id))
                .with_group_instance_id(member.instance_id.as_deref().map(text))
                .with_reason(Some(StrBytes::from_static_str(LEAVE_REASON)))
        };
        let request = LeaveGroupRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_members(members.iter().map(identity).collect());
        self.change_group(group, &request, LEAVE_VERSIONS, |answer| {
            let of_members = answer.members.iter().map(|member| member.error_code);
            let gone = ResponseError::UnknownMemberId.code();
            let codes = of_members.filter(|code| *code != gone);
            check_group(
                "LeaveGroup",
                group,
                std::iter::once(answer.error_code).chain(codes),
            )
        })
        .await?;
        Ok(())
    }

    async fn evict_consumer(&self, group: &str, members: &[Member]) -> Result<()> {
        for member in members {
            let request = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(GroupId(text(group)))
                .with_member_id(text(&member.member_id))
                .with_instance_id(member.instance_id.as_deref().map(text))
                .with_member_epoch(LEAVING_EPOCH);
            self.change_group(group, &request, CONSUMER_HEARTBEAT_VERSIONS, |answer| {
                let gone = ResponseError::UnknownMemberId.code();
                let code = Some(answer.error_code).filter(|code| *code != gone);
                check_group("ConsumerGroupHeartbeat", group, code)
            })
            .await?;
        }
        Ok(())
    }

    pub(crate) async fn coordinator_by(&self, group: &str, deadline: Instant) -> Result<Broker> {
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

/// `Ok` when all codes are 0; a group that does not exist is [`Error::UnknownGroup`].
pub(crate) fn check_group(
    call: &str,
    group: &str,
    codes: impl IntoIterator<Item = i16>,
) -> Result<()> {
    for code in codes {
        if code == ResponseError::GroupIdNotFound.code() {
            return Err(unknown(group));
        }
        Error::check(call, &format!("group {group}"), code, None)?;
    }
    Ok(())
}

pub(crate) fn role(group: &str) -> String {
    format!("coordinator of group {group}")
}

pub(crate) fn absent(call: &str, coordinator: &Broker) -> Error {
    Error::Protocol {
        call: call.to_owned(),
        address: coordinator.address(),
        reason: "the answer does not contain the group".to_owned(),
    }
}

fn unknown(group: &str) -> Error {
    Error::UnknownGroup {
        group: group.to_owned(),
    }
}
