//! Which commands a run may start: none, or those that match a pattern.

use std::path::Path;
use std::str::FromStr;

use globset::GlobMatcher;

use super::ShellCommand;
use super::shell_syntax::{BothTexts, ShellWords, SimpleCommand, simple_commands};
use crate::config::Context;
use crate::text::escape::escape;

/// A glob for a whole command line.
#[derive(Clone, Debug)]
pub struct CommandPattern {
    glob: GlobMatcher,
}

impl PartialEq for CommandPattern {
    fn eq(&self, other: &CommandPattern) -> bool {
        self.glob.glob() == other.glob.glob()
    }
}

impl FromStr for CommandPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<CommandPattern, String> {
        if text.trim().is_empty() {
            return Err("a pattern of commands cannot be empty".into());
        }
        let glob = globset::Glob::new(text).map_err(|error| error.kind().to_string())?;
        Ok(CommandPattern { glob: glob.compile_matcher() })
    }
}

impl CommandPattern {
    fn text(&self) -> &str {
        self.glob.glob().glob()
    }

    /// Whether it matches every command.
    fn is_everything(&self) -> bool {
        self.text().chars().all(|letter| letter == '*')
    }

    /// Whether it matches a text, whatever the shell puts in.
    fn matches(&self, text: &ShellWords) -> bool {
        let filled = |filling: &str| -> String {
            let piece = |piece: &Option<char>| piece.map_or_else(|| filling.to_string(), String::from);
            text.iter().map(piece).collect()
        };
        if text.iter().all(Option::is_some) {
            return self.glob.is_match(filled(""));
        }
        // Only `*` matches all of these: no letter of the pattern, no text of one length.
        let samples = ["", "x", " ", "/", "-", "\u{1}", "--x=1 y/../z '\"\u{e9}\n\u{1}"].map(String::from);
        let letters = self.text().chars().map(|letter| String::from_iter([letter; 3]));
        samples.into_iter().chain(letters).all(|sample| self.glob.is_match(filled(&sample)))
    }

    fn matches_both(&self, texts: &BothTexts) -> bool {
        self.matches(&texts.written) && self.matches(&texts.unquoted)
    }

    /// Whether it matches the setting of a variable: then it begins with its name.
    fn sets(&self, name: &str, texts: &BothTexts) -> bool {
        let is_of_name = self.text().strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        is_of_name && self.matches_both(texts)
    }
}

/// One bound on the commands of a run.
#[derive(Clone, Debug, PartialEq)]
struct CommandBound {
    /// The option or setting that demands it.
    by: String,
    /// What may be started; empty for nothing.
    patterns: Vec<CommandPattern>,
}

/// Which commands a run may start: those that all bounds allow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandBounds(Vec<CommandBound>);

impl CommandBounds {
    /// No command at all, because of `by`.
    #[must_use]
    pub fn and_none(mut self, by: impl Into<String>) -> CommandBounds {
        self.0.push(CommandBound { by: by.into(), patterns: Vec::new() });
        self
    }

    /// Only commands that match one of `patterns`, because of `by`.
    #[must_use]
    pub fn and_only(mut self, by: impl Into<String>, patterns: Vec<CommandPattern>) -> CommandBounds {
        self.0.push(CommandBound { by: by.into(), patterns });
        self
    }

    /// Also the bounds of a context.
    #[must_use]
    pub fn and_of(mut self, context: &Context) -> CommandBounds {
        let name = escape(context.name.as_bytes());
        if context.no_exec {
            self = self.and_none(format!("no_exec of context {name}"));
        }
        if let Some(patterns) = &context.allow_exec {
            // One that is not a pattern allows nothing.
            let patterns = patterns.iter().filter_map(|pattern| pattern.parse().ok()).collect();
            self = self.and_only(format!("allow_exec of context {name}"), patterns);
        }
        self
    }

    /// Whether the command may be started.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, command: &ShellCommand) -> Result<(), String> {
        self.0.iter().try_for_each(|bound| bound.check(command))
    }
}

impl CommandBound {
    fn check(&self, command: &ShellCommand) -> Result<(), String> {
        let by = &self.by;
        if self.patterns.is_empty() {
            return Err(format!("this run starts no commands: {by}"));
        }
        if self.patterns.iter().any(CommandPattern::is_everything) {
            return Ok(());
        }
        if let Some(folder) = &command.cwd {
            self.check_folder(folder)?;
        }
        for (name, value) in &command.env {
            let text = format!("{name}={}", String::from_utf8_lossy(value));
            let words: ShellWords = text.chars().map(Some).collect();
            let texts = BothTexts { unquoted: words.clone(), written: words };
            if !self.patterns.iter().any(|pattern| pattern.sets(name, &texts)) {
                let name = escape(name.as_bytes());
                return Err(format!("sets {name}, and no pattern of {by} allows {name}=… ({})", self.list()));
            }
        }
        // What is allowed word for word.
        // What else looks like a blank is a part of a word to the shell.
        let text = command.text.trim_matches([' ', '\t', '\n']);
        if self.patterns.iter().any(|pattern| pattern.text() == text) {
            return Ok(());
        }
        let commands = simple_commands(text).map_err(|problem| {
            format!("has {}, so that {by} cannot be checked ({})", problem.describe(), self.list())
        })?;
        commands.iter().try_for_each(|simple| self.check_simple(simple, text))
    }

