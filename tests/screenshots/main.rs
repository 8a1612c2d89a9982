//! The pictures of the README are those of the real interface, in a real terminal, on a database and
//! a clock that are the same everywhere: `cargo test --test screenshots` says whether they are up to
//! date, and this makes them anew:
//!
//! `cargo test --test screenshots -- --ignored`

mod album;
mod clock;
mod film;
mod interface;
mod picture;
mod recording;
mod stills;
mod studio;
#[path = "../support/terminal.rs"]
mod terminal;
mod world;

use album::Album;

#[test]
fn the_pictures_are_up_to_date() {
    stills::take(Album::Compare(Vec::new()));
}

#[test]
fn the_recording_is_up_to_date() {
    recording::shoot(Album::Compare(Vec::new()));
}

#[test]
#[ignore = "makes the pictures in the folder screenshots anew"]
fn make_the_pictures() {
    stills::take(Album::Make);
}

#[test]
#[ignore = "makes the recording in the folder screenshots anew"]
fn make_the_recording() {
    recording::shoot(Album::Make);
}

#[test]
#[ignore = "the interface of the others, which start it as a process of its own in a terminal of its own"]
fn the_interface() {
    interface::run();
}
