//! From the first signal to the end of the process.
//!
//! A load balancer learns from `/readyz` that this instance goes, and needs a moment to; until
//! then everything is served, and each answer closes its connection. Then the listener closes,
//! what is in flight finishes, refreshes and code exchanges included, and the process ends.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Application, StartError};

/// For answers that say why there is no other, at the end of `server.shutdown_grace`.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Tells an application to stop: the first call drains, a second one skips the delay.
#[derive(Debug, Clone)]
pub struct Stop(mpsc::Sender<()>);

impl Stop {
    /// A stop button and what it is connected to.
    pub fn new() -> (Self, mpsc::Receiver<()>) {
        let (sender, receiver) = mpsc::channel(2);
        (Self(sender), receiver)
    }

    /// Presses it.
    pub fn press(&self) {
        // Full: it has been pressed twice, and more says nothing more.
        let _ = self.0.try_send(());
    }
}

impl Application {
    /// Serves until `stop` is pressed, then drains and ends.
    ///
    /// # Errors
    /// [`StartError`] where serving failed, or the store turned out to be too new.
    pub async fn run_until_stopped(self, mut stop: mpsc::Receiver<()>) -> Result<(), StartError> {
        let public = self.public.handle();
        let admin = self.admin.as_ref().map(actix_web::dev::Server::handle);
        let settings = self.settings;
        let serving = tokio::spawn(self.public);
        let administration = self.admin.map(tokio::spawn);
        let mut serving = serving;

        let reason = tokio::select! {
            result = &mut serving => {
                return result.map_err(std::io::Error::other).and_then(|result| result).map_err(StartError::Server);
            }
            error = self.schema.refused() => Err(StartError::Schema(error)),
            _ = stop.recv() => Ok(()),
        };

        self.lifecycle.drain();
        tracing::info!(target: "whisk_bff", "draining");
        let hurried = reason.is_err() || timeout(settings.drain_delay, stop.recv()).await.is_ok();
        let end = Instant::now() + settings.shutdown_grace;
        tracing::info!(target: "whisk_bff", "the listener closes");
        if hurried {
            drop(self.door);
        } else {
            self.door.close(&public).await;
        }
        // What still waits for a token then is told so, rather than cut off.
        let (lifecycle, last_word) =
            (self.lifecycle.clone(), end - LAST_WORD.min(settings.shutdown_grace / 4));
        let telling = tokio::spawn(async move {
            sleep_until(last_word).await;
            lifecycle.give_up();
        });
        let stopping = tokio::spawn(public.stop(true));
        let _ = timeout_at(end, &mut serving).await;
        let _ = timeout_at(end, stopping).await;
        telling.abort();
        for task in &self.background {
            task.abort();
        }
        if timeout_at(end.max(Instant::now() + Duration::from_millis(100)), self.tasks.finished())
            .await
            .is_err()
        {
            tracing::warn!(target: "whisk_bff", "work was still under way when server.shutdown_grace was over");
        }
        if let (Some(admin), Some(administration)) = (admin, administration) {
            admin.stop(false).await;
            let _ = administration.await;
        }
        tracing::info!(target: "whisk_bff", "stopped");
        reason
    }
}

/// Presses `stop` at each SIGTERM and SIGINT, until `over`.
pub async fn on_signals(stop: Stop, over: impl Future<Output = ()>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::pin!(over);
    loop {
        tokio::select! {
            _ = terminate.recv() => stop.press(),
            _ = interrupt.recv() => stop.press(),
            () = &mut over => return Ok(()),
        }
    }
}
