//! `whisk-bff serve`

use super::{Failure, runtime};
use crate::app::{Application, Stop, Surroundings, on_signals};
use crate::settings::Settings;

pub(super) fn run(settings: Settings) -> Result<(), Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let application = Application::build(settings, Surroundings::default()).await?;
        serve(application).await
    })
}

/// Serves until a signal says to stop.
pub(super) async fn serve(application: Application) -> Result<(), Failure> {
    let (stop, pressed) = Stop::new();
    let signals = tokio::spawn(on_signals(stop, std::future::pending()));
    let result = application.run_until_stopped(pressed).await;
    signals.abort();
    Ok(result?)
}
