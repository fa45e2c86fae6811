//! From a visitor to a session.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::error::AnonymousError;
use super::record;
use crate::clock::SharedClock;
use crate::crypto::KeyRing;
use crate::model::{Principal, SessionId, Visitor};
use crate::oauth::{self, AnonymousEndpoint, AnonymousUser, Unavailable};
use crate::store::{Created, Key, LeaseOwner, RecordError, Store, StoreError};
use crate::telemetry::{AnonymousOutcome, Metrics, SecurityEvent, SecurityKind, SessionEnd, session_digest};
use crate::tokens::{
    AccessTokenError, Asked, Beginning, Breaker, KeptLease, SingleFlight, Tasks, TokenBroker, VaultError,
    jittered,
};

/// How long nobody asks again for a visitor after a failure.
const COOL_DOWN: Duration = Duration::from_secs(1);
/// How long a store that is away is asked again to take a visitor's record.
const PATIENCE: Duration = Duration::from_secs(4);

/// Carries visitors to sessions of anonymous users. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AnonymousFlow {
    store: Arc<dyn Store>,
    keys: Arc<ArcSwap<KeyRing>>,
    clock: SharedClock,
    endpoint: AnonymousEndpoint,
    broker: TokenBroker,
    tasks: Tasks,
    metrics: Metrics,
    breaker: Breaker,
    flights: SingleFlight<Key, Flight>,
    /// How long another instance is waited for.
    patience: Duration,
}

/// What a visitor's flight came to, shared by all who waited for it.
type Flight = Result<Begun, AnonymousError>;

/// A visitor's session.
#[derive(Debug, Clone)]
pub struct Begun {
    /// It.
    pub session: SessionId,
    /// Whether this very call is what it was made for.
    pub created: bool,
}

