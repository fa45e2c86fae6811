//! What other processes do to sessions, by publish/subscribe on one channel.
//!
//! The scripts that end or replace a session tell its name on `{prefix}:feed` in the same step. A
//! connection of our own listens there, on the server to which commands go.
//!
//! **Is it alive?** A ping would prove nothing: it says that somebody answers, not that we hear what
//! others write. So twice a second a marker goes out as commands do, by a script that must be allowed
//! to write, and comes back as messages do. A marker of the last two seconds that came back shows
//! that commands reach a server which may still be written to (no replica; with
//! `min-replicas-to-write` no primary that was cut off) and that this server's messages reach us.
//! Messages come in the order in which they were published, so that what was told before the marker
//! has been heard. Without `min-replicas-to-write` an isolated primary on our side of a cut keeps
//! sending our markers back: then `store.cache_max_age` is the bound.
//!
//! In a Cluster we listen at one node, and the others pass on what is published at them over the
//! Cluster's bus. Each marker goes to the primary of a slot drawn at random. One that comes back
//! shows that our node is on the bus, and that one primary's messages came through; it says nothing
//! of the other primaries, whose messages take links of their own and could be lost with one. There,
//! too, `store.cache_max_age` bounds what a lost message can do.
//!
//! The listener is told of an interruption whenever it could have missed something: when a
//! subscription begins and ends, and when markers begin and cease to come back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::StreamExt;
use rand::seq::IndexedRandom;
use redis::aio::PubSubStream;
use redis::{Msg, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::link::{Link, Repeat, Standing};
use super::names::Names;
use super::scripts;
use super::strangers::Strangers;
use super::supervisor::pause;
use crate::store::{Key, LeaseOwner, Listener, Place};

/// Hears what is told. Stops when dropped.
pub(super) struct Feed {
    pulse: Arc<Pulse>,
    deaf: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Feed {
    /// Starts to listen, on `handle`'s runtime.
    pub(super) fn start(link: Arc<Link>, names: Names, listener: Arc<dyn Listener>, handle: &Handle) -> Self {
        let pulse = Arc::new(Pulse::new());
        let strangers = Strangers::new(Arc::clone(&link), names.clone(), Arc::clone(&listener));
        let deaf = strangers.deaf();
        let ear = Ear { link, names, listener, pulse: Arc::clone(&pulse), beat_now: Notify::new() };
        let task = async move {
            tokio::join!(ear.send_markers(), ear.hear(), strangers.hear());
        };
        Self { pulse, deaf, task: handle.spawn(task).abort_handle() }
    }

    /// Whether a marker of the last two seconds has come back, and strangers' changes are heard.
    pub(super) fn is_alive(&self) -> bool {
        self.pulse.is_alive() && self.deaf.load(Ordering::Acquire) == 0
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ear {
    link: Arc<Link>,
    names: Names,
    listener: Arc<dyn Listener>,
    pulse: Arc<Pulse>,
    /// A marker is wanted before its time.
    beat_now: Notify,
}

impl Ear {
    async fn send_markers(&self) {
        let channel = self.names.feed();
        loop {
            let (marker, slot) = (self.pulse.next_marker(), LeaseOwner::random());
            let mut script = scripts::MARK.key(self.names.nothing(slot.as_str()));
            script.arg(&channel).arg(marker);
            let script = &script;
            let sending = self.link.call(Repeat::Allowed, |mut wire| async move {
                script.invoke_async::<Value>(&mut wire).await
            });
            // What goes wrong is seen by what does not come back, and told by the link.
            if let Ok(Err(error)) = timeout(MARKER_LIMIT, sending).await {
                tracing::debug!(%error, "a marker could not be published");
            }
            tokio::select! {
                () = sleep(BEAT) => {}
                () = self.beat_now.notified() => {}
            }
        }
    }

    async fn hear(&self) {
        let mut standing = self.link.standing();
        let mut failures = 0;
        let mut told = false;
        loop {
            sleep(pause(failures)).await;
            let node = standing.borrow_and_update().nodes.choose(&mut rand::rng()).cloned();
            let Some(node) = node else {
                if standing.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let began = Instant::now();
            let reason = match self.link.subscribe(&node, &self.names.feed()).await {
                Ok(pubsub) => {
                    // The other half keeps nothing open.
                    let (_, messages) = pubsub.split();
                    self.listener.interrupted();
                    self.pulse.begin();
                    self.beat_now.notify_one();
                    let reason = self.attend(messages, &mut standing, &mut told).await;
                    self.pulse.stop();
                    self.listener.interrupted();
                    reason
                }
                Err(reason) => reason,
            };
            failures = if began.elapsed() > ALIVE * 2 { 0 } else { failures + 1 };
            if told {
                tracing::warn!(reason, "the feed of changes is interrupted");
                told = false;
            } else {
                tracing::debug!(reason, "the feed of changes is not there yet");
            }
        }
    }

    /// Hears messages until there is a reason to subscribe anew. `told`: whether the log says that
    /// all is well.
    async fn attend(
        &self,
        mut messages: PubSubStream,
        standing: &mut watch::Receiver<Standing>,
        told: &mut bool,
    ) -> String {
        let mut alive = false;
        let mut deadline = Instant::now() + ALIVE;
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    None => return "its connection is lost".to_owned(),
                    Some(message) => {
                        let Some(until) = self.heard(&message) else { continue };
                        if until <= Instant::now() {
                            continue;
                        }
                        deadline = until;
                        if !alive {
                            alive = true;
                            self.listener.interrupted();
                        }
                        self.pulse.alive_until(until);
                        if !*told {
                            *told = true;
                            tracing::info!("the feed of changes is alive");
                        }
                    }
                },
                () = sleep_until(deadline) => {
                    if alive {
                        alive = false;
                        self.pulse.stop();
                        self.listener.interrupted();
                    }
                    // Where commands do not come through either, the link's tasks see to that.
                    if self.link.is_up() {
                        return "its markers do not come back".to_owned();
                    }
                    deadline = Instant::now() + BEAT;
                }
                changed = standing.changed() => {
                    return if changed.is_ok() { "the store is elsewhere".to_owned() } else { "the end".to_owned() };
                }
            }
        }
    }

    /// Passes on what was told. Until when the feed is alive, if it was a marker of ours.
    fn heard(&self, message: &Msg) -> Option<Instant> {
        let bytes = message.get_payload_bytes();
        if bytes.first() == Some(&MARKER) {
            return self.pulse.returned(bytes).map(|sent| sent + ALIVE);
        }
        match std::str::from_utf8(bytes).ok().and_then(|name| Key::from_hash_text(Place::Session, name)) {
            Some(key) => {
                self.link.heard_of(&key);
                self.listener.changed(&key);
            }
            // A later version may tell what this one does not understand.
            None => self.listener.interrupted(),
        }
        None
    }
}

/// The markers, and whether they come back.
struct Pulse {
    origin: Instant,
    /// Milliseconds after `origin`; 0 is past.
    alive_until: AtomicU64,
    /// Drawn by this process, so that no other one's markers are taken for its own.
    signature: LeaseOwner,
    /// Markers under way, oldest first: their numbers, and when they were sent.
    sent: Mutex<VecDeque<(u64, Instant)>>,
    count: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            alive_until: AtomicU64::new(0),
            signature: LeaseOwner::random(),
            sent: Mutex::default(),
            count: AtomicU64::new(0),
        }
    }

    fn is_alive(&self) -> bool {
        let until = self.alive_until.load(Ordering::Acquire);
        Instant::now() < self.origin + Duration::from_millis(until)
    }

    fn alive_until(&self, until: Instant) {
        let until = until.saturating_duration_since(self.origin).as_millis();
        self.alive_until.store(u64::try_from(until).unwrap_or(0), Ordering::Release);
    }

    fn stop(&self) {
        self.alive_until.store(0, Ordering::Release);
    }

    /// A subscription has begun: markers sent before prove nothing of it.
    fn begin(&self) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A marker that is sent now.
    fn next_marker(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        while sent.front().is_some_and(|(_, at)| at.elapsed() > ALIVE) {
            sent.pop_front();
        }
        sent.push_back((number, Instant::now()));
        format!("{}{}.{number}", char::from(MARKER), self.signature.as_str())
    }

    /// When this marker was sent, if it is one of ours that is still of interest.
    fn returned(&self, marker: &[u8]) -> Option<Instant> {
        let text = std::str::from_utf8(marker.get(1..)?).ok()?;
        let number: u64 = text.strip_prefix(self.signature.as_str())?.strip_prefix('.')?.parse().ok()?;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(first, at)) = sent.front() {
            if first > number {
                return None;
            }
            sent.pop_front();
            if first == number {
                return Some(at);
            }
        }
        None
    }
}

/// The first byte of a marker; no name begins with it.
const MARKER: u8 = b'!';

const BEAT: Duration = Duration::from_millis(500);
const ALIVE: Duration = Duration::from_secs(2);

/// A marker that takes longer is overtaken by the next.
const MARKER_LIMIT: Duration = Duration::from_millis(500);
