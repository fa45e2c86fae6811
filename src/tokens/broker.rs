//! "An access token for this session, please."

use std::sync::Arc;
use std::time::Duration;

use super::breaker::Breaker;
use super::distrusted::Distrusted;
use super::error::{AccessTokenError, VaultError};
use super::freshness::Freshness;
use super::refresh::{RefreshResult, Refresher};
use super::single_flight::SingleFlight;
use super::tasks::Tasks;
use super::unsaved::Unsaved;
use super::vault::{Session, SessionContent, TokenVault};
use crate::clock::SharedClock;
use crate::model::{AccessToken, Generation, Principal, Scopes, SessionId, Timestamp, TokenSet};
use crate::oauth;
use crate::store::Key;
use crate::telemetry::{Health, Metrics, RefreshOutcome, Refreshed, SecurityEvent, SessionEnd};

/// Hands out access tokens, and begins and ends sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenBroker {
    refresher: Refresher,
    flights: SingleFlight<Key, RefreshResult>,
    refresh_ahead: Duration,
    distrusted: Distrusted,
}

/// What a call gets.
#[derive(Debug, Clone)]
pub struct Allowance {
    session: Arc<Session>,
    /// The browser's cookie is due to be set anew.
    pub renew_cookie: bool,
    /// What it took.
    pub refreshed: Refreshed,
}

impl Allowance {
    /// The token to call the API with.
    pub fn token(&self) -> &AccessToken {
        &self.session.content.tokens.access
    }

    /// The session it belongs to.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// What the body of an API's 401 says of the token (facts W16: Whisk names the cause there).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnauthorizedBody {
    /// It names a token that is dead for good.
    DeadToken,
    /// It does not.
    Other,
}

/// What to do about an API's 401.
#[derive(Debug)]
pub enum AfterUnauthorized {
    /// Call once more, with this.
    Retry(Allowance),
    /// The session is as good as it was: the API's answer is the browser's.
    Relay,
}

impl TokenBroker {
    /// A broker over `vault`, refreshing at `server`.
    pub fn new(
        vault: TokenVault,
        server: oauth::Client,
        clock: SharedClock,
        tasks: Tasks,
        watch: Watch,
        timing: Timing,
    ) -> Self {
        let Watch { metrics, health } = watch;
        // Another instance's call and its repetition, then our own, and the store between.
        let patience = timing.server_timeout.saturating_mul(4).saturating_add(Duration::from_secs(5));
        let flights = SingleFlight::new(tasks.clone());
        let breaker = Breaker::new(clock.clone());
        let refresher = Refresher {
            vault,
            server,
            clock,
            tasks,
            metrics,
            health,
            unsaved: Unsaved::default(),
            breaker,
            patience,
        };
        Self { refresher, flights, refresh_ahead: timing.refresh_ahead, distrusted: Distrusted::default() }
    }

    /// An access token that is not known to be dead. A person's call slides the idle timeout, an
    /// anonymous user's only once it has succeeded: see [`Self::succeeded`].
    ///
    /// # Errors
    /// [`AccessTokenError`]; after `Ended` and `NoSession` nothing is left in the vault.
    pub async fn access_token(&self, id: &SessionId) -> Result<Allowance, AccessTokenError> {
        let (session, now) = self.current(&Key::session(id)).await?;
        let renew_cookie = session.content.principal == Principal::User && self.slide(&session, now);
        let allowance = |session, refreshed| Allowance { session, renew_cookie, refreshed };
        match Freshness::of(&session.content, now, self.refresh_ahead) {
            Freshness::Fresh => Ok(allowance(session, Refreshed::None)),
            Freshness::Aging => {
                // Its seat is given up: the old token serves.
                let _ = self.begin_refresh(session.key, session.generation);
                Ok(allowance(session, Refreshed::None))
            }
            Freshness::Stale => {
                // Apart, so that the state of what is rare is not moved about with each call.
                let (session, refreshed) = Box::pin(self.refreshed(session.key, session.generation)).await?;
                Ok(allowance(session, refreshed))
            }
        }
    }

    /// The API has carried out a call. Answers whether the browser's cookie is due to be set anew.
    pub fn succeeded(&self, used: &Allowance) -> bool {
        used.session.content.principal == Principal::Anonymous
            && self.slide(&used.session, self.refresher.clock.now())
    }

