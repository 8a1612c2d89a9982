//! Stubs: the output of commands that are not run.

use std::str::FromStr;

use super::{CapturedOutput, ExitReason, Finished, Sink, Stream};

#[derive(Clone, Debug)]
pub struct ExecStub {
    pub command: globset::GlobMatcher,
    /// Their standard output.
    pub output: Vec<u8>,
}

impl PartialEq for ExecStub {
    fn eq(&self, other: &ExecStub) -> bool {
        self.command.glob() == other.command.glob() && self.output == other.output
    }
}

impl FromStr for ExecStub {
    type Err = String;

    /// Reads `PATTERN=OUTPUT`.
    fn from_str(text: &str) -> Result<ExecStub, String> {
        let (pattern, output) = text.split_once('=').ok_or("this is not PATTERN=OUTPUT")?;
        let glob = globset::Glob::new(pattern).map_err(|error| error.kind().to_string())?;
        Ok(ExecStub { command: glob.compile_matcher(), output: output.into() })
    }
}

impl ExecStub {
    /// The result of a stubbed command; `sink` gets its lines.
    pub fn finished(&self, sink: Sink) -> Finished {
        let text = self.output.strip_suffix(b"\n").unwrap_or(&self.output);
        if !text.is_empty() {
            text.split(|byte| *byte == b'\n').for_each(|line| sink(Stream::Stdout, line));
        }
        Finished {
            ended: ExitReason::Exited(0),
            stdout: CapturedOutput { bytes: self.output.clone(), is_cut: false },
            stderr: CapturedOutput::default(),
            left_processes: false,
            is_stub: true,
        }
    }
}

/// The first of `stubs` that matches `command`.
pub fn find<'a>(stubs: &'a [ExecStub], command: &str) -> Option<&'a ExecStub> {
    stubs.iter().find(|stub| stub.command.is_match(command))
}
