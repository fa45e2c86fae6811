//! The public listener: bound before anything is served, closed without losing a connection.
//!
//! A client whose connection the kernel has made may have sent its request already. Closing a
//! listener resets the connections that nobody has accepted yet, and the server drops those of
//! which it has not read a request. A load balancer that knows of a drain by `/readyz` has
//! stopped connecting by then; one that learns by a refused connection has not, and a POST that
//! was sent cannot be sent again. So the door is shut in three steps:
//!
//! 1. the kernel passes over new connection requests (their senders ask again a second later, and
//!    are refused then), so that those made already are accepted;
//! 2. the listener ends: whoever asks from now on is refused at once, and goes elsewhere;
//! 3. what was accepted has a moment in which its request arrives.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::time::sleep;

use super::StartError;

/// For the server to accept what the kernel has: microseconds, and longer on a busy machine.
const ACCEPTED: Duration = Duration::from_millis(50);
/// For a request to arrive on a connection that was just made: far above the way from a load
/// balancer.
const ARRIVED: Duration = Duration::from_millis(200);

/// Connections that may wait to be accepted. The kernel has its own bound (`somaxconn`).
const BACKLOG: i32 = 4096;

/// Binds the address of a setting.
pub(super) fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |cause| StartError::Listen { key, address, cause };
    let listener = listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// As [`TcpListener::bind`], which would have the kernel keep 128 connections that nobody has
/// accepted yet; the next waits a second and asks again.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Else the port is taken for a minute after a process before this one.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A hold on a listener that a server accepts from.
#[derive(Debug)]
pub(super) struct Door(TcpListener);

impl Door {
    /// The door of this listener.
    pub(super) fn of(listener: &TcpListener) -> io::Result<Self> {
        listener.try_clone().map(Self)
    }

    /// Closes it. The server's connections stay.
    pub(super) async fn close(self, server: &ServerHandle) {
        // Where the system has no such filter, the waiting is all that is done.
        let _ = pass_over_new_connections(&self.0);
        sleep(ACCEPTED).await;
        // Nothing is left to accept, and the server must not find its listener broken.
        server.pause().await;
        sleep(ACCEPTED).await;
        let _ = SockRef::from(&self.0).shutdown(Shutdown::Both);
        sleep(ARRIVED).await;
    }
}

/// A filter on the listener that drops TCP segments with the flag SYN, and no other: what is half
/// made is still completed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn pass_over_new_connections(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;
    // The instructions of linux/filter.h. The flags are byte 13 of the header (RFC 9293 section
    // 3.1), SYN is 0x02.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_SET, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn pass_over_new_connections(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