    /// What to do after the API answered 401 to the token of `used`: a newer token may be there
    /// already (a refresh at Whisk kills the old one, and calls in flight with it); else one
    /// refresh; else the answer stands, or it is the end.
    ///
    /// # Errors
    /// [`AccessTokenError`], as for [`Self::access_token`].
    pub async fn after_unauthorized(
        &self,
        used: &Allowance,
        body: UnauthorizedBody,
    ) -> Result<AfterUnauthorized, AccessTokenError> {
        let session = self.live(&used.session.key, Knowledge::Store).await?;
        let again =
            |session, refreshed| AfterUnauthorized::Retry(Allowance { session, refreshed, ..used.clone() });
        if session.generation != used.session.generation {
            return Ok(again(session, Refreshed::None));
        }
        // A fresh token was refused a moment ago: it is not the token that the API minds.
        if self.distrusted.holds(&session) {
            return Ok(AfterUnauthorized::Relay);
        }
        if session.content.tokens.refresh.is_some() {
            let (session, refreshed) = self.refreshed(session.key, session.generation).await?;
            return Ok(again(session, refreshed));
        }
        let principal = session.content.principal;
        match (principal, body) {
            // An anonymous user has nothing but this token: no 401 is another's fault (fact W24).
            (Principal::Anonymous, _) | (Principal::User, UnauthorizedBody::DeadToken) => {
                self.take(&session.key, SessionEnd::NoRefreshToken).await?;
                Err(AccessTokenError::Ended(principal, SessionEnd::NoRefreshToken))
            }
            (Principal::User, UnauthorizedBody::Other) => Ok(AfterUnauthorized::Relay),
        }
    }

    /// The API answered 401 to the repetition too, with a token that it had not seen before. For a
    /// while no call of this session is answered by another refresh: an endpoint that always says
    /// 401 would cost one a call, and each takes the token away from the calls beside it.
    ///
    /// # Errors
    /// [`AccessTokenError::Ended`] for an anonymous user, whose last 401 this is (fact W24). Or what
    /// kept the session from being ended.
    pub async fn refused_again(&self, retried: &Allowance) -> Result<(), AccessTokenError> {
        match retried.session.content.principal {
            Principal::User => self.distrusted.note(&retried.session),
            Principal::Anonymous => {
                self.refresher.end(&retried.session, SessionEnd::TokenDead).await?;
            }
        }
        Ok(())
    }

    /// The session as it stands, without sliding its timeout or refreshing its tokens.
    ///
    /// # Errors
    /// [`AccessTokenError`]: `NoSession` and `Ended` where there is none (any more).
    pub async fn session(&self, id: &SessionId) -> Result<Arc<Session>, AccessTokenError> {
        Ok(self.current(&Key::session(id)).await?.0)
    }

    /// Begins a session and ends those that it takes the place of.
    ///
    /// # Errors
    /// [`VaultError`]: then there is no new session.
    pub async fn begin(
        &self,
        beginning: Beginning,
        replaced: impl IntoIterator<Item = Key>,
    ) -> Result<SessionId, VaultError> {
        let content = self.content(beginning);
        let (id, _) = self.refresher.vault.create(&content).await?;
        self.refresher.metrics.session_started(content.principal);
        for old in replaced {
            if let Err(error) = self.take(&old, SessionEnd::Replaced).await {
                tracing::warn!(target: "session", %error, "the session before this login is left to its timeout");
            }
        }
        Ok(id)
    }

    /// Ends a session. Deleting comes first and in one step, which is what makes a logout win over
    /// a refresh in flight. `false` where there was none.
    ///
    /// # Errors
    /// [`VaultError`]: then the session may live on.
    pub async fn end(&self, id: &SessionId, reason: SessionEnd) -> Result<bool, VaultError> {
        self.take(&Key::session(id), reason).await
    }

    fn content(&self, beginning: Beginning) -> SessionContent {
        let Beginning { principal, user_id, scopes, tokens } = beginning;
        let now = self.refresher.clock.now();
        let absolute = now.plus(self.refresher.vault.lifetimes().absolute);
        let ends_at = match (principal, &tokens.refresh, tokens.expires_at) {
            // Nothing is left to live on after the access token's end.
            (Principal::User, None, Some(expires_at)) => absolute.min(expires_at),
            _ => absolute,
        };
        let afterlife = self.refresher.vault.lifetimes().afterlife();
        SessionContent {
            principal,
            user_id,
            scopes,
            created_at: now,
            ends_at,
            tokens,
            tokens_since: now,
            afterlife,
        }
    }

