//! Leader elections asked for by hand: back to the preferred replica, or to one that is not in sync.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ElectLeadersRequest;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::protocol::VersionRange;

use crate::cluster::{Cluster, decided};
use crate::error::{Error, Result, code_name};
use crate::metadata::TopicPartition;
use crate::topic::{CONTROLLER_TIMEOUT_MS, topic_name};

/// Version 1 is the first that knows unclean elections.
const VERSIONS: VersionRange = VersionRange { min: 1, max: 2 };

/// Who may become leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica of the assignment, if it is in sync. Nothing is lost.
    Preferred,
    /// For partitions without a leader: any replica that is alive, also one that lacks acknowledged records. These
    /// records are lost.
    Unclean,
}

/// What came of one partition's election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The result.
    pub outcome: ElectionOutcome,
}

/// How an election ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElectionOutcome {
    /// There is a new leader.
    Elected,
    /// The leader is the right one already; for an unclean election: there is a leader.
    NotNeeded,
    /// The controller refused.
    Refused {
        /// Kafka's name of the reason, such as `PreferredLeaderNotAvailable`.
        name: String,
        /// The controller's own explanation, if it gave one.
        message: Option<String>,
    },
}

impl Cluster {
    /// Elects leaders of the partitions given, or of all. The result names each partition given; when all were
    /// meant, those for which nothing was to do may be left out.
    ///
    /// # Errors
    /// [`Error::Api`] when the controller refused the call as a whole, [`Error::OutcomeUnknown`].
    pub async fn elect_leaders(
        &self,
        kind: ElectionKind,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<Election>> {
        let named = |one: &TopicPartition| {
            TopicPartitions::default()
                .with_topic(topic_name(&one.topic))
                .with_partitions(vec![one.partition])
        };
        let request = ElectLeadersRequest::default()
            .with_election_type(kind as i8)
            .with_topic_partitions(partitions.map(|all| all.iter().map(named).collect()))
            .with_timeout_ms(CONTROLLER_TIMEOUT_MS);
        let request = &request;
        decided(|deadline| async move {
            let answer = self.change(request, VERSIONS, deadline).await?;
            Error::check("ElectLeaders", "the partitions", answer.error_code, None)?;
            let mut elections = Vec::new();
            for topic in &answer.replica_election_results {
                for result in &topic.partition_result {
                    let message = result.error_message.as_ref().map(|text| text.to_string());
                    let outcome = match code_name(result.error_code) {
                        None => ElectionOutcome::Elected,
                        Some(_) if result.error_code == ResponseError::ElectionNotNeeded.code() => {
                            ElectionOutcome::NotNeeded
                        }
                        Some(name) => ElectionOutcome::Refused { name, message },
                    };
                    elections.push(Election {
                        topic: topic.topic.to_string(),
                        partition: result.partition_id,
                        outcome,
                    });
                }
            }
            Ok(elections)
        })
        .await
    }
}
