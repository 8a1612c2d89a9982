//! What the system refuses or fails to do is called by its name: a read-only file system, an I/O
//! error. It is never taken for damage.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::files::{Answer, Place, answer, objects, skipped};

/// Fails reads of one file: those from `FAIL_FROM` on, `FAIL_COUNT` of them.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long reads;

static int fails(int fd) {
    char link[64], path[PATH_MAX];
    const char *file = getenv("FAIL_FILE");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!file || length < 0) return 0;
    path[length] = 0;
    if (strcmp(path, file)) return 0;
    long number = __sync_add_and_fetch(&reads, 1), from = atol(getenv("FAIL_FROM"));
    if (number < from || number >= from + atol(getenv("FAIL_COUNT"))) return 0;
    errno = EIO;
    return 1;
}

ssize_t read(int fd, void *buffer, size_t count) {
    static ssize_t (*next)(int, void *, size_t);
    if (!next) next = dlsym(RTLD_NEXT, "read");
    return fails(fd) ? -1 : next(fd, buffer, count);
}

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next) next = dlsym(RTLD_NEXT, "pread64");
    return fails(fd) ? -1 : next(fd, buffer, count, offset);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
    return pread64(fd, buffer, count, offset);
}
"#;

/// Builds the shim; `None` where there is no C compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let mut cc = Command::new("cc");
    let built = cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").output().ok()?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(library)
}

fn with_failing_reads(place: &Place, shim: &Path, arguments: &[&str], from: u32, count: u32) -> Answer {
    let mut command = place.command(arguments);
    command
        .env("LD_PRELOAD", shim)
        .env("FAIL_FILE", std::fs::canonicalize(place.db()).unwrap())
        .env("FAIL_FROM", from.to_string())
        .env("FAIL_COUNT", count.to_string());
    answer(command)
}

fn says_damage(words: &str) -> bool {
    let words = words.replace("nothing tells that the database is damaged", "");
    ["is damaged (", "is not a state database", "not an SQLite file", "malformed"]
        .iter()
        .any(|word| words.contains(word))
}

#[test]
fn a_read_that_fails_is_not_called_damage() {
    let tools = Place::new();
    let Some(shim) = shim(tools.folder()) else { return skipped("failing reads", "there is no C compiler") };
    let place = crate::bad_input::place_of_many_pages();
    let commands: [&[&str]; 5] =
        [&["get", "key/01500"], &["keys"], &["set", "key/02999", "v"], &["incr", "n"], &["stats"]];
    let mut failed = 0;
    for arguments in commands {
        for (from, count) in
            (1..25).map(|from| (from, 1)).chain([1, 2, 3, 5, 8, 13].map(|from| (from, 1_000_000)))
        {
            let answer = with_failing_reads(&place, &shim, arguments, from, count);
            assert!(matches!(answer.code, Some(0 | 3)), "{arguments:?} from {from}: {answer:?}");
            assert!(!says_damage(&answer.err), "{arguments:?} from {from}: {answer:?}");
            if answer.code == Some(3) {
                failed += 1;
                assert!(
                    ["I/O error", "Input/output error", "could not read it"]
                        .iter()
                        .any(|words| answer.err.contains(words)),
                    "{arguments:?} from {from}: {answer:?}"
                );
            }
        }
    }
    assert!(failed > 50, "only {failed} were hit");
    for (from, count) in (1..25).map(|from| (from, 1)).chain([1, 4, 9].map(|from| (from, 1_000_000))) {
        let answer = with_failing_reads(&place, &shim, &["doctor", "--json"], from, count);
        for finding in objects(std::str::from_utf8(&answer.out).unwrap()) {
            let told = finding["finding"].as_str().unwrap();
            assert!(!says_damage(told), "from {from}: {finding}");
            let remedy = finding["remedy"].as_str().unwrap_or_default();
            assert!(!remedy.contains(".recover"), "from {from}: {finding}");
        }
    }
}

/// The folder of the place as a read-only file system, for one command; `None` where that cannot be
/// made.
fn read_only(place: &Place, arguments: &[&str]) -> Option<Answer> {
    let folder = place.folder().to_str().unwrap();
    let script =
        format!("mount --bind '{folder}' '{folder}' && mount -o remount,bind,ro '{folder}' && exec \"$@\"");
    let inner = place.command(arguments);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--", "sh", "-c", &script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    command.env("HOME", "/nonexistent").env_remove("SLOTHSTATE_DB").env_remove("SLOTHSTATE_CONFIG");
    let answer = answer(command);
    let could_not = ["unshare:", "mount:", "No such file or directory (os error 2)"];
    (!could_not.iter().any(|words| answer.err.starts_with(words))).then_some(answer)
}

#[test]
fn a_read_only_file_system_is_called_that() {
    const WORDS: &str = "it is on a read-only file system";
    let place = Place::new();
    place.done(&["set", "k", "v"]);
    let Some(read) = read_only(&place, &["get", "k"]) else {
        return skipped("a read-only file system", "mounting is not allowed here");
    };
    assert_eq!(read.code, Some(0), "{read:?}");
    assert_eq!(read.out, b"v\n");
    for arguments in [&["set", "k", "w"][..], &["incr", "n"], &["del", "k"], &["retention", "--rows", "5"]] {
        let answer = read_only(&place, arguments).unwrap();
        assert_eq!(answer.code, Some(3), "{answer:?}");
        assert!(answer.err.contains(WORDS), "{answer:?}");
        assert!(!answer.err.contains("permission"), "{answer:?}");
    }
    let report = read_only(&place, &["doctor", "--json"]).unwrap();
    let findings = objects(std::str::from_utf8(&report.out).unwrap());
    let rights = findings.iter().find(|finding| finding["check"] == "permissions").unwrap();
    assert!(rights["finding"].as_str().unwrap().contains(WORDS), "{rights}");
    assert!(rights["remedy"].is_null(), "{rights}");
    let other = place.file("copy.db");
    let backup = read_only(&place, &["backup", other.to_str().unwrap()]).unwrap();
    assert!(backup.err.to_lowercase().contains("read-only file system"), "{backup:?}");
    // A database that is not there yet.
    let empty = Place::new();
    let made = read_only(&empty, &["set", "k", "v"]).unwrap();
    assert_eq!(made.code, Some(3), "{made:?}");
    assert!(made.err.contains(WORDS), "{made:?}");
}
