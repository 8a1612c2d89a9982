//! `doctor`.

use serde_json::json;

use super::{CliError, Database, output};
use crate::store::{Finding, Level, examine};
use crate::text::escape::escape;

/// Arguments of `doctor`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Nothing is changed. Exit codes: 0 nothing to warn of; 1 a warning or a problem; \
    3 the database cannot be used at all.")]
pub struct DoctorArguments {
    /// Look for damage only where it is found soon: without this the whole file is read
    #[arg(long)]
    quick: bool,
    /// Print a JSON object a finding
    #[arg(long)]
    json: bool,
}

/// Prints the findings, each with its remedy.
pub fn doctor(database: &Database, arguments: &DoctorArguments) -> Result<(), CliError> {
    let mut health = examine(&database.location()?, &database.settings(), arguments.quick);
    let problems = super::config::problems(database);
    health.findings.extend(problems.iter().map(|problem| Finding::warning("config", problem.to_string())));
    output::unless_unread(print(&health.findings, arguments.json))?;
    let (problems, warnings) = (health.count(Level::Problem), health.count(Level::Warning));
    match health.unusable {
        Some(error) => Err(error.into()),
        None if problems + warnings > 0 => Err(CliError::Failed(format!(
            "{}, {}",
            counted(problems, "problem"),
            counted(warnings, "warning")
        ))),
        None => Ok(()),
    }
}

fn print(findings: &[Finding], json: bool) -> Result<(), CliError> {
    let mut lines = output::Lines::new();
    for finding in findings {
        if json {
            lines.json(&json!(finding))?;
        } else {
            shown(finding).iter().try_for_each(|line| lines.line(line.as_bytes()))?;
        }
    }
    lines.finish()
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn shown(finding: &Finding) -> Vec<String> {
    let mut lines =
        vec![format!("{:<8} {:<12} {}", finding.level, finding.check, escape(finding.finding.as_bytes()))];
    if let Some(remedy) = &finding.remedy {
        lines.push(format!("{:21} -> {}", "", escape(remedy.as_bytes())));
    }
    lines
}
