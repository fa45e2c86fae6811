//! The two halves of a login.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::error::{BeginError, LoginError};
use super::transaction::{Binding, LoginTransaction, Stage};
use crate::clock::SharedClock;
use crate::crypto::KeyRing;
use crate::model::{Principal, ReturnTo, SessionId, VisitorId};
use crate::oauth::{self, AuthorizationCode, AuthorizationRequest, CodeVerifier, State};
use crate::store::{Created, Key, Place, Record, RecordError, Store, StoreError};
use crate::telemetry::LoginOutcome;
use crate::tokens::{Beginning, Tasks, TokenBroker, VaultError, Watch};

/// Carries logins from their beginning to a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoginFlow {
    store: Arc<dyn Store>,
    keys: Arc<ArcSwap<KeyRing>>,
    clock: SharedClock,
    server: oauth::Client,
    identity_providers: Arc<[String]>,
    broker: TokenBroker,
    tasks: Tasks,
    watch: Watch,
}

/// A login that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Names the login in the redirect, and (hashed) its cookie and its record.
    pub state: State,
    /// Goes into the login's cookie.
    pub binding: Binding,
    /// The authorization page, with the request's parameters.
    pub location: String,
}

/// What a browser brings back from the authorization page (RFC 6749 section 4.1.2).
#[derive(Debug, Default)]
pub struct Callback {
    /// The `code` parameter.
    pub code: Option<String>,
    /// The `error` parameter.
    pub error: Option<String>,
    /// The `iss` parameter (RFC 9207).
    pub issuer: Option<String>,
}

/// A login that has completed.
#[derive(Debug, Clone)]
pub struct Completed {
    /// The new session.
    pub session: SessionId,
    /// Where the browser goes.
    pub return_to: ReturnTo,
    /// Which visitor the browser was when it began, if any: it is none any more.
    pub visitor: Option<Key>,
}

