//! The sockets that are open, so that a fault or a stop can cut them at once.
//!
//! A web framework answers every request it has read. To close a connection without an answer
//! each one's socket is duplicated when it is accepted, and shut down through the duplicate.

use std::{
    any::Any,
    net::{Shutdown, TcpStream},
    os::fd::AsFd as _,
    sync::{Arc, Mutex, Weak},
};

use actix_web::{HttpRequest, dev::Extensions};

use crate::world::locked;

/// A handle on one connection's socket, kept in the connection's data.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<TcpStream>);

impl Connection {
    /// Closes the connection of a request; nothing written after this arrives.
    pub(crate) fn cut(request: &HttpRequest) {
        if let Some(connection) = request.conn_data::<Self>() {
            // An error means that it is closed already.
            let _ = connection.0.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    sockets: Vec<Weak<TcpStream>>,
    accepted: u64,
}

impl Connections {
    /// To be called for every accepted socket.
    pub(crate) fn accepted(&self, io: &dyn Any, data: &mut Extensions) {
        let Some(stream) = io.downcast_ref::<actix_web::rt::net::TcpStream>() else {
            return;
        };
        let mut open = locked(&self.0);
        open.accepted += 1;
        // Out of descriptors: this connection cannot be cut, only served.
        let Ok(duplicate) = stream.as_fd().try_clone_to_owned() else {
            return;
        };
        let duplicate = Arc::new(TcpStream::from(duplicate));
        if open.sockets.len() % 64 == 63 {
            open.sockets.retain(|socket| socket.strong_count() > 0);
        }
        open.sockets.push(Arc::downgrade(&duplicate));
        data.insert(Connection(duplicate));
    }

    pub(crate) fn total(&self) -> u64 {
        locked(&self.0).accepted
    }

    /// Closes every connection, in the middle of whatever it carries.
    pub(crate) fn cut_all(&self) {
        for socket in locked(&self.0).sockets.drain(..) {
            if let Some(socket) = socket.upgrade() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}
