//! `whisk-bff check-config`

use super::{Failure, print};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    let mut text = settings.effective();
    for warning in settings.warnings() {
        text.push_str(&format!("# warning: {warning}\n"));
    }
    print(&text)
}
