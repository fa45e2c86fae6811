//! Which primaries a connection leads to, to see when it is another one.
//!
//! The sign is `master_replid` of `INFO replication`: it names one history of writes. A replica
//! that is promoted begins a new one, and so does a server that starts anew. An address would not
//! do: a name may come to mean another machine, and a primary may be demoted and promoted while
//! nobody looks.

use std::collections::BTreeSet;

use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{RedisResult, Value, cmd, from_redis_value};

use super::fault::Verdict;
use super::wire::Wire;
use crate::settings::Node;

/// What a connection's servers say of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Primaries {
    histories: BTreeSet<String>,
    /// A server that is no primary is among them.
    replica: bool,
    /// Where a Cluster's primaries are.
    pub(super) nodes: Vec<Node>,
}

impl Primaries {
    /// Asks. A user who may not ask learns nothing, and what is not known counts as changed.
    ///
    /// # Errors
    /// What the connection says.
    pub(super) async fn of(wire: &Wire) -> RedisResult<Self> {
        let mut question = cmd("INFO");
        question.arg("replication");
        let answer = match wire {
            Wire::Single(connection) => question.query_async(&mut connection.clone()).await,
            Wire::Cluster(connection) => {
                let all = (MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::Special));
                connection.clone().route_command(question, RoutingInfo::MultiNode(all)).await
            }
        };
        let mut primaries = Self::default();
        match answer {
            Ok(Value::Map(answers)) => {
                for (address, answer) in answers {
                    let address: String = from_redis_value(address)?;
                    if primaries.add(&from_redis_value::<String>(answer).unwrap_or_default())
                        && let Some((host, port)) = address.rsplit_once(':')
                        && let Ok(port) = port.parse()
                    {
                        primaries.nodes.push(Node { host: host.to_owned(), port });
                    }
                }
                // In a Cluster a demoted server is the map's fault, which mends itself.
                primaries.replica = false;
            }
            Ok(answer) => drop(primaries.add(&from_redis_value::<String>(answer)?)),
            Err(error) if Verdict::of(&error) != Verdict::Answered => return Err(error),
            Err(_) => {}
        }
        Ok(primaries)
    }

    /// Whether a server says of itself that it is a replica.
    pub(super) const fn is_replica(&self) -> bool {
        self.replica
    }

    /// Whether `later` leads to a history of writes that is not among these, or may do so.
    pub(super) fn lack(&self, later: &Self) -> bool {
        later.histories.is_empty() || !later.histories.is_subset(&self.histories)
    }

    /// Whether anything is known.
    pub(super) fn is_known(&self) -> bool {
        !self.histories.is_empty()
    }

    fn add(&mut self, info: &str) -> bool {
        let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        if value("role").is_some_and(|role| role.trim() != "master") {
            self.replica = true;
            return false;
        }
        if let Some(history) = value("master_replid") {
            self.histories.insert(history.trim().to_owned());
        }
        true
    }
}