    /// A working directory counts as the command `cd DIRECTORY`.
    fn check_folder(&self, folder: &Path) -> Result<(), String> {
        let text = format!("cd {}", folder.display());
        if self.patterns.iter().any(|pattern| pattern.glob.is_match(&text)) {
            return Ok(());
        }
        let text = shortened(&text);
        Err(format!(
            "runs in another directory, and `{text}` matches no pattern of {} ({})",
            self.by,
            self.list()
        ))
    }

    fn check_simple(&self, simple: &SimpleCommand, whole: &str) -> Result<(), String> {
        let refused = |texts: &BothTexts| {
            let shown = texts.shown();
            let subject = match shown == whole {
                true => String::new(),
                false => format!("`{}` ", shortened(&shown)),
            };
            Err(format!("{subject}matches no pattern of {} ({})", self.by, self.list()))
        };
        for set in &simple.assignments {
            let name = set.assigned_name().unwrap_or_default();
            if !self.patterns.iter().any(|pattern| pattern.sets(&name, set)) {
                return refused(set);
            }
        }
        let text = &simple.text;
        match text.written.is_empty() || self.patterns.iter().any(|pattern| pattern.matches_both(text)) {
            true => Ok(()),
            false => refused(text),
        }
    }

    /// The patterns, as far as they are short.
    fn list(&self) -> String {
        const MOST: usize = 5;
        let mut shown: Vec<String> =
            self.patterns.iter().take(MOST).map(|pattern| shortened(pattern.text())).collect();
        if self.patterns.len() > MOST {
            shown.push(format!("{} more", self.patterns.len() - MOST));
        }
        shown.join(", ")
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", escape(&text.as_bytes()[..end])),
        None => escape(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn only(patterns: &[&str]) -> CommandBounds {
        let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        CommandBounds::default().and_only("--allow-exec", patterns)
    }

    fn shell(text: &str) -> ShellCommand {
        ShellCommand { text: text.into(), ..ShellCommand::default() }
    }

    fn allows(patterns: &[&str], text: &str) -> bool {
        only(patterns).check(&shell(text)).is_ok()
    }

    #[test]
    fn a_pattern_allows_whole_commands() {
        let git = ["git *"];
        for text in [
            "git status",
            "git log --format='%h; rm' \"a|b\"",
            "git status && git log",
            "git log | git shortlog; git fetch &",
            "git status\ngit log\n",
            "git log $BRANCH -- *.rs ~/x",
            "git show \"$A$B\" HEAD@{1}",
            "git status 2>/dev/null",
            "git fetch >/dev/null 2>&1",
            "git commit -m 'a #1'",
        ] {
            assert!(allows(&git, text), "{text}");
        }
        for text in [
            "git",
            "gitx status",
            "ls",
            "/bin/git status",
            " \tls",
            "git status; rm -rf /",
            "git status;rm -rf /",
            "git status && rm x",
            "git status || rm x",
            "git status & rm x",
            "git status | sh",
            "git status |& sh",
            "git status\nrm x",
            "git status\r\nrm x",
            "git $(rm x)",
            "git \"$(rm x)\"",
            "git `rm x`",
            "git \"`rm x`\"",
            "git ${x:-`rm x`}",
            "git > x",
            "git >> ~/.profile",
            "git < /etc/passwd",
            "git <(rm x)",
            "git status # '\nrm x #'",
            "git status \\\n; rm x",
            "(git status)",
            "{ git status; }",
            "! git status",
            "if git status; then rm x; fi",
            "git() { rm x; }",
            "eval git status",
            "exec git status",
            "X=1 git status",
            "PATH=/tmp git status",
            "PATH=/tmp; git status",
            "$X git status",
            "*/git status",
            "~/git status",
            "g'i't status",
            "\"git status\" x",
            "git' 'status",
            "git\\ status",
            "git 'open",
            "git $'\\'; rm x #'",
        ] {
            assert!(!allows(&git, text), "{text}");
        }
    }

    #[test]
    fn quotes_hide_nothing_from_a_pattern() {
        assert!(allows(&["git [!p]*"], "git fetch"));
        assert!(!allows(&["git [!p]*"], "git 'push'"));
        assert!(!allows(&["sh -c 'make *'"], "sh -c 'make x; rm y'"));
        assert!(allows(&["sh -c 'make x'"], "sh -c 'make x'"), "word for word");
        assert!(
            allows(&["ps aux | grep sloth > /tmp/x"], " ps aux | grep sloth > /tmp/x\n"),
            "word for word"
        );
    }

    #[test]
    fn what_the_shell_puts_in_must_match_whatever_it_is() {
        assert!(allows(&["cat /srv/log/*"], "cat /srv/log/$DAY"));
        assert!(allows(&["cat /srv/log/*"], "cat /srv/log/a*.log"));
        for text in ["cat /srv/log/$D", "cat /srv/log/a*", "cat /srv/log/$D$E"] {
            assert!(!allows(&["cat /srv/log/??"], text), "{text}");
        }
        assert!(!allows(&["git [!p]*"], "git $X"));
        assert!(!allows(&["git s*"], "git ${X}s"));
        assert!(!allows(&["ls {,?,[!q]*}"], "ls $X"));
    }

    #[test]
    fn a_star_allows_everything() {
        for text in ["rm -rf / > x; $(a) `b` (c) # d", "X=1 y"] {
            assert!(allows(&["ls", "*"], text));
        }
    }

    #[test]
    fn variables_and_the_directory_need_a_pattern_of_their_own() {
        let with = |name: &str, value: &str| ShellCommand {
            env: BTreeMap::from([(name.into(), value.into())]),
            ..shell("make all")
        };
        let bounds = only(&["make *", "VERSION=*", "STAGE={dev,test}"]);
        assert_eq!(bounds.check(&with("VERSION", "1.0")), Ok(()));
        assert_eq!(bounds.check(&with("STAGE", "test")), Ok(()));
        for (name, value) in
            [("STAGE", "live"), ("PATH", "/tmp"), ("LD_PRELOAD", "VERSION=1"), ("VERSIO", "N=1")]
        {
            assert!(bounds.check(&with(name, value)).unwrap_err().contains("sets"), "{name}");
        }
        assert!(allows(&["make *", "VERSION=*"], "VERSION=$X make all"));
        assert!(!allows(&["make *", "VERSION=*"], "VERSION=1 PATH=/tmp make all"));
        assert!(!allows(&["*.so", "make *"], "LD_PRELOAD=x.so make all"));
        let at = |folder: &str| ShellCommand { cwd: Some(folder.into()), ..shell("make all") };
        let bounds = only(&["make *", "cd /srv/app"]);
        assert_eq!(bounds.check(&at("/srv/app")), Ok(()));
        let refused = bounds.check(&at("/tmp/evil")).unwrap_err();
        assert!(refused.contains("`cd /tmp/evil` matches no pattern of --allow-exec (make *, cd /srv/app)"));
    }

    #[test]
    fn all_bounds_must_allow_a_command() {
        let both = only(&["git *"]).and_only("allow_exec of context live", vec!["git log*".parse().unwrap()]);
        assert_eq!(both.check(&shell("git log -1")), Ok(()));
        assert_eq!(
            both.check(&shell("git push")),
            Err("matches no pattern of allow_exec of context live (git log*)".into())
        );
        let none = only(&["*"]).and_none("no_exec of context live");
        assert_eq!(
            none.check(&shell("ls")),
            Err("this run starts no commands: no_exec of context live".into())
        );
        assert_eq!(CommandBounds::default().check(&shell("ls; $(x)")), Ok(()));
    }

    /// Random command lines: whatever is allowed as a command of `echo` leaves no file behind.
    #[test]
    fn what_is_allowed_starts_nothing_else() {
        const PIECES: [&str; 56] = [
            "a",
            " ",
            "\t",
            "\n",
            "\r",
            ";",
            "&",
            "|",
            "&&",
            "||",
            "|&",
            ";;",
            "'",
            "\"",
            "\\",
            "\\\n",
            " \\",
            "$(",
            "`",
            "(",
            ")",
            "{",
            "}",
            "#",
            "$X",
            "${X}",
            "$",
            "$'",
            "$\"",
            "$((1))",
            "<",
            ">",
            "<(",
            "&>",
            "2>&1",
            ">/dev/null",
            "<<E\n",
            "\nE\n",
            "=",
            "X=1",
            "*",
            "?",
            "[",
            "]",
            "~",
            "!",
            "if ",
            "then ",
            "do",
            "esac",
            "eval ",
            "'a'",
            "\"b\"",
            "echo",
            "touch made",
            "^",
        ];
        const ATTACKS: [&str; 12] = [
            "touch made",
            ";touch made",
            "\ntouch made",
            "|touch made",
            "$(touch made)",
            "`touch made`",
            "'\ntouch made",
            "\"\ntouch made #",
            "#\ntouch made",
            "\\\ntouch made",
            "\\;touch made",
            "\";touch made\"",
        ];
        let folder = tempfile::tempdir().unwrap();
        let bounds = only(&["echo *"]);
        let mut random = fastrand::Rng::with_seed(14);
        let mut allowed = 0;
        for _ in 0..4000 {
            let mut text = "echo ".to_string();
            for _ in 0..random.usize(1..7) {
                text += random.choice(PIECES).unwrap();
            }
            text += random.choice(ATTACKS).unwrap();
            if bounds.check(&shell(&text)).is_err() {
                continue;
            }
            allowed += 1;
            let mut command = std::process::Command::new("/bin/sh");
            command.arg("-c").arg(&text).current_dir(folder.path()).stdin(std::process::Stdio::null());
            command.output().unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{text:?}");
        }
        assert!(allowed > 50, "{allowed}");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!("[".parse::<CommandPattern>().is_err());
        assert!(" ".parse::<CommandPattern>().is_err());
    }
}
