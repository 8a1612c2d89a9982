//! The writer of an export: header, records, footer.

use std::io::{BufWriter, Result, Write};

use serde::Serialize;

use super::record::{ExportHeader, ExportRecord, FORMAT, FORMAT_VERSION, Footer};
use crate::store::{Location, Revision};
use crate::text::escape::drawable_json;
use crate::time::Millis;

/// Writes an export, buffered. It counts the records for the footer.
pub struct ExportWriter<W: Write> {
    output: BufWriter<W>,
    footer: Footer,
}

impl<W: Write> ExportWriter<W> {
    /// Starts an export of the database `source` at `revision` with the header.
    pub fn begin(
        output: W,
        source: &Location,
        revision: Revision,
        now: Millis,
        history: bool,
    ) -> Result<ExportWriter<W>> {
        let output = BufWriter::with_capacity(256 * 1024, output);
        let mut writer = ExportWriter { output, footer: Footer::default() };
        writer.line(&ExportHeader {
            format: FORMAT.into(),
            format_version: FORMAT_VERSION,
            program: format!("slothstate {}", env!("CARGO_PKG_VERSION")),
            source: source.name(),
            exported_at: now.to_string(),
            from_revision: revision.0,
            history,
        })?;
        Ok(writer)
    }

    pub fn put(&mut self, record: &ExportRecord) -> Result<()> {
        match record {
            ExportRecord::Entry(_) => self.footer.entries += 1,
            ExportRecord::Lock(_) => self.footer.locks += 1,
            ExportRecord::Change(_) => self.footer.changes += 1,
            ExportRecord::End(_) => {}
        }
        self.line(record)
    }

    /// Writes the footer, with the newest revision now, and everything that is buffered.
    pub fn finish(mut self, revision: Revision) -> Result<(W, Footer)> {
        self.footer.to_revision = revision.0;
        self.line(&ExportRecord::End(self.footer))?;
        self.output.flush()?;
        Ok((self.output.into_inner()?, self.footer))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        writeln!(self.output, "{}", drawable_json(&serde_json::to_string(line)?))
    }
}
