//! A TCP proxy that can turn into a black hole: connections stay open, new ones are taken, and
//! nothing comes through. What was connected in that time is dead for good, as behind a firewall
//! that has forgotten it: it is told nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(crate) struct Hole {
    address: SocketAddr,
    swallows: Arc<watch::Sender<bool>>,
    taken: Arc<AtomicU64>,
    accepting: AbortHandle,
}

impl Hole {
    /// A proxy to `target`, on a free port, that lets all through.
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (swallows, taken) = (Arc::new(watch::Sender::new(false)), Arc::new(AtomicU64::new(0)));
        let (switch, count) = (Arc::clone(&swallows), Arc::clone(&taken));
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(near, target, switch.subscribe()));
            }
        });
        Self { address, swallows, taken, accepting: accepting.abort_handle() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing comes through.
    pub(crate) fn swallow(&self) {
        self.swallows.send_replace(true);
    }

    /// New connections are carried again.
    pub(crate) fn fill(&self) {
        self.swallows.send_replace(false);
    }

    /// How many connections it has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(near: TcpStream, target: SocketAddr, mut swallows: watch::Receiver<bool>) {
    if *swallows.borrow_and_update() {
        return silence(swallows).await;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_reader, near_writer), (far_reader, far_writer)) = (near.into_split(), far.into_split());
    let mut out = std::pin::pin!(pump(near_reader, far_writer));
    let mut back = std::pin::pin!(pump(far_reader, near_writer));
    let (mut out_ended, mut back_ended) = (false, false);
    while !(out_ended && back_ended) {
        tokio::select! {
            biased;
            _ = swallows.wait_for(|swallows| *swallows) => break,
            () = &mut out, if !out_ended => out_ended = true,
            () = &mut back, if !back_ended => back_ended = true,
        }
    }
    if *swallows.borrow() {
        // Both directions stay as they are, with what they hold.
        silence(swallows).await;
    }
}

/// For as long as the proxy lasts.
async fn silence(mut swallows: watch::Receiver<bool>) {
    while swallows.changed().await.is_ok() {}
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes).await {
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
