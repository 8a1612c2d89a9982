//! Questions that commands ask before a change that is dangerous, on a terminal only: a script is never
//! asked.

use std::io::{IsTerminal, Write};

use super::{Database, Failure, output};
use crate::config::ConfirmPolicy;
use crate::escape::escape;

/// Whether undo can take back what is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversible {
    /// It can.
    Yes,
    /// It cannot.
    No,
}

/// Asks `question` in a context whose changes are confirmed, unless the answer was given with the command
/// (`is_confirmed`) or there is no terminal. In production the answer to what undo cannot take back is the
/// name of the context.
///
/// # Errors
/// [`Failure::No`] if the answer is anything else than yes.
pub fn confirm(
    database: &Database,
    question: &str,
    reversible: Reversible,
    is_confirmed: bool,
) -> Result<(), Failure> {
    let Some(context) = database.known() else { return Ok(()) };
    let asks = context.production || context.confirm == ConfirmPolicy::Always;
    if is_confirmed || !asks || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    let name = escape(context.name.as_bytes());
    let mark = if context.production { "PRODUCTION " } else { "" };
    let by_name = context.production && reversible == Reversible::No;
    let answers = if by_name { format!("type {name} to do it: ") } else { "[y/N] ".into() };
    let mut terminal = std::io::stderr();
    // Where nothing can be asked, nothing is answered either.
    let _ = write!(terminal, "{mark}{name}: {} {answers}", output::visible(question.as_bytes()));
    let _ = terminal.flush();
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|source| Failure::System { what: "the answer".into(), source })?;
    let answer = line.trim();
    let is_yes = if by_name {
        answer == context.name
    } else {
        matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
    };
    match is_yes {
        true => Ok(()),
        false => Err(Failure::No("not confirmed: nothing was changed".into())),
    }
}
