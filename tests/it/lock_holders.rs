//! Who holds a lock, and whether that process is alive, across namespaces, restarts and whatever
//! else hides one process from another.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::files::{self, Place, skipped, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

/// A workflow that takes a lock and sleeps.
const HOLD: &str = r#"
    local hold = task("hold"):timeout("1h"):command(function()
        state.try_lock("deploy", 30)
        while true do sleep(0.05) end
    end):build()
    workflow.define("hold", { tasks = { hold } })
"#;

/// A process that ends with the test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // Killing the first process of a namespace ends all of it.
        let _ = kill(Pid::from_raw(-self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.file("hold.lua"), HOLD).unwrap();
    place.done(&["set", "version", "v1"]);
    place
}

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_slothstate")
}

/// A command in namespaces of its own, made by unshare(1).
fn unshare(place: &Place, options: &[&str], script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(options).args(["sh", "-c", script]).current_dir(place.folder());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLOTHSTATE"))
    {
        command.env_remove(name);
    }
    command.env("HOME", place.folder()).env("SLOTHSTATE_DB", place.db()).env("SLOTHSTATE", binary());
    command.stdin(Stdio::null());
    command
}

/// Whether namespaces can be made with these options; says aloud if not.
fn can_unshare(test: &str, options: &[&str]) -> bool {
    let tried = Command::new("unshare").args(options).arg("true").stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        skipped(test, &format!("unshare {} is not possible here", options.join(" ")));
    }
    can
}

/// Starts what takes the lock, and waits until it is held.
fn hold(place: &Place, mut command: Command) -> Held {
    use std::os::unix::process::CommandExt;
    let log = File::create(place.file("hold.log")).unwrap();
    let errors = log.try_clone().unwrap();
    let child = command.process_group(0).stdout(log).stderr(errors).spawn().unwrap();
    let held = Held(child);
    until("the lock is held", || !locks(place).is_empty());
    held
}

fn hold_here(place: &Place) -> Held {
    let mut command = place.command(&["run", "hold.lua"]);
    command.current_dir(place.folder());
    hold(place, command)
}

fn locks(place: &Place) -> Vec<Json> {
    files::objects(&place.done(&["locks", "--json"]))
}

fn state(place: &Place) -> String {
    locks(place)[0]["state"].as_str().unwrap().to_string()
}

