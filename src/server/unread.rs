//! What nobody has read of a request's body when its answer is out.
//!
//! Once the reader of a chunked body is gone, the HTTP layer below drains what may follow, with no
//! limit of time or size: a client that announces chunks and sends none would hold its connection
//! for good. While there is a reader, that layer announces the end of the connection instead
//! (RFC 9112 section 9.6). So the reader stays until the answer is out. It is the reader, too, who
//! is told that the chunks are broken: that layer sees none that are.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::connection::Link;

/// The middleware: keeps the reader of a chunked body until the answer is out.
///
/// # Errors
/// Those of what it wraps.
pub async fn keep_reader<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let unread = Unread::share(&mut request);
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| unread.until_sent(body.boxed())))
}

/// The reader of a request's body, if that is chunked.
#[derive(Clone, Default)]
pub(super) struct Unread(Option<Rc<RefCell<Payload>>>);

impl Unread {
    /// Leaves the request a reader that shares its body with this one.
    pub(super) fn share(request: &mut ServiceRequest) -> Self {
        if !request.chunked().unwrap_or(false) {
            return Self::default();
        }
        let unread = Self::of(request.take_payload());
        if let Some(payload) = unread.0.clone() {
            let link = request.conn_data::<Link>().cloned();
            let pieces =
                stream::poll_fn(move |cx| match Pin::new(&mut *payload.borrow_mut()).poll_next(cx) {
                    Poll::Pending if link.as_ref().is_some_and(|link| link.poll_broken(cx).is_ready()) => {
                        Poll::Ready(Some(Err(PayloadError::EncodingCorrupted)))
                    }
                    polled => polled,
                });
            request.set_payload(Payload::Stream { payload: Box::pin(pieces) });
        }
        unread
    }

    /// Keeps this reader.
    pub(super) fn of(payload: Payload) -> Self {
        Self(Some(Rc::new(RefCell::new(payload))))
    }

    /// The answer's body, with which the reader goes.
    pub(super) fn until_sent(self, body: BoxBody) -> BoxBody {
        match self.0 {
            None => body,
            Some(reader) => BoxBody::new(Held { body, _reader: reader }),
        }
    }
}

struct Held {
    body: BoxBody,
    _reader: Rc<RefCell<Payload>>,
}

impl MessageBody for Held {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
