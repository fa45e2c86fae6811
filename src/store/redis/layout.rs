//! The layout's version, and a walk over every key: what `migrate` needs of Redis.

use std::time::Duration;

use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, RedisError, Script, Value, cmd, from_redis_value};

use super::fault;
use super::link::Repeat;
use super::scripts;
use super::wire::Wire;
use super::{RedisStore, milliseconds};
use crate::store::{Place, StoreError};

impl RedisStore {
    /// The version of the layout, `None` where none is recorded. Asking renews the record's time.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Unavailable`] where the record is no number.
    pub async fn schema(&self) -> Result<Option<u32>, StoreError> {
        let mut command = cmd("GETEX");
        command.arg(self.names.schema()).arg("PX").arg(milliseconds(SCHEMA_TTL));
        let text: Option<String> = self.ask(Repeat::Allowed, &command).await?;
        let number = text.map(|text| text.parse()).transpose();
        number.map_err(|_| StoreError::Unavailable("the recorded schema is no number".to_owned()))
    }

    /// Records that the layout is of at least this version, and answers what is recorded then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn advance_schema(&self, version: u32) -> Result<u32, StoreError> {
        let name = self.names.schema();
        self.script(Repeat::Allowed, &scripts::ADVANCE_SCHEMA, &name, |script| {
            script.arg(version).arg(milliseconds(SCHEMA_TTL));
        })
        .await
    }

    /// Records the version where none is recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_schema(&self, version: u32) -> Result<(), StoreError> {
        let mut command = cmd("SET");
        command.arg(self.names.schema()).arg(version).arg("NX").arg("PX").arg(milliseconds(SCHEMA_TTL));
        self.ask::<Value>(Repeat::Allowed, &command).await.map(drop)
    }

    /// Runs a script on one key, named as [`Walk`] names it, with the present moment in
    /// milliseconds as `ARGV[1]`. The answer is whether the script changed anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run_on(&self, script: &Script, name: &str) -> Result<bool, StoreError> {
        let now = self.clock.now().as_millis();
        self.script(Repeat::Allowed, script, name, |script| {
            script.arg(now);
        })
        .await
    }

    /// Begins a walk over the records of a place, or of all places, on every primary.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn walk(&self, place: Option<Place>) -> Result<Walk<'_>, StoreError> {
        let nodes = match self.link.wire().await? {
            Wire::Single(_) => vec![SingleNodeRoutingInfo::Random],
            Wire::Cluster(_) => {
                let map: Value = self.ask(Repeat::Allowed, cmd("CLUSTER").arg("SLOTS")).await?;
                primaries(&map).map_err(|error| fault::store_error(&error))?
            }
        };
        Ok(Walk { store: self, pattern: self.names.pattern(place), nodes, cursor: 0 })
    }
}

/// A walk by `SCAN`. Every key that is there from its beginning to its end is named, some twice.
pub struct Walk<'a> {
    store: &'a RedisStore,
    pattern: String,
    /// The servers still to walk over, the present one last.
    nodes: Vec<SingleNodeRoutingInfo>,
    cursor: u64,
}

impl Walk<'_> {
    /// The names of some more keys (or none this time), `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`]; the same page may be asked for again.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let Some(node) = self.nodes.last() else { return Ok(None) };
        let mut scan = cmd("SCAN");
        scan.arg(self.cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(PAGE);
        let (cursor, names): (u64, Vec<String>) = self
            .store
            .link
            .call(Repeat::Allowed, |wire| {
                let (scan, node) = (scan.clone(), node.clone());
                async move { Ok(from_redis_value(ask_node(wire, scan, node).await?)?) }
            })
            .await?;
        self.cursor = cursor;
        if cursor == 0 {
            self.nodes.pop();
        }
        Ok(Some(names))
    }
}

async fn ask_node(wire: Wire, command: Cmd, node: SingleNodeRoutingInfo) -> Result<Value, RedisError> {
    match wire {
        Wire::Single(mut connection) => command.query_async(&mut connection).await,
        Wire::Cluster(mut connection) => {
            connection.route_command(command, RoutingInfo::SingleNode(node)).await
        }
    }
}

/// The primaries named by `CLUSTER SLOTS`: entries of first slot, last slot, and the nodes, of
/// which the first is the primary.
fn primaries(map: &Value) -> Result<Vec<SingleNodeRoutingInfo>, RedisError> {
    let unexpected = || RedisError::from((redis::ErrorKind::UnexpectedReturnType, "CLUSTER SLOTS"));
    let Value::Array(ranges) = map else { return Err(unexpected()) };
    let mut nodes = Vec::new();
    for range in ranges {
        let Value::Array(fields) = range else { return Err(unexpected()) };
        let Some(Value::Array(primary)) = fields.get(2) else { return Err(unexpected()) };
        let (Some(host), Some(port)) = (primary.first(), primary.get(1)) else { return Err(unexpected()) };
        let (host, port) = (from_redis_value(host.clone())?, from_redis_value(port.clone())?);
        let node = SingleNodeRoutingInfo::ByAddress { host, port };
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

/// The schema's record is renewed whenever it is read. No key of ours lives for ever.
const SCHEMA_TTL: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Keys that Redis looks at for one page: short enough not to hold up anybody.
const PAGE: u32 = 256;