/// What slothstate prints in namespaces of its own.
fn printed_in(place: &Place, options: &[&str], script: &str) -> String {
    let output = unshare(place, options, script).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn run_status(place: &Place) -> String {
    files::objects(&place.done(&["runs", "--json"]))[0]["status"].as_str().unwrap().to_string()
}

/// Nothing here may call the holder dead, or clear its lock without force.
#[track_caller]
fn is_not_taken_for_dead(place: &Place) {
    let state = state(place);
    assert!(["alive", "elsewhere", "unknown"].contains(&state.as_str()), "{state}");
    place.run(&["unlock", "deploy"]).refused(1, "was not cleared");
    assert!(!["killed", "dead"].contains(&run_status(place).as_str()), "{}", run_status(place));
    let doctor = place.run(&["doctor", "--json"]);
    let report = String::from_utf8(doctor.out).unwrap();
    assert!(!report.contains("has ended") && !report.contains("unlock deploy"), "{report}");
    assert_eq!(locks(place).len(), 1);
}

const PID_NAMESPACE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

#[test]
fn a_holder_in_another_pid_namespace_is_not_dead() {
    if !can_unshare("a holder in another PID namespace", &PID_NAMESPACE) {
        return;
    }
    let place = place();
    let _holder = hold(&place, unshare(&place, &PID_NAMESPACE, "exec \"$SLOTHSTATE\" run hold.lua"));
    is_not_taken_for_dead(&place);
    // It renews its lease, which proves that it is alive.
    assert_eq!(state(&place), "alive");
}

#[test]
fn a_holder_outside_is_not_dead_for_those_inside() {
    if !can_unshare("a holder outside of a PID namespace", &PID_NAMESPACE) {
        return;
    }
    let place = place();
    let _holder = hold_here(&place);
    for options in [&PID_NAMESPACE[..], &["--pid", "--fork", "--kill-child"]] {
        let printed =
            printed_in(&place, options, "\"$SLOTHSTATE\" locks --json; \"$SLOTHSTATE\" runs --json");
        let objects = files::objects(&printed);
        assert_eq!(objects[0]["state"], "alive", "{printed}");
        assert!(["elsewhere", "unknown"].contains(&objects[1]["status"].as_str().unwrap()), "{printed}");
        let refused = unshare(&place, options, "\"$SLOTHSTATE\" unlock deploy").output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    }
    assert_eq!(locks(&place).len(), 1);
}

/// Without /proc, or in a container that is told a boot id of its own, another boot id is no proof of a
/// restart, for whoever looks from either side.
#[test]
fn a_boot_id_of_its_own_is_no_restart() {
    let masked =
        "cat /proc/sys/kernel/random/uuid > boot && mount --bind boot /proc/sys/kernel/random/boot_id";
    let inside = [
        ("no /proc", &["--mount"][..], "mount -t tmpfs none /proc"),
        (
            "no /proc, another PID namespace",
            &["--mount", "--pid", "--fork", "--kill-child"],
            "mount -t tmpfs none /proc",
        ),
        ("a boot id of its own", &["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"], masked),
        (
            "a boot id of its own, and no PID namespace in sight",
            &["--mount", "--pid", "--fork", "--kill-child"],
            masked,
        ),
    ];
    for (what, options, prepare) in inside {
        if !can_unshare(what, options) {
            return;
        }
        let place = place();
        let holder = hold(
            &place,
            unshare(&place, options, &format!("{prepare} && exec \"$SLOTHSTATE\" run hold.lua")),
        );
        is_not_taken_for_dead(&place);
        drop(holder);

        let place = self::place();
        let _holder = hold_here(&place);
        let script = format!(
            "{prepare} && \"$SLOTHSTATE\" locks --json; \"$SLOTHSTATE\" runs --json; \"$SLOTHSTATE\" doctor"
        );
        let output = unshare(&place, options, &script).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let objects = files::objects(&printed.lines().take(2).collect::<Vec<_>>().join("\n"));
        assert!(
            ["alive", "elsewhere", "unknown"].contains(&objects[0]["state"].as_str().unwrap()),
            "{what}: {printed}"
        );
        assert!(
            ["running", "elsewhere", "unknown"].contains(&objects[1]["status"].as_str().unwrap()),
            "{what}: {printed}"
        );
        assert!(!printed.contains("has ended"), "{what}: {printed}");
        let script = format!("{prepare} && \"$SLOTHSTATE\" unlock deploy");
        let refused = unshare(&place, options, &script).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{what}: {refused:?}");
        assert_eq!(state(&place), "alive", "{what}");
    }
}

/// The holder of a namespace that has ended cannot be proven to be dead from outside, and its lease
/// runs out.
#[test]
fn a_killed_holder_in_another_namespace_is_elsewhere_until_its_lease_ends() {
    if !can_unshare("a killed holder in another namespace", &PID_NAMESPACE) {
        return;
    }
    let place = place();
    drop(hold(&place, unshare(&place, &PID_NAMESPACE, "exec \"$SLOTHSTATE\" run hold.lua")));
    let connection = place.connection();
    // As if the last renewal were half a lease ago.
    connection.execute("UPDATE locks SET renewed_boot_ms = renewed_boot_ms - 15000", []).unwrap();
    assert_eq!(state(&place), "elsewhere");
    place.run(&["unlock", "deploy"]).refused(1, "may be alive");
    connection.execute("UPDATE locks SET expires_boot_ms = expires_boot_ms - 30000", []).unwrap();
    assert_eq!(locks(&place)[0]["expired"], true);
    place.done(&["unlock", "deploy"]);
}

#[test]
fn a_holder_with_another_host_name_or_time_namespace_is_not_dead() {
    for options in [&["--uts"][..], &["--time", "--fork", "--boottime", "86400", "--kill-child"]] {
        if !can_unshare("a holder in other namespaces", options) {
            continue;
        }
        let place = place();
        let run = "exec \"$SLOTHSTATE\" run hold.lua";
        let renamed = format!("hostname another; {run}");
        let script = if options[0] == "--uts" { &renamed } else { run };
        let holder = hold(&place, unshare(&place, options, script));
        assert_eq!(state(&place), "alive", "{options:?}");
        assert_eq!(locks(&place)[0]["expired"], false, "{options:?}");
        // A day ahead or not, its lease ends in half a minute.
        assert!(locks(&place)[0]["lease_ms"].as_u64().unwrap() <= 30_000, "{options:?}");
        is_not_taken_for_dead(&place);
        drop(holder);
        let state = state(&place);
        assert!(["alive", "elsewhere", "unknown"].contains(&state.as_str()), "{options:?}: {state}");
    }
}

/// A file of the system, replaced for one command by bind-mounting another over it.
fn with_file(place: &Place, path: &str, content: &[u8], script: &str) -> Option<String> {
    let options = ["--mount"];
    let fake = place.file("fake");
    std::fs::write(&fake, content).unwrap();
    let mount = format!("mount --bind '{}' {path}", fake.display());
    let tried = unshare(place, &options, &mount).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        skipped("a replaced system file", &format!("{path} cannot be mounted over here"));
        return None;
    }
    Some(printed_in(place, &options, &format!("{mount} && {script}")))
}

#[test]
fn a_clock_that_was_set_changes_nothing_about_a_holder() {
    let place = place();
    let _holder = hold_here(&place);
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    for step in [3i64, -3, 86_400] {
        let stepped: String = stat
            .lines()
            .map(|line| match line.strip_prefix("btime ") {
                Some(btime) => format!("btime {}\n", btime.parse::<i64>().unwrap() + step),
                None => format!("{line}\n"),
            })
            .collect();
        let script = "\"$SLOTHSTATE\" locks --json; \"$SLOTHSTATE\" runs --json";
        let Some(printed) = with_file(&place, "/proc/stat", stepped.as_bytes(), script) else { return };
        let objects = files::objects(&printed);
        assert_eq!((&objects[0]["state"], &objects[1]["status"]), (&"alive".into(), &"running".into()));
    }
}