    async fn take(&self, key: &Key, reason: SessionEnd) -> Result<bool, VaultError> {
        let ended = self.refresher.vault.take(key).await?.is_some();
        // Not before: a session that the store did not take lives on, with these tokens.
        self.refresher.unsaved.forget(key);
        if ended {
            self.refresher.metrics.session_ended(reason);
            SecurityEvent::ended(reason).session(key.digest()).emit();
        }
        Ok(ended)
    }

    /// The newest version of a session, unless one of its timeouts has passed; and the moment
    /// at which that is so.
    async fn current(&self, key: &Key) -> Result<(Arc<Session>, Timestamp), AccessTokenError> {
        let session = self.newest(key, Knowledge::Cache).await?;
        let now = self.refresher.clock.now();
        if now < session.expires_at {
            return Ok((session, now));
        }
        // Another instance may have moved the deadline; that is not told.
        Ok((self.live(key, Knowledge::Store).await?, self.refresher.clock.now()))
    }

    async fn live(&self, key: &Key, knowledge: Knowledge) -> Result<Arc<Session>, AccessTokenError> {
        let session = self.newest(key, knowledge).await?;
        let now = self.refresher.clock.now();
        if now < session.expires_at {
            return Ok(session);
        }
        let content = &session.content;
        let reason = if now < content.ends_at {
            SessionEnd::IdleTimeout
        } else if content.principal == Principal::Anonymous {
            SessionEnd::AbsoluteTimeout
        } else if content.tokens.refresh.is_none() && content.tokens.expires_at.is_some_and(|at| at <= now) {
            SessionEnd::NoRefreshToken
        } else {
            SessionEnd::AbsoluteTimeout
        };
        self.take(key, reason).await?;
        Err(AccessTokenError::Ended(content.principal, reason))
    }

    async fn newest(&self, key: &Key, knowledge: Knowledge) -> Result<Arc<Session>, AccessTokenError> {
        let unsaved = self.refresher.unsaved.get(key);
        let vault = &self.refresher.vault;
        let stored = match knowledge {
            Knowledge::Cache => vault.look_up(key).await,
            Knowledge::Store => vault.load(key).await,
        };
        match (stored, unsaved) {
            (Ok(Some(stored)), Some(unsaved)) if unsaved.generation > stored.generation => Ok(unsaved),
            (Ok(Some(stored)), _) => Ok(stored),
            (Ok(None), _) => Err(AccessTokenError::NoSession),
            (Err(_), Some(unsaved)) => Ok(unsaved),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// Moves the deadlines behind the call, where they are due.
    fn slide(&self, session: &Session, now: Timestamp) -> bool {
        let Some(slide) = self.refresher.vault.due(session, now) else {
            return false;
        };
        let (vault, key) = (self.refresher.vault.clone(), session.key);
        self.refresher.tasks.spawn(async move {
            if let Err(error) = vault.slide(&key, slide).await {
                tracing::debug!(target: "session", %error, "an idle timeout was not moved");
            }
        });
        slide.cookie
    }

    fn begin_refresh(&self, key: Key, seen: Generation) -> super::single_flight::Seat<RefreshResult> {
        let refresher = self.refresher.clone();
        self.flights.join(key, move || refresher.refresh(key, seen))
    }

    async fn refreshed(
        &self,
        key: Key,
        seen: Generation,
    ) -> Result<(Arc<Session>, Refreshed), AccessTokenError> {
        let seat = self.begin_refresh(key, seen);
        let refreshed = if seat.first { Refreshed::Performed } else { Refreshed::Joined };
        if refreshed == Refreshed::Joined {
            self.refresher.metrics.refresh(RefreshOutcome::Joined);
        }
        let session = seat.result().await.ok_or(AccessTokenError::Lost)??;
        Ok((session, refreshed))
    }
}

/// What is good enough to judge a session by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// What this process knows.
    Cache,
    /// What the store says now.
    Store,
}

/// What a session begins with.
#[derive(Debug)]
pub struct Beginning {
    /// A person or an anonymous user.
    pub principal: Principal,
    /// Whisk's name for the user, where it told one.
    pub user_id: Option<String>,
    /// What was granted.
    pub scopes: Scopes,
    /// Its first tokens.
    pub tokens: TokenSet,
}

/// Where what happens is noted.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Counts.
    pub metrics: Metrics,
    /// Knows who is there.
    pub health: Health,
}

/// How long things may take, from the settings.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// `session.refresh_ahead`.
    pub refresh_ahead: Duration,
    /// `whisk.timeout`.
    pub server_timeout: Duration,
}
