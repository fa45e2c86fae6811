//! The turn of a call that is a head and nothing else, to which the answer is as plain.
//!
//! Nearly every call is one. The strict reader of heads has seen all of it, so that another HTTP
//! layer would only read it once more; and what makes answers difficult (interim answers, `HEAD`,
//! clients of HTTP/1.0, bodies that are not read) does not happen to it.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::head::{Framing, Head};
use super::turn::Link;
use super::wire::Wire;

/// A connection, lent for one such call.
#[derive(Debug)]
pub(in crate::server) struct PlainTurn(Rc<RefCell<Wire>>);

impl PlainTurn {
    /// The turn, and the call; `None` where it is not of this kind, and nothing has been read then.
    pub(super) fn of(wire: &Rc<RefCell<Wire>>, head: &Head) -> Option<(Self, Request<()>)> {
        if head.old || head.framing != Framing::Length(0) {
            return None;
        }
        let mut open = wire.borrow_mut();
        let call = call(head, open.unread.get(..head.length)?)?;
        open.read_head(head);
        Some((Self(Rc::clone(wire)), call))
    }

    /// For what comes and goes with the call.
    pub(in crate::server) fn link(&self) -> Link {
        Link::to(&self.0)
    }

    /// Writes what the system takes of the answer.
    pub(in crate::server) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        wire.answer.begun = true;
        match pieces {
            [piece] => wire.poll_write(cx, piece),
            pieces => wire.poll_write_vectored(cx, pieces),
        }
    }

    /// All of the answer is with the system.
    pub(in crate::server) fn flushed(&self) {
        self.0.borrow_mut().flushed();
    }

    /// Notices that the client leaves, while something else is waited for.
    pub(in crate::server) fn watch(&self, cx: &mut Context<'_>) {
        self.0.borrow_mut().watch(cx);
    }
}

fn call(head: &Head, bytes: &[u8]) -> Option<Request<()>> {
    let method = Method::from_bytes(bytes.get(..head.target.start.checked_sub(1)?)?).ok()?;
    // In origin-form, which `CONNECT` has not.
    if method == Method::HEAD || bytes.get(head.target.start) != Some(&b'/') {
        return None;
    }
    // The head alone: its values are kept for as long as the call, and the buffer is not.
    let bytes = Bytes::copy_from_slice(bytes);
    let mut headers = HeaderMap::with_capacity(head.lines.len());
    for line in &head.lines {
        let name =
            HeaderName::from_bytes(bytes.get(line.name.start as usize..line.name.end as usize)?).ok()?;
        let value = bytes.slice(line.value.start as usize..line.value.end as usize);
        headers.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice(head.target.clone())).ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

#[cfg(test)]
mod tests;
