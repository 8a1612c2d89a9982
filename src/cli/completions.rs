//! `completions` and `man`, generated from the definition of the commands.

use std::io::Write;

use clap_complete::Shell;

use super::CliError;

/// Arguments of `completions`.
#[derive(clap::Args, Debug)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Prints a shell's completions.
pub fn completions(arguments: &CompletionsArguments, command: &clap::Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut without_hidden(command), "slothstate", &mut script);
    std::io::stdout().write_all(&script).map_err(CliError::Output)
}

/// The command without hidden subcommands, which completions would offer otherwise.
fn without_hidden(command: &clap::Command) -> clap::Command {
    clap::Command::new("slothstate")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments())
        .subcommands(command.get_subcommands().filter(|sub| !sub.is_hide_set()))
}

/// Prints the manual page, with a section for each command.
pub fn man(command: &clap::Command) -> Result<(), CliError> {
    let render = || -> std::io::Result<Vec<u8>> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let manual = clap_mangen::Man::new(sub.clone());
            writeln!(page, ".SH \"SLOTHSTATE {}\"", sub.get_name().to_uppercase())?;
            if let Some(about) = sub.get_about() {
                writeln!(page, "{about}.")?;
            }
            let mut options = Vec::new();
            manual.render_options_section(&mut options)?;
            // Its own heading would stand on one level with the commands' names.
            page.extend(
                String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", ".SS OPTIONS\n").into_bytes(),
            );
        }
        Ok(page)
    };
    let page = render().map_err(CliError::Output)?;
    std::io::stdout().write_all(&page).map_err(CliError::Output)
}
