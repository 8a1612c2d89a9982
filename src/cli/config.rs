//! `config`: shows the configuration and its problems.

use serde_json::json;

use super::{CliError, Database, output};
use crate::config::{ConfigProblem, ConfirmPolicy};
use crate::text::escape::escape;
use crate::tui;

/// Arguments of `config`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "The files are config.toml, keymap.toml, filters.toml and themes/NAME.toml; none of them need be there. \
    Exit codes: 0 all of it counts; 1 something in it is wrong and left out."
)]
pub struct ConfigArguments {
    /// Print a file that comes with slothstate, such as keymap.toml or themes/dark.toml: what is
    /// written into a file of that name in the folder takes its place
    #[arg(long, value_name = "FILE")]
    print: Option<String>,
    /// Print a JSON object a problem
    #[arg(long)]
    json: bool,
}

/// Shows the folder, the settings, and the entries that could not be used.
pub fn config(database: &Database, arguments: &ConfigArguments) -> Result<(), CliError> {
    if let Some(wanted) = &arguments.print {
        let files = tui::shipped_files();
        let Some((_, text)) = files.iter().find(|(name, _)| name == wanted) else {
            let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
            return Err(CliError::Usage(format!("--print knows {}", names.join(", "))));
        };
        let mut lines = output::Lines::new();
        for line in text.lines() {
            lines.line(line.as_bytes())?;
        }
        return lines.finish();
    }
    let problems = problems(database);
    output::unless_unread(print_problems(database, &problems, arguments.json))?;
    match problems.len() {
        0 => Ok(()),
        1 => Err(CliError::Failed("1 entry is wrong and was left out".into())),
        count => Err(CliError::Failed(format!("{count} entries are wrong and were left out"))),
    }
}

fn print_problems(database: &Database, problems: &[ConfigProblem], json: bool) -> Result<(), CliError> {
    let mut lines = output::Lines::new();
    if json {
        for problem in problems {
            let file = String::from_utf8_lossy(problem.file.as_os_str().as_encoded_bytes());
            lines.json(&json!({"file": file, "line": problem.line, "reason": problem.reason}))?;
        }
    } else {
        lines.line(folder(database).as_bytes())?;
        for problem in problems {
            lines.line(problem.to_string().as_bytes())?;
        }
        for context in database.config().contexts.all() {
            let is_usual = context.confirm == ConfirmPolicy::of_production(context.production);
            let marks = [
                (context.production, ", production"),
                (context.read_only, ", read only"),
                (!is_usual && context.production, ", only dangerous changes are confirmed"),
                (!is_usual && !context.production, ", every change is confirmed"),
            ];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            let commands = match &context.allow_exec {
                _ if context.no_exec => ", no commands".to_string(),
                Some(patterns) if patterns.is_empty() => ", no commands".to_string(),
                Some(patterns) => format!(", only commands {}", escape(patterns.join(", ").as_bytes())),
                None => String::new(),
            };
            let marks = marks + &commands;
            let path = &context.location;
            lines.line(format!("context {}: {path}{marks}", escape(context.name.as_bytes())).as_bytes())?;
        }
    }
    lines.finish()
}

/// All problems of the configuration folder.
pub fn problems(database: &Database) -> Vec<ConfigProblem> {
    let config = database.config();
    let mut problems = config.problems.clone();
    problems.extend(tui::problems_in(config));
    problems
}

fn folder(database: &Database) -> String {
    match &database.config().folder {
        None => "there is no home directory, and so no configuration".into(),
        Some(folder) => {
            let there = if folder.is_dir() { "" } else { " (not there)" };
            format!("configuration in {}{there}", escape(folder.as_os_str().as_encoded_bytes()))
        }
    }
}