impl AnonymousFlow {
    /// A flow that keeps what it knows of visitors in `store`, sealed under `keys`. `timeout` is
    /// that of one call to `endpoint`.
    #[expect(clippy::too_many_arguments, reason = "the composition root hands each part over once, here")]
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<ArcSwap<KeyRing>>,
        clock: SharedClock,
        endpoint: AnonymousEndpoint,
        broker: TokenBroker,
        tasks: Tasks,
        metrics: Metrics,
        timeout: Duration,
    ) -> Self {
        Self {
            store,
            keys,
            endpoint,
            broker,
            metrics,
            breaker: Breaker::new(clock.clone()),
            clock,
            flights: SingleFlight::new(tasks.clone()),
            tasks,
            patience: timeout.saturating_mul(2).saturating_add(Duration::from_secs(5)),
        }
    }

    /// The session of a visitor: the one that was made for it, or a new one. `permit` is asked
    /// before a user is created, and only then.
    ///
    /// # Errors
    /// [`AnonymousError`].
    pub async fn begin<P>(&self, visitor: &Visitor, permit: P) -> Result<Begun, AnonymousError>
    where
        P: Future<Output = Result<(), Duration>> + Send + 'static,
    {
        let key = Key::visitor(visitor.id());
        let flow = self.clone();
        let seat = self.flights.join(key, move || async move {
            let flight = flow.fly(key, permit).await;
            flow.tell(&flight);
            flight
        });
        let first = seat.first;
        let begun = seat.result().await.ok_or(AnonymousError::Lost)??;
        if !first {
            self.metrics.anonymous_user(AnonymousOutcome::Joined);
        }
        Ok(Begun { created: begun.created && first, ..begun })
    }

    /// Somebody has logged in at the browser of that visitor: the session that was made for the
    /// visitor ends, and one that is still being made will not come into force. Its cookie would
    /// take the place of the person's.
    ///
    /// # Errors
    /// [`VaultError`]: then an anonymous session may live on, or be begun, beside the person's.
    pub async fn retire(&self, visitor: &Key) -> Result<(), VaultError> {
        let none = record::seal(&self.keys.load(), visitor, None, self.clock.now());
        if self.store.create(visitor, &none).await? == Created::Done {
            return Ok(());
        }
        let found = self.store.load(visitor).await?;
        let session =
            found.and_then(|found| record::open(&self.keys.load(), visitor, &found, self.clock.now()));
        if let Some(session) = session {
            self.broker.end(&session, SessionEnd::Replaced).await?;
        }
        Ok(())
    }

    async fn fly(
        &self,
        key: Key,
        permit: impl Future<Output = Result<(), Duration>>,
    ) -> Result<Begun, AnonymousError> {
        let owner = LeaseOwner::random();
        let deadline = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(10);
        loop {
            if let Some(begun) = self.recall(&key).await? {
                return Ok(begun);
            }
            let asked = KeptLease::ask(&self.store, &self.tasks, key, &owner).await;
            match asked.map_err(VaultError::from)? {
                Asked::Granted(lease) => return self.under_lease(&key, lease, permit).await,
                Asked::CoolingDown { left } => return Err(unavailable(None, left)),
                Asked::Held if Instant::now() >= deadline => return Err(unavailable(None, COOL_DOWN)),
                Asked::Held => {}
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    async fn under_lease(
        &self,
        key: &Key,
        lease: KeptLease,
        permit: impl Future<Output = Result<(), Duration>>,
    ) -> Result<Begun, AnonymousError> {
        let result = self.create(key, permit).await;
        let failed = matches!(
            result,
            Err(AnonymousError::ServerInvalid(_) | AnonymousError::ServerUnavailable { .. })
        );
        lease.give_back(failed.then_some(COOL_DOWN)).await;
        result
    }

    async fn create(
        &self,
        key: &Key,
        permit: impl Future<Output = Result<(), Duration>>,
    ) -> Result<Begun, AnonymousError> {
        if let Some(begun) = self.recall(key).await? {
            return Ok(begun);
        }
        permit.await.map_err(|retry_after| AnonymousError::NotPermitted { retry_after })?;
        self.breaker.admit().map_err(|left| unavailable(None, left))?;
        let AnonymousUser { user_id, granted } = self.ask().await?;
        let beginning = Beginning {
            principal: Principal::Anonymous,
            user_id,
            scopes: granted.scopes.unwrap_or_default(),
            tokens: granted.tokens,
        };
        // The store is asked for some seconds: the user is made.
        let session = match self.broker.begin(beginning, []).await {
            Ok(session) => session,
            Err(error) => {
                tracing::error!(target: "anonymous", %error, "a new anonymous user is lost: no session could be stored");
                self.metrics.anonymous_user(AnonymousOutcome::Lost);
                return Err(error.into());
            }
        };
        let begun = self.remember(key, session).await?;
        if begun.created {
            let digest = session_digest(&begun.session);
            SecurityEvent::new(SecurityKind::AnonymousStarted).session(digest).emit();
        }
        Ok(begun)
    }

    /// Asks Whisk once. A call is not made again: it may have created a user.
    async fn ask(&self) -> Result<AnonymousUser, AnonymousError> {
        let answer = self.endpoint.create().await;
        match &answer {
            Err(oauth::Error::Unavailable(_)) => self.breaker.failed(),
            _ => self.breaker.answered(),
        }
        answer.map_err(|error| match error {
            oauth::Error::Unavailable(_) => {
                let retry_after = error.retry_after().unwrap_or(COOL_DOWN);
                tracing::warn!(target: "anonymous", %error, "no anonymous user was created");
                unavailable(Some(error), retry_after)
            }
            oauth::Error::Refused(_) | oauth::Error::Invalid(_) => {
                AnonymousError::ServerInvalid(Arc::new(error))
            }
        })
    }

    /// Notes whose session it is. The record is created and never written over: where another
    /// instance was faster, as one whose lease ran out may find, its session is the visitor's; where
    /// a login was, there is none.
    async fn remember(&self, key: &Key, session: SessionId) -> Result<Begun, AnonymousError> {
        let record = record::seal(&self.keys.load(), key, Some(&session), self.clock.now());
        let since = Instant::now();
        loop {
            match self.store.create(key, &record).await {
                Ok(Created::Done) => break,
                Ok(Created::Exists) => {
                    self.broker.end(&session, SessionEnd::Replaced).await?;
                    self.metrics.anonymous_user(AnonymousOutcome::Lost);
                    return self.recall(key).await?.ok_or(AnonymousError::Over);
                }
                Err(StoreError::Timeout | StoreError::Unavailable(_)) if since.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    // The session is stored, and its browser waits for it.
                    tracing::warn!(target: "anonymous", %error, "a visitor's session was not noted");
                    break;
                }
            }
        }
        Ok(Begun { session, created: true })
    }

    /// The session that was made for a visitor, `None` where none was.
    async fn recall(&self, key: &Key) -> Result<Option<Begun>, AnonymousError> {
        let found = match self.store.load(key).await {
            Err(StoreError::Record(RecordError::Malformed)) => None,
            found => found.map_err(VaultError::from)?,
        };
        let Some(found) = found else { return Ok(None) };
        // One that does not open was somebody's: better used up than made twice.
        let session =
            record::open(&self.keys.load(), key, &found, self.clock.now()).ok_or(AnonymousError::Over)?;
        match self.broker.session(&session).await {
            Ok(_) => Ok(Some(Begun { session, created: false })),
            Err(AccessTokenError::NoSession | AccessTokenError::Ended(..)) => Err(AnonymousError::Over),
            Err(AccessTokenError::Vault(error)) => Err(error.into()),
            Err(AccessTokenError::AuthorizationServer { .. } | AccessTokenError::Lost) => {
                Err(AnonymousError::Lost)
            }
        }
    }

    /// Counts what a flight came to. What was lost on the way is counted there.
    fn tell(&self, flight: &Flight) {
        let maybe_created = |cause: &oauth::Error| {
            matches!(cause, oauth::Error::Unavailable(Unavailable::Timeout | Unavailable::Lost))
        };
        self.metrics.anonymous_user(match flight {
            Ok(Begun { created: true, .. }) => AnonymousOutcome::Created,
            Ok(Begun { created: false, .. }) => AnonymousOutcome::Joined,
            Err(AnonymousError::ServerInvalid(_)) => AnonymousOutcome::Invalid,
            Err(AnonymousError::ServerUnavailable { cause: Some(cause), .. }) if maybe_created(cause) => {
                AnonymousOutcome::Lost
            }
            Err(
                AnonymousError::ServerUnavailable { .. } | AnonymousError::Vault(_) | AnonymousError::Lost,
            ) => AnonymousOutcome::Unavailable,
            // Counted as answers, and by the limiter.
            Err(AnonymousError::Over | AnonymousError::NotPermitted { .. }) => return,
        });
    }
}

fn unavailable(cause: Option<oauth::Error>, retry_after: Duration) -> AnonymousError {
    AnonymousError::ServerUnavailable { cause: cause.map(Arc::new), retry_after }
}
