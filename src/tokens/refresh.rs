//! Refreshing an access token once, however many requests ask for it.
//!
//! A page load sends a dozen API calls with one cookie. When the access token has gone stale the
//! first call refreshes it, and the rest wait for that answer:
//!
//! * within this process, a [`SingleFlight`](super::SingleFlight) joins callers on one session;
//! * between processes, a lease admits one refresher at a time. It is renewed while its holder
//!   works, so that a slow authorization server does not outlive it, and runs out by itself when
//!   the holder dies;
//! * under the lease the session is read again: somebody may have done it already;
//! * [`TokenVault::replace`] writes only over the generation that was read, so that a refresher
//!   that lost its lease cannot overwrite a newer token, nor revive a session that logged out.
//!
//! Only `invalid_grant` for the token that is still the stored one ends a session. Every other
//! failure leaves it as it was, with a short pause that all instances share.
//!
//! See RFC 6749 section 6, and RFC 9700 section 4.14 on rotation.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Breaker;
use super::error::{AccessTokenError, VaultError};
use super::lease::{Asked, KeptLease, LEASE, jittered};
use super::tasks::Tasks;
use super::unsaved::Unsaved;
use super::vault::{Session, SessionContent, TokenVault};
use crate::clock::SharedClock;
use crate::model::{Generation, Principal, RefreshToken};
use crate::oauth::{self, Unavailable};
use crate::store::{Key, LeaseOwner, Replaced};
use crate::telemetry::{Health, Metrics, RefreshOutcome, SecurityEvent, SessionEnd};

/// How long nobody asks again after a failure.
const COOL_DOWN: Duration = Duration::from_secs(1);
/// After an absence of the store in which leases may have run out: the time in which those who were
/// given tokens meanwhile find back to it (two seconds) and store them.
const SETTLING: Duration = Duration::from_millis(2500);
/// Before a request whose answer was lost is made once more.
const SECOND_TRY: Duration = Duration::from_millis(200);

/// What a refresh came to, shared by all who waited for it.
pub(super) type RefreshResult = Result<Arc<Session>, AccessTokenError>;

/// All that a refresh needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Refresher {
    pub(super) vault: TokenVault,
    pub(super) server: oauth::Client,
    pub(super) clock: SharedClock,
    pub(super) tasks: Tasks,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) unsaved: Unsaved,
    pub(super) breaker: Breaker,
    /// How long a refresh may take in all, waiting for another instance included.
    pub(super) patience: Duration,
}

impl Refresher {
    /// Brings the session of `key` to a generation beyond `seen`: by refreshing, or by finding
    /// that somebody did.
    pub(super) async fn refresh(self, key: Key, seen: Generation) -> RefreshResult {
        let owner = LeaseOwner::random();
        let deadline = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(10);
        let mut heir = false;
        loop {
            if let Some(newer) = self.unsaved.get(&key).filter(|newer| newer.generation > seen) {
                return Ok(newer);
            }
            let asked = KeptLease::ask(self.vault.store(), &self.tasks, key, &owner).await;
            match asked.map_err(VaultError::from)? {
                Asked::Granted(lease) => return self.under_lease(key, seen, lease, heir).await,
                Asked::CoolingDown { left } => {
                    return Err(AccessTokenError::AuthorizationServer { cause: None, retry_after: left });
                }
                // If it is ours next and nothing was stored, its holder died, or cannot store.
                Asked::Held => heir = true,
            }
            if Instant::now() >= deadline {
                return Err(AccessTokenError::AuthorizationServer { cause: None, retry_after: COOL_DOWN });
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(200));
            let session = self.vault.load(&key).await?.ok_or(AccessTokenError::NoSession)?;
            if session.generation > seen {
                return Ok(session);
            }
        }
    }

    async fn under_lease(self, key: Key, seen: Generation, lease: KeptLease, heir: bool) -> RefreshResult {
        let result = self.redeem(&key, seen, heir).await;
        if self.unsaved.get(&key).is_some() {
            // Nobody may redeem the old refresh token until the new one is stored.
            let unsaved = self.unsaved.clone();
            self.tasks.spawn(async move {
                unsaved.settled(&key).await;
                lease.give_back(None).await;
            });
            return result;
        }
        let failed = matches!(result, Err(AccessTokenError::AuthorizationServer { .. }));
        lease.give_back(failed.then_some(COOL_DOWN)).await;
        result
    }

