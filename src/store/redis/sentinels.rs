//! Asking sentinels for the primary, and hearing from them when it changes.
//!
//! All are asked at once; the first primary named that says so itself is taken, so that a sentinel
//! that is behind cannot lead us astray. Each is listened to as well: the one that leads a failover
//! announces it (`+switch-master`) seconds before the others know, and the primary it announced is
//! tried first for a while.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::PubSub;
use redis::{RedisError, RedisResult, cmd};
use tokio::time::{Instant, sleep, timeout};

use super::connect::{Connector, Reached};
use super::fault;
use crate::settings::Node;

impl Connector {
    pub(super) async fn watched_primary(&self, sentinels: &[Node], master: &str) -> Result<Reached, String> {
        let mut tried: Vec<Node> = Vec::new();
        let mut reason = "no sentinel answered".to_owned();
        if let Some(node) = self.announced() {
            match timeout(self.limit / 2, self.primary(&node)).await {
                Ok(Ok(reached)) => return Ok(reached),
                _ => tried.push(node),
            }
        }
        let mut answers: FuturesUnordered<_> =
            sentinels.iter().map(|sentinel| self.ask_sentinel(sentinel, master)).collect();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(node) if tried.contains(&node) => {}
                Ok(node) => match timeout(self.limit / 2, self.primary(&node)).await {
                    Ok(Ok(reached)) => return Ok(reached),
                    Ok(Err(fault)) => {
                        reason = fault;
                        tried.push(node);
                    }
                    Err(_) => {
                        reason = "the primary named by Sentinel does not answer".to_owned();
                        tried.push(node);
                    }
                },
                Err(fault) if tried.is_empty() => reason = fault,
                Err(_) => {}
            }
        }
        Err(reason)
    }

    async fn ask_sentinel(&self, sentinel: &Node, master: &str) -> Result<Node, String> {
        let describe = |error: RedisError| format!("Sentinel: {}", fault::describe(&error));
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(master);
        let mut connection = self.open(sentinel, None).await.map_err(describe)?;
        let answer = match question.query_async::<Option<(String, u16)>>(&mut connection).await {
            // The credentials are those of the data; sentinels may share them.
            Err(error) if error.code() == Some("NOAUTH") => {
                let login = self.data_login().set_db(0);
                let mut connection = self.open(sentinel, Some(&login)).await.map_err(describe)?;
                question.query_async(&mut connection).await
            }
            answer => answer,
        };
        let (host, port) = answer.map_err(describe)?.ok_or("Sentinel does not know the group")?;
        Ok(Node { host, port })
    }

    fn announced(&self) -> Option<Node> {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let (node, at) = announced.as_ref()?;
        (at.elapsed() < BELIEVED).then(|| node.clone())
    }

    /// Listens to one sentinel for ever and calls `switched` with each primary it announces.
    pub(super) async fn follow(&self, sentinel: &Node, master: &str, switched: impl Fn(&Node)) {
        loop {
            if let Ok(Ok(pubsub)) = timeout(self.limit, self.listen_to(sentinel)).await {
                let (mut sink, mut messages) = pubsub.split();
                loop {
                    let Ok(message) = timeout(PING_EVERY, messages.next()).await else {
                        match timeout(self.limit, sink.ping::<redis::Value>()).await {
                            Ok(Ok(_)) => continue,
                            _ => break,
                        }
                    };
                    let Some(message) = message else { break };
                    if let Some(node) = announcement(message.get_payload_bytes(), master) {
                        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
                        *announced = Some((node.clone(), Instant::now()));
                        drop(announced);
                        switched(&node);
                    }
                }
            }
            sleep(RETRY.mul_f64(rand::random_range(0.5..=1.0))).await;
        }
    }

    async fn listen_to(&self, sentinel: &Node) -> RedisResult<PubSub> {
        let mut pubsub = self.pubsub(sentinel, None).await?;
        match pubsub.subscribe(SWITCH).await {
            Err(error) if error.code() == Some("NOAUTH") => {
                pubsub = self.pubsub(sentinel, Some(&self.data_login().set_db(0))).await?;
                pubsub.subscribe(SWITCH).await?;
            }
            answer => answer?,
        }
        Ok(pubsub)
    }
}

/// `GROUP OLD-HOST OLD-PORT NEW-HOST NEW-PORT`.
fn announcement(message: &[u8], master: &str) -> Option<Node> {
    let mut words = std::str::from_utf8(message).ok()?.split(' ');
    if words.next() != Some(master) {
        return None;
    }
    let (host, port) = (words.nth(2)?, words.next()?);
    Some(Node { host: host.to_owned(), port: port.parse().ok()? })
}

const SWITCH: &str = "+switch-master";

/// For so long an announcement goes before what sentinels answer: they tell each other every two
/// seconds.
const BELIEVED: Duration = Duration::from_secs(10);

const PING_EVERY: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_names_the_new_primary_of_our_group() {
        let node = Some(Node { host: "10.0.0.2".to_owned(), port: 6380 });
        assert_eq!(announcement(b"whisk 10.0.0.1 6379 10.0.0.2 6380", "whisk"), node);
        for other in
            ["other 10.0.0.1 6379 10.0.0.2 6380", "whisk 10.0.0.1 6379 10.0.0.2", "", "whisk a b c d"]
        {
            assert_eq!(announcement(other.as_bytes(), "whisk"), None, "{other}");
        }
    }
}