#[test]
fn after_a_restart_of_the_machine_the_holders_are_dead() {
    let place = place();
    if !Path::new("/etc/machine-id").exists() {
        return skipped("a restart", "this machine has no machine id");
    }
    let _holder = hold_here(&place);
    let script = "\"$SLOTHSTATE\" locks --json; \"$SLOTHSTATE\" runs --json";
    let boot_id = b"01234567-89ab-cdef-0123-456789abcdef\n";
    let Some(printed) = with_file(&place, "/proc/sys/kernel/random/boot_id", boot_id, script) else { return };
    let objects = files::objects(&printed);
    assert_eq!(
        (&objects[0]["state"], &objects[1]["status"]),
        (&"dead".into(), &"killed".into()),
        "{printed}"
    );

    // Another machine of the same name is another matter.
    let id = "0123456789abcdef0123456789abcdef\n";
    let other = format!("mount --bind '{}' /etc/machine-id && {script}", place.file("other").display());
    std::fs::write(place.file("other"), id).unwrap();
    let printed = with_file(&place, "/proc/sys/kernel/random/boot_id", boot_id, &other).unwrap();
    assert_eq!(files::objects(&printed)[0]["state"], "elsewhere", "{printed}");
}

#[test]
fn a_holder_hidden_from_other_users_is_not_dead() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("hidepid", "only root can mount /proc with it");
    }
    let options = ["--mount"];
    let place = place();
    files::set_mode(place.folder(), 0o777);
    let _holder = hold_here(&place);
    for name in place.names().iter().filter(|name| name.starts_with("state.db")) {
        files::set_mode(&place.file(name), 0o666);
    }
    let program = program_for_all(&place);
    let as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && {as_nobody} test ! -e /proc/{} && \
         {as_nobody} '{program}' locks --json; {as_nobody} '{program}' unlock deploy; echo unlock: $?",
        std::process::id(),
        program = program.display(),
    );
    let output = unshare(&place, &options, &script).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !printed.starts_with('{') {
        return skipped("hidepid", "/proc cannot be mounted with it, or no user be set here");
    }
    assert!(printed.contains("\"state\":\"alive\""), "by its renewal: {printed}");
    assert!(printed.contains("unlock: 1"), "{printed}");
    // Without a renewal nothing is known.
    place.connection().execute("UPDATE locks SET renewed_boot_ms = NULL", []).unwrap();
    let output = unshare(&place, &options, &script).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("\"state\":\"unknown\"") && printed.contains("unlock: 1"), "{printed}");
}

fn program_for_all(place: &Place) -> PathBuf {
    let copy = place.file("slothstate");
    std::fs::copy(binary(), &copy).unwrap();
    files::set_mode(&copy, 0o755);
    copy
}

#[test]
fn a_suspended_holder_reads_stopped_and_one_that_ended_dead() {
    let place = place();
    let mut holder = hold_here(&place);
    let pid = Pid::from_raw(holder.0.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    until("the holder is stopped", || state(&place) == "stopped");
    assert_eq!(run_status(&place), "stopped");
    assert_eq!(files::objects(&place.done(&["runs", "--json"]))[0]["process_state"], "stopped");
    place.run(&["unlock", "deploy"]).refused(1, "is stopped");
    kill(pid, Signal::SIGCONT).unwrap();
    until("the holder goes on", || state(&place) == "alive");
    assert_eq!(run_status(&place), "running");
    // Not waited for: what is left is a zombie.
    kill(pid, Signal::SIGKILL).unwrap();
    until("the holder is dead", || state(&place) == "dead");
    assert_eq!(run_status(&place), "killed");
    holder.0.wait().unwrap();
    assert_eq!((state(&place).as_str(), run_status(&place).as_str()), ("dead", "killed"));
    let cleared = place.done(&["unlock", "deploy"]);
    assert!(cleared.contains("(dead)"), "{cleared}");
}

#[test]
fn records_of_an_earlier_version_prove_nothing() {
    let place = place();
    let mut holder = hold_here(&place);
    let strip = |table: &str| {
        let sql = format!(
            "UPDATE {table} SET process = json_remove(process, '$.machine', '$.pid_namespace', \
                 '$.time_namespace', '$.start_ticks')"
        );
        place.connection().execute(&sql, []).unwrap();
    };
    strip("locks");
    strip("slothstate_runs");
    holder.0.kill().unwrap();
    holder.0.wait().unwrap();
    place.connection().execute("UPDATE locks SET renewed_boot_ms = NULL", []).unwrap();
    assert_eq!((state(&place).as_str(), run_status(&place).as_str()), ("unknown", "unknown"));
    place.run(&["unlock", "deploy"]).refused(1, "cannot be seen from here");
}