impl LoginFlow {
    /// A flow that keeps its transactions in `store`, sealed under `keys`.
    #[expect(clippy::too_many_arguments, reason = "the composition root hands each part over once, here")]
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<ArcSwap<KeyRing>>,
        clock: SharedClock,
        server: oauth::Client,
        identity_providers: &[String],
        broker: TokenBroker,
        tasks: Tasks,
        watch: Watch,
    ) -> Self {
        Self {
            store,
            keys,
            clock,
            server,
            identity_providers: identity_providers.into(),
            broker,
            tasks,
            watch,
        }
    }

    /// Begins a login. `current` is the session this browser has now, which the new one will take
    /// the place of, and `visitor` the visitor it is, for whom an anonymous session may be under
    /// way: at the callback their `SameSite=Strict` cookies are not sent.
    ///
    /// # Errors
    /// [`BeginError`]; nothing is stored then.
    pub async fn begin(
        &self,
        return_to: ReturnTo,
        identity_provider: Option<&str>,
        current: Option<&SessionId>,
        visitor: Option<&VisitorId>,
    ) -> Result<Begun, BeginError> {
        if identity_provider
            .is_some_and(|asked| !self.identity_providers.iter().any(|listed| listed == asked))
        {
            return Err(BeginError::IdentityProvider);
        }
        let state = State::new();
        let binding = Binding::of(&state, self.keys.load().active());
        let verifier = self.server.uses_pkce().then(CodeVerifier::new);
        let challenge = verifier.as_ref().map(CodeVerifier::challenge);
        let location = self.server.authorization_url(&AuthorizationRequest {
            state: &state,
            challenge: challenge.as_ref(),
            identity_provider,
        });
        let replaces = current.map(|id| Key::session(id).hash_text());
        let visitor = visitor.map(|id| Key::visitor(id).hash_text());
        let transaction = LoginTransaction {
            binding: binding.digest(),
            return_to,
            stage: Stage::Pending { verifier, replaces, visitor },
        };
        self.keep(&Key::login(state.as_str()), &transaction).await?;
        self.watch.metrics.login(LoginOutcome::Begun);
        Ok(Begun { state, binding, location })
    }

    /// Whether `binding` was given out by this broker for the login that `state` names, whatever has
    /// become of it since. Asks nobody.
    pub fn gave(&self, state: &State, binding: &Binding) -> bool {
        binding.is_of(state, &self.keys.load())
    }

    /// Completes the login that `state` names, for the browser that holds `binding`. `presented`
    /// is a session whose cookie came with the callback, if any: it ends too.
    ///
    /// The transaction is taken from the store before the code is sent, so a code is sent at most
    /// once however often the callback is requested. From there on a task of its own does the
    /// work: a browser that hangs up does not break it off.
    ///
    /// # Errors
    /// [`LoginError`]. The transaction is used up, except by a `StateMismatch` or the store's
    /// failure.
    pub async fn complete(
        &self,
        state: &State,
        binding: &Binding,
        callback: Callback,
        presented: Option<&SessionId>,
    ) -> Result<Completed, LoginError> {
        let key = Key::login(state.as_str());
        let bound = |login: &LoginTransaction| login.binding == binding.digest();
        // Looked at first: whoever has learnt the state must not use up another browser's login.
        let seen = self.open(&key, self.store.load(&key).await)?;
        if seen.is_some_and(|login| !bound(&login)) {
            return Err(LoginError::StateMismatch);
        }
        let taken = self.open(&key, self.store.take(&key).await)?;
        let transaction = taken.filter(bound).ok_or(LoginError::Expired)?;
        let (verifier, replaces, visitor) = match transaction.stage {
            Stage::Pending { verifier, replaces, visitor } => (verifier, replaces, visitor),
            Stage::Undelivered { session } => {
                let session = SessionId::parse(&session).ok_or(LoginError::Expired)?;
                return Ok(Completed { session, return_to: transaction.return_to, visitor: None });
            }
        };
        let code = self.code(callback)?;
        let replaces = replaces.and_then(|hash| Key::from_hash_text(Place::Session, &hash));
        let presented = presented.map(Key::session);
        let visitor = visitor.and_then(|hash| Key::from_hash_text(Place::Visitor, &hash));
        let (sender, receiver) = oneshot::channel();
        let (flow, binding, return_to) = (self.clone(), transaction.binding, transaction.return_to);
        self.tasks.spawn(async move {
            let result = flow.exchange(&code, verifier.as_ref(), [replaces, presented]).await;
            let completed = result.map(|session| Completed { session, return_to, visitor });
            if let Err(Ok(completed)) = sender.send(completed) {
                let stage = Stage::undelivered(&completed.session);
                let parked = LoginTransaction { binding, return_to: completed.return_to, stage };
                if let Err(error) = flow.keep(&key, &parked).await {
                    tracing::warn!(target: "login", %error, "a session's browser hung up, and its cookie was not kept");
                }
            }
        });
        receiver.await.map_err(|_| LoginError::Lost)?
    }

    /// The code, or why there is none.
    fn code(&self, callback: Callback) -> Result<AuthorizationCode, LoginError> {
        if let (Some(told), Some(expected)) = (&callback.issuer, self.server.issuer())
            && told != expected
        {
            return Err(LoginError::Issuer);
        }
        if let Some(error) = callback.error {
            return Err(LoginError::Refused(oauth::AuthorizationError::read(&error)));
        }
        let code = callback.code.ok_or(LoginError::Malformed("it has neither code nor error"))?;
        AuthorizationCode::parse(code).ok_or(LoginError::Malformed("its code is not one"))
    }

    async fn exchange(
        &self,
        code: &AuthorizationCode,
        verifier: Option<&CodeVerifier>,
        ended: [Option<Key>; 2],
    ) -> Result<SessionId, LoginError> {
        let answer = self.server.exchange(code, verifier).await;
        self.watch.health.login_server(!matches!(answer, Err(oauth::Error::Unavailable(_))));
        let granted = answer.map_err(refused)?;
        let beginning = Beginning {
            principal: Principal::User,
            user_id: None,
            scopes: granted.scopes.unwrap_or_else(|| self.server.requested_scopes()),
            tokens: granted.tokens,
        };
        Ok(self.broker.begin(beginning, ended.into_iter().flatten()).await?)
    }

    async fn keep(&self, key: &Key, transaction: &LoginTransaction) -> Result<(), VaultError> {
        let record = transaction.seal(&self.keys.load(), key, self.clock.now());
        match self.store.create(key, &record).await? {
            Created::Done => Ok(()),
            Created::Exists => {
                Err(StoreError::Unavailable("a new login's name was taken already".into()).into())
            }
        }
    }

    /// The login in what the store gave.
    fn open(
        &self,
        key: &Key,
        found: Result<Option<Record>, StoreError>,
    ) -> Result<Option<LoginTransaction>, VaultError> {
        match found {
            Ok(record) => Ok(record.and_then(|record| {
                LoginTransaction::open(&self.keys.load(), key, &record, self.clock.now())
            })),
            Err(StoreError::Record(RecordError::Malformed)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn refused(error: oauth::Error) -> LoginError {
    match error {
        oauth::Error::Refused(oauth::ErrorCode::InvalidGrant) => LoginError::CodeRefused,
        oauth::Error::Unavailable(_) => LoginError::ServerUnavailable(Arc::new(error)),
        oauth::Error::Refused(_) | oauth::Error::Invalid(_) => LoginError::ServerInvalid(Arc::new(error)),
    }
}
