//! Where the pictures go: into the folder, or beside those that are there, to see whether they are
//! still true.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::film::{Caption, Film};
use crate::picture::{self, Palette};
use crate::terminal::Terminal;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/screenshots");
const COMMAND: &str = "cargo test --test screenshots -- --ignored";

/// How long a picture is waited for that is to be as it was.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the screen must not have changed before it is taken for the picture: there is nothing
/// that says it is complete. Too short a time is found out when the picture is compared.
const STILL: Duration = Duration::from_millis(700);

/// What is done with the pictures.
pub enum Album {
    /// They are written.
    Make,
    /// They are compared to those that are there; what is not the same.
    Compare(Vec<String>),
}

impl Album {
    /// Takes a picture of the screen.
    pub fn take(&mut self, terminal: &Terminal, name: &str, palette: &Palette) {
        let file = file(name);
        let seen = self.see(
            terminal,
            |screen| picture::svg(screen, palette),
            &read(&file),
            |one, other| one == other,
        );
        self.put(&file, &seen);
    }

    /// Takes a picture of a screen that does not change any more.
    pub fn keep(&mut self, screen: &vt100::Screen, name: &str, palette: &Palette) {
        self.put(&file(name), &picture::svg(screen, palette));
    }

    /// Takes the next picture of a film.
    pub fn shoot(&mut self, terminal: &Terminal, film: &mut Film, name: &str, caption: Caption, millis: u32) {
        let present = read(&file(name));
        let next = |screen: &vt100::Screen| film.next(screen, caption);
        self.see(terminal, next, &present, |frame, film| film.contains(frame));
        terminal.look(|screen| film.add(screen, caption, millis));
    }

    /// Finishes a film.
    pub fn finish(&mut self, film: &Film, name: &str) {
        self.put(&file(name), &film.svg());
    }

    /// The picture once it is as it is to be: as `is_in` says of the one that is there, or still.
    fn see(
        &self,
        terminal: &Terminal,
        draw: impl Fn(&vt100::Screen) -> String,
        present: &str,
        is_in: impl Fn(&str, &str) -> bool,
    ) -> String {
        match self {
            // Once one picture is not the same those after it are not waited for as long.
            Album::Compare(differences) if differences.is_empty() => {
                terminal.becomes(PATIENCE, |screen| is_in(&draw(screen), present));
            }
            _ => {}
        }
        let mut seen = terminal.look(&draw);
        while !is_in(&seen, present) && terminal.becomes(STILL, |screen| draw(screen) != seen) {
            seen = terminal.look(&draw);
        }
        seen
    }

    fn put(&mut self, file: &Path, picture: &str) {
        match self {
            Album::Make => {
                std::fs::create_dir_all(FOLDER).unwrap();
                std::fs::write(file, picture).unwrap();
            }
            Album::Compare(differences) => {
                let present = read(file);
                let lines = picture.lines().zip(present.lines()).enumerate();
                let first = lines.into_iter().find(|(_, (shown, present))| shown != present);
                let difference = match first {
                    Some((number, (shown, present))) => {
                        format!("line {}:\n  there:  {present}\n  shown:  {shown}", number + 1)
                    }
                    None if present.len() != picture.len() => "one has more lines than the other".into(),
                    None => return,
                };
                let name = file.file_name().unwrap().to_string_lossy();
                differences.push(format!("screenshots/{name} is not what the program shows: {difference}"));
            }
        }
    }
}

impl Album {
    /// Fails if a picture is not the same.
    #[track_caller]
    pub fn close(self) {
        if let Album::Compare(differences) = self {
            let all = differences.join("\n");
            assert!(differences.is_empty(), "{all}\nif that is meant, make the pictures anew: {COMMAND}");
        }
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.svg"))
}

/// A picture that is there; an empty text if it is not.
fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}