    /// `heir`: the lease was another's before, who may have been given tokens that nobody else
    /// heard of.
    async fn redeem(&self, key: &Key, seen: Generation, heir: bool) -> RefreshResult {
        self.let_the_unsaved_first().await;
        // Looked up first: what is stored and forgotten during the read would be in neither.
        let unsaved = self.unsaved.get(key);
        let session = self.vault.load(key).await?.ok_or(AccessTokenError::NoSession)?;
        if session.generation > seen {
            return Ok(session);
        }
        // The stored refresh token is spent already where newer tokens wait to be stored.
        if let Some(newer) = unsaved.filter(|newer| newer.generation > session.generation) {
            return Ok(newer);
        }
        let Some(refresh_token) = &session.content.tokens.refresh else {
            return self.end(&session, SessionEnd::NoRefreshToken).await;
        };
        let principal = session.content.principal;
        if let Err(left) = self.breaker.admit() {
            return Err(AccessTokenError::AuthorizationServer { cause: None, retry_after: left });
        }
        let mut answer = self.ask(principal, refresh_token).await;
        let lost = matches!(answer, Err(oauth::Error::Unavailable(Unavailable::Lost | Unavailable::Timeout)));
        if lost {
            // The server may have issued tokens that we did not hear of. If it takes the old one
            // again, nothing is lost; if not, nothing can be saved.
            tokio::time::sleep(jittered(SECOND_TRY)).await;
            answer = self.ask(principal, refresh_token).await;
        }
        match answer {
            Ok(granted) => {
                self.metrics.refresh(RefreshOutcome::Refreshed);
                let content = renewed(&session.content, granted, self.clock.now());
                self.write_back(session, content).await
            }
            Err(oauth::Error::Refused(oauth::ErrorCode::InvalidGrant)) => {
                self.metrics.refresh(RefreshOutcome::Refused);
                let reason = if lost || heir { SessionEnd::RotationLost } else { SessionEnd::Refused };
                self.believe(key, session.generation, reason).await
            }
            Err(error) => {
                self.metrics.refresh(RefreshOutcome::Failed);
                tracing::warn!(target: "refresh", %error, "the authorization server gave no new token");
                let retry_after = error.retry_after().unwrap_or(COOL_DOWN);
                Err(AccessTokenError::AuthorizationServer { cause: Some(Arc::new(error)), retry_after })
            }
        }
    }

    /// A lease that was free when the store came back may have run out while it was away, and with
    /// it the claim of an instance that still has tokens to store.
    async fn let_the_unsaved_first(&self) {
        // Half a lease may have gone before, and an absence is noticed late.
        if let Some(end) = self.health.store_was_away(LEASE / 3) {
            tokio::time::sleep_until(Instant::from_std(end) + SETTLING).await;
        }
    }

    /// Asks the server once, and lets breaker and health know.
    async fn ask(
        &self,
        principal: Principal,
        refresh_token: &RefreshToken,
    ) -> Result<oauth::Granted, oauth::Error> {
        let answer = match principal {
            Principal::User => self.server.refresh(refresh_token).await,
            Principal::Anonymous => self.server.refresh_anonymous(refresh_token).await,
        };
        let away = matches!(answer, Err(oauth::Error::Unavailable(_)));
        self.health.login_server(!away);
        if away {
            self.breaker.failed()
        } else {
            self.breaker.answered()
        }
        answer
    }

    /// Stores the new tokens before anybody uses them. The server may have taken the old ones out
    /// of use already, so a store that does not answer is asked until it does, and until then the
    /// tokens are kept here.
    async fn write_back(&self, read: Arc<Session>, content: SessionContent) -> RefreshResult {
        match self.vault.replace(&read, content.clone()).await {
            Ok((Replaced::Done, session)) => Ok(session),
            Ok((Replaced::Gone, _)) => Err(AccessTokenError::NoSession),
            Ok((Replaced::Moved(_), _)) => self.reread(&read.key).await,
            Err(error) => {
                tracing::error!(target: "refresh", %error, "new tokens could not be stored yet; they are kept in memory");
                let session = Session { generation: read.generation.next(), content, ..(*read).clone() };
                Ok(self.unsaved.keep(&self.vault, &self.tasks, read, session))
            }
        }
    }

    /// `invalid_grant` is believed only where the refused token is still the stored one.
    async fn believe(&self, key: &Key, refused: Generation, reason: SessionEnd) -> RefreshResult {
        match self.vault.load(key).await? {
            Some(session) if session.generation > refused => Ok(session),
            Some(session) => self.end(&session, reason).await,
            None => Err(AccessTokenError::NoSession),
        }
    }

    /// Ends the version that was judged. One that was written meanwhile lives on.
    pub(super) async fn end(&self, judged: &Session, reason: SessionEnd) -> RefreshResult {
        match self.vault.remove(judged).await? {
            Replaced::Done => {
                self.metrics.session_ended(reason);
                SecurityEvent::ended(reason).session(judged.key.digest()).emit();
                Err(AccessTokenError::Ended(judged.content.principal, reason))
            }
            Replaced::Gone => Err(AccessTokenError::NoSession),
            Replaced::Moved(_) => self.reread(&judged.key).await,
        }
    }

    async fn reread(&self, key: &Key) -> RefreshResult {
        self.vault.load(key).await?.ok_or(AccessTokenError::NoSession)
    }
}

/// The content after a refresh: a refresh token that was not sent anew stays in force, and so do
/// scopes that were not named (RFC 6749 section 6).
fn renewed(old: &SessionContent, granted: oauth::Granted, now: crate::model::Timestamp) -> SessionContent {
    let mut tokens = granted.tokens;
    tokens.refresh = tokens.refresh.or_else(|| old.tokens.refresh.clone());
    SessionContent {
        tokens,
        scopes: granted.scopes.unwrap_or_else(|| old.scopes.clone()),
        tokens_since: now,
        ..old.clone()
    }
}
