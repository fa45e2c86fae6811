//! `[csrf]`: the gate against requests that another site forged.

use super::reader::Reader;
use super::writer::Writer;

/// How strict the gate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csrf {
    /// Whether `X-CSRF: 1` is demanded whatever the browser says of the request's site.
    pub require_header: bool,
}

impl Csrf {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { require_header: reader.flag("csrf.require_header")? })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put("require_header", self.require_header);
    }
}
