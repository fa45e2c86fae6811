//! A world's Redis, asked directly: what a session's record is called and what stands in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, cmd};
use whisk_bff::model::SessionId;
use whisk_bff::store::Key;

use super::{Browser, World};

/// A connection of the test's own.
pub(crate) struct Records {
    connection: MultiplexedConnection,
}

impl Records {
    pub(crate) async fn of(world: &World) -> Self {
        let url = world.redis().url();
        let client = Client::open(url).unwrap();
        Self { connection: client.get_multiplexed_async_connection().await.unwrap() }
    }

    /// Asks one command.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection).await.unwrap()
    }

    /// The names of all session records.
    pub(crate) async fn sessions(&mut self) -> Vec<String> {
        self.ask(&["KEYS", "whisk-bff:s:*"]).await
    }

    /// A record's bytes, `None` where there is none.
    pub(crate) async fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.ask(&["GET", name]).await
    }

    /// Writes bytes over a record, which keeps its end.
    pub(crate) async fn overwrite(&mut self, name: &str, bytes: &[u8]) {
        let mut command = cmd("SET");
        command.arg(name).arg(bytes).arg("XX").arg("KEEPTTL");
        let answer: Option<String> = command.query_async(&mut self.connection).await.unwrap();
        assert_eq!(answer.as_deref(), Some("OK"), "there is a record to overwrite");
    }

    /// The id of the key under which a record is sealed (docs/adr/0001).
    pub(crate) async fn key_id(&mut self, name: &str) -> String {
        let bytes = self.bytes(name).await.expect("a record");
        String::from_utf8(bytes[2..2 + usize::from(bytes[1])].to_vec()).unwrap()
    }

    /// A record's version (docs/adr/0001).
    pub(crate) async fn generation(&mut self, name: &str) -> u64 {
        let bytes = self.bytes(name).await.expect("a record");
        let at = 2 + usize::from(bytes[1]);
        u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    /// How often Redis has run each of these commands since the last `CONFIG RESETSTAT`.
    pub(crate) async fn calls(&mut self, commands: &[&str]) -> u64 {
        let statistics: String = self.ask(&["INFO", "commandstats"]).await;
        let of = |command: &&str| -> u64 {
            let line =
                statistics.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
            line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
        };
        commands.iter().map(of).sum()
    }
}

/// The session id in a browser's cookie: what follows the signature (44 characters of base64).
pub(crate) fn session_id(browser: &Browser) -> String {
    let cookie = browser.session_cookie().expect("a session cookie");
    let text = percent_decoded(&cookie);
    let (signature, id) = text.split_at(44);
    assert_eq!(STANDARD.decode(signature).expect("a signature").len(), 32);
    id.to_owned()
}

/// What a browser's session is called in Redis.
pub(crate) fn record_name(browser: &Browser) -> String {
    let id = SessionId::parse(&session_id(browser)).expect("a session id");
    format!("whisk-bff:s:{{{}}}", Key::session(&id).hash_text())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
