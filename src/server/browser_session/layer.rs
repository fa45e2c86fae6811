//! Which requests actix-session sees: those that begin, end or tell of sessions.
//!
//! A call only asks which session it belongs to, and nearly never changes the cookie. For it
//! actix-session would read the cookies once more, fill a map and wrap the answer, which is a
//! fifth of what the call costs outside the kernel (`docs/PERFORMANCE.md`). So a call's cookie is
//! verified where the cookies are read ([`CookieKeys`](crate::server::CookieKeys)), and what its
//! handler wants done with it is written there.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_session::SessionMiddleware;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};

use super::IdStore;
use crate::model::SessionId;

/// Below this, sessions are begun and ended; everything else is a call, or a page.
const KEPT: &str = "/auth/";

/// Whether actix-session sees a request for that path.
pub(in crate::server) fn is_kept(path: &str) -> bool {
    path.starts_with(KEPT)
}

/// What a call's handler wants done with the cookie.
#[derive(Clone, Default)]
pub(in crate::server) enum Deed {
    /// Nothing.
    #[default]
    Leave,
    /// Set it, with the whole `Max-Age`.
    Set(SessionId),
    /// Take it away.
    Forget,
}

/// The session of a call, and what becomes of its cookie.
#[derive(Clone)]
pub(in crate::server) struct CallSession {
    /// The id in the cookie, if there is a genuine one.
    pub(super) id: Option<SessionId>,
    deed: Rc<RefCell<Deed>>,
}

impl CallSession {
    pub(in crate::server) fn new(id: Option<SessionId>) -> Self {
        Self { id, deed: Rc::default() }
    }

    pub(super) fn wish(&self, deed: Deed) {
        *self.deed.borrow_mut() = deed;
    }

    /// What was wished for last.
    pub(in crate::server) fn deed(&self) -> Deed {
        self.deed.borrow().clone()
    }
}

/// The middleware: actix-session where it is needed.
pub struct SessionLayer(pub(super) SessionMiddleware<IdStore>);

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionLayer")
    }
}

type LocalBoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;
type Kept<S> = <SessionMiddleware<IdStore> as Transform<Rc<S>, ServiceRequest>>::Transform;

impl<S, B> Transform<S, ServiceRequest> for SessionLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Split<S, Kept<S>>;
    type InitError = ();
    type Future = LocalBoxFuture<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let service = Rc::new(service);
        let kept = self.0.new_transform(Rc::clone(&service));
        Box::pin(async move { Ok(Split { service, kept: kept.await? }) })
    }
}

/// The handlers, by themselves and behind actix-session.
pub struct Split<S, K> {
    service: Rc<S>,
    kept: K,
}

impl<S, K> fmt::Debug for Split<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Split")
    }
}

impl<S, K, B> Service<ServiceRequest> for Split<S, K>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    K: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<Result<ServiceResponse<B>, Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Both are ready when the handlers are.
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if is_kept(request.uri().path()) {
            Box::pin(self.kept.call(request))
        } else {
            Box::pin(self.service.call(request))
        }
    }
}
