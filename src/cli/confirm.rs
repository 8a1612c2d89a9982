//! Confirmation of dangerous changes, on a terminal only: a script is never asked.

use std::io::{IsTerminal, Write};

use super::{CliError, Database, output};
use crate::config::ConfirmPolicy;
use crate::text::escape::escape;

/// Whether the change can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversible {
    /// It can.
    Yes,
    /// It cannot.
    No,
}

/// Asks `question` in a context with confirmation, except for a confirmed command (`is_confirmed`) or without
/// a terminal. In production, an irreversible change requires the name of the context as the answer.
///
/// # Errors
/// [`CliError::Failed`] unless the answer is yes.
pub fn confirm(
    database: &Database,
    question: &str,
    reversible: Reversible,
    is_confirmed: bool,
) -> Result<(), CliError> {
    let Some(context) = database.known() else { return Ok(()) };
    let asks = context.production || context.confirm == ConfirmPolicy::Always;
    if is_confirmed || !asks || !can_ask() {
        return Ok(());
    }
    ask(database, question, reversible)
}

/// Whether there is a terminal to ask on.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks `question` on the terminal, in every context.
pub fn ask(database: &Database, question: &str, reversible: Reversible) -> Result<(), CliError> {
    let context = database.known();
    let name = context.map_or_else(String::new, |context| escape(context.name.as_bytes()));
    let is_production = context.is_some_and(|context| context.production);
    let mark = if is_production { "PRODUCTION " } else { "" };
    let beginning = if context.is_some() { format!("{mark}{name}: ") } else { String::new() };
    let by_name = is_production && reversible == Reversible::No;
    let answers = if by_name { format!("type {name} to do it: ") } else { "[y/N] ".into() };
    let mut terminal = std::io::stderr();
    // Where nothing can be asked, nothing is answered either.
    let _ = write!(terminal, "{beginning}{} {answers}", output::visible(question.as_bytes()));
    let _ = terminal.flush();
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|source| CliError::System { what: "the answer".into(), source })?;
    let answer = line.trim();
    let is_yes = if by_name {
        context.is_some_and(|context| answer == context.name)
    } else {
        matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
    };
    match is_yes {
        true => Ok(()),
        false => Err(CliError::Failed("not confirmed: nothing was changed".into())),
    }
}
