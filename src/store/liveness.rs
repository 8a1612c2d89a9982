//! Whether the process that holds a lock, or executes a run, is alive: a claim only where there is
//! proof.

use std::time::Duration;

use super::process_identity::{self, Process, ProcessActivity, Sighting};

/// What is known of a process that holds a lock or executes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// It is alive: seen on this machine, or it renewed its lease within the last renewal period.
    Alive,
    /// It exists and is suspended (Ctrl-Z, SIGSTOP, a debugger).
    Stopped,
    /// It has provably ended.
    Dead,
    /// It is on another host or in another namespace, and nothing of it can be seen from here.
    Elsewhere,
    /// Not enough is recorded, or visible, to tell.
    Unknown,
}

impl Liveness {
    pub fn name(self) -> &'static str {
        match self {
            Liveness::Alive => "alive",
            Liveness::Stopped => "stopped",
            Liveness::Dead => "dead",
            Liveness::Elsewhere => "elsewhere",
            Liveness::Unknown => "unknown",
        }
    }
}

/// The last renewal of a lease, as evidence that its holder is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// How long ago it was, by the boot clock.
    pub age: Duration,
    pub lease: Duration,
}

/// How often a lease of that length is renewed.
pub fn renewal_period(lease: Duration) -> Duration {
    lease / 3
}

impl Renewal {
    /// Whether it is within the last renewal period; a renewal may be late by a quarter of that.
    fn is_recent(self) -> bool {
        let period = renewal_period(self.lease);
        self.age <= period + period / 4
    }
}

impl Process {
    /// Asks this process, if it is on this machine, to end; whether it was there. Another process that has its
    /// PID by now is left alone. One that is suspended is continued, so that it can end.
    pub fn request_stop(&self, here: &Process) -> bool {
        use nix::sys::signal::{Signal, kill};
        let Ok(pid) = i32::try_from(self.pid).map(nix::unistd::Pid::from_raw) else { return false };
        match self.liveness(here) {
            Liveness::Alive => kill(pid, Signal::SIGTERM).is_ok(),
            Liveness::Stopped => kill(pid, Signal::SIGTERM).and_then(|()| kill(pid, Signal::SIGCONT)).is_ok(),
            Liveness::Dead | Liveness::Elsewhere | Liveness::Unknown => false,
        }
    }

    /// Whether the process is alive, as seen from `here`, the process that asks.
    pub fn liveness(&self, here: &Process) -> Liveness {
        judge(self, here, None, || process_identity::look_at(self.pid))
    }

    /// As [`Process::liveness`], of a process that keeps a lease.
    pub fn liveness_with(&self, here: &Process, renewal: Option<Renewal>) -> Liveness {
        judge(self, here, renewal, || process_identity::look_at(self.pid))
    }
}

/// Decides what is proven of `process`. `look` looks for its PID in the PID namespace of `here`; it
/// is called only where that is the namespace of `process` too.
///
/// - *Stopped* and *alive* by the system: the same boot, PID namespace and time namespace, and a
///   process of that PID with the same start ticks.
/// - *Dead* by the system: host and machine are ours as well, and there is no such PID, or another
///   process has it, or it is a zombie.
/// - *Dead* by a restart: the machine is ours, and the boot is not, as far as the kernel says so to
///   both: see [`was_restarted`].
/// - *Alive* by its lease: it was renewed within the last renewal period.
/// - Otherwise *elsewhere* if host, machine or namespace are known to be others, else *unknown*.
fn judge(
    process: &Process,
    here: &Process,
    renewal: Option<Renewal>,
    look: impl FnOnce() -> Sighting,
) -> Liveness {
    let same_boot = !process.boot_id.is_empty() && process.boot_id == here.boot_id;
    let same = |a: Option<u64>, b: Option<u64>| a.is_some() && a == b;
    let same_namespaces =
        same(process.pid_namespace, here.pid_namespace) && same(process.time_namespace, here.time_namespace);
    let same_place = process.host == here.host && process.machine == here.machine;
    if same_boot && same_namespaces {
        let has_ended = match look() {
            Sighting::Gone => true,
            Sighting::Hidden => false,
            Sighting::Seen { start_ticks, activity } => match process.start_ticks {
                None => false,
                Some(recorded) if recorded != start_ticks => true,
                Some(_) => match activity {
                    ProcessActivity::Running => return Liveness::Alive,
                    ProcessActivity::Stopped => return Liveness::Stopped,
                    ProcessActivity::Ended => true,
                },
            },
        };
        if has_ended && same_place {
            return Liveness::Dead;
        }
    }
    if process.machine.is_some() && process.machine == here.machine && was_restarted(process, here) {
        return Liveness::Dead;
    }
    if renewal.is_some_and(Renewal::is_recent) {
        return Liveness::Alive;
    }
    let other = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
    let other_machine =
        process.machine.is_some() && here.machine.is_some() && process.machine != here.machine;
    let other_namespace = other(process.pid_namespace, here.pid_namespace)
        || other(process.time_namespace, here.time_namespace);
    if process.host != here.host || other_machine || (same_boot && other_namespace) {
        return Liveness::Elsewhere;
    }
    Liveness::Unknown
}

/// Whether the machine was started again since the boot of `process`. What a container is told may be
/// another boot id than that of its host (systemd-nspawn mounts one of its own), so that only what both
/// read outside of any counts; and only ids of the kernel do, not what stands in for one without /proc.
fn was_restarted(process: &Process, here: &Process) -> bool {
    let is_told_by_kernel =
        |process: &Process| process.has_kernel_boot_id() && process.is_in_initial_pid_namespace();
    is_told_by_kernel(process) && is_told_by_kernel(here) && process.boot_id != here.boot_id
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "11111111-89ab-cdef-0123-456789abcdef";
    const EARLIER_BOOT: &str = "00000000-89ab-cdef-0123-456789abcdef";
    const INITIAL: Option<u64> = Some(process_identity::INITIAL_PID_NAMESPACE);
    const TICKS: u64 = 5000;

    fn here() -> Process {
        Process {
            host: "web1".into(),
            boot_id: BOOT.into(),
            pid: 100,
            started: 1,
            machine: Some("machine-1".into()),
            pid_namespace: INITIAL,
            time_namespace: Some(2),
            start_ticks: Some(1000),
        }
    }

    fn holder() -> Process {
        Process { pid: 7, start_ticks: Some(TICKS), ..here() }
    }

    const fn seen(start_ticks: u64, activity: ProcessActivity) -> Sighting {
        Sighting::Seen { start_ticks, activity }
    }

    const SIGHTINGS: [Sighting; 8] = [
        Sighting::Gone,
        Sighting::Hidden,
        seen(TICKS, ProcessActivity::Running),
        seen(TICKS, ProcessActivity::Stopped),
        seen(TICKS, ProcessActivity::Ended),
        seen(TICKS + 1, ProcessActivity::Running),
        seen(TICKS - 1, ProcessActivity::Stopped),
        seen(TICKS + 1, ProcessActivity::Ended),
    ];

    #[test]
    fn a_holder_of_this_machine_is_what_the_system_shows() {
        for (sighting, expected) in [
            (SIGHTINGS[0], Liveness::Dead),
            (SIGHTINGS[1], Liveness::Unknown),
            (SIGHTINGS[2], Liveness::Alive),
            (SIGHTINGS[3], Liveness::Stopped),
            (SIGHTINGS[4], Liveness::Dead),
            (SIGHTINGS[5], Liveness::Dead),
            (SIGHTINGS[6], Liveness::Dead),
            (SIGHTINGS[7], Liveness::Dead),
        ] {
            assert_eq!(judge(&holder(), &here(), None, || sighting), expected, "{sighting:?}");
        }
    }

    /// What differs in the record, without any renewal and whatever the system shows of the PID.
    #[test]
    fn what_cannot_be_seen_is_never_dead() {
        let with = |change: fn(&mut Process)| {
            let mut process = holder();
            change(&mut process);
            process
        };
        let cases: [(&str, Process, Liveness); 13] = [
            ("another host", with(|p| p.host = "web2".into()), Liveness::Elsewhere),
            ("another machine", with(|p| p.machine = Some("machine-2".into())), Liveness::Elsewhere),
            ("another PID namespace", with(|p| p.pid_namespace = Some(9)), Liveness::Elsewhere),
            ("another time namespace", with(|p| p.time_namespace = Some(9)), Liveness::Elsewhere),
            ("no machine recorded", with(|p| p.machine = None), Liveness::Unknown),
            ("no PID namespace recorded", with(|p| p.pid_namespace = None), Liveness::Unknown),
            ("no time namespace recorded", with(|p| p.time_namespace = None), Liveness::Unknown),
            ("no boot recorded", with(|p| p.boot_id.clear()), Liveness::Unknown),
            (
                "another boot, no machine",
                with(|p| (p.boot_id, p.machine) = (EARLIER_BOOT.into(), None)),
                Liveness::Unknown,
            ),
            (
                "another boot of another machine",
                with(|p| (p.boot_id, p.machine) = (EARLIER_BOOT.into(), Some("machine-2".into()))),
                Liveness::Elsewhere,
            ),
            (
                "another host and boot",
                with(|p| (p.host, p.boot_id, p.machine) = ("web2".into(), EARLIER_BOOT.into(), None)),
                Liveness::Elsewhere,
            ),
            (
                "a record of an earlier version",
                Process {
                    machine: None,
                    pid_namespace: None,
                    time_namespace: None,
                    start_ticks: None,
                    ..holder()
                },
                Liveness::Unknown,
            ),
            (
                "a record of an earlier version on another host",
                Process {
                    host: "web2".into(),
                    machine: None,
                    pid_namespace: None,
                    time_namespace: None,
                    start_ticks: None,
                    ..holder()
                },
                Liveness::Elsewhere,
            ),
        ];
        for (what, process, expected) in cases {
            for sighting in SIGHTINGS {
                let state = judge(&process, &here(), None, || sighting);
                // The same boot, namespaces and start are proof of life under any name.
                let is_proof = process.boot_id == BOOT
                    && process.pid_namespace == INITIAL
                    && process.time_namespace == Some(2)
                    && process.start_ticks == Some(TICKS);
                match sighting {
                    _ if is_proof && sighting == SIGHTINGS[2] => assert_eq!(state, Liveness::Alive, "{what}"),
                    _ if is_proof && sighting == SIGHTINGS[3] => {
                        assert_eq!(state, Liveness::Stopped, "{what}")
                    }
                    _ => assert_eq!(state, expected, "{what}, {sighting:?}"),
                }
            }
        }
    }

    #[test]
    fn a_restart_of_this_machine_has_ended_its_processes() {
        for sighting in SIGHTINGS {
            for change in [
                |_: &mut Process| {},
                |p: &mut Process| p.host = "renamed".into(),
                |p: &mut Process| p.time_namespace = Some(9),
                |p: &mut Process| p.start_ticks = None,
            ] {
                let mut process = Process { boot_id: EARLIER_BOOT.into(), ..holder() };
                change(&mut process);
                let recent = Some(Renewal { age: Duration::ZERO, lease: Duration::from_secs(30) });
                for renewal in [None, recent] {
                    assert_eq!(judge(&process, &here(), renewal, || sighting), Liveness::Dead, "{process:?}");
                }
            }
        }
    }

    /// A boot id that a container was given, or what stands in for one without /proc, is no proof.
    #[test]
    fn a_boot_id_that_is_not_the_kernels_proves_no_restart() {
        for sighting in SIGHTINGS {
            for (boot_id, pid_namespace) in [
                (EARLIER_BOOT, Some(9)),
                (EARLIER_BOOT, None),
                ("1796034315", INITIAL),
                ("1796034315", None),
                ("", INITIAL),
            ] {
                let other = Process { boot_id: boot_id.into(), pid_namespace, ..holder() };
                assert_eq!(judge(&other, &here(), None, || sighting), Liveness::Unknown, "{other:?}");
                let seen_from_there = Process { boot_id: boot_id.into(), pid_namespace, ..here() };
                assert_eq!(judge(&holder(), &seen_from_there, None, || sighting), Liveness::Unknown);
            }
        }
    }

    #[test]
    fn a_recent_renewal_proves_life_where_nothing_can_be_seen() {
        let lease = Duration::from_secs(30);
        let unseen = Process { pid_namespace: Some(9), ..holder() };
        for (age, is_alive) in
            [(0, true), (9_999, true), (10_000, true), (12_500, true), (12_501, false), (30_000, false)]
        {
            let renewal = Some(Renewal { age: Duration::from_millis(age), lease });
            let expected = |otherwise| if is_alive { Liveness::Alive } else { otherwise };
            assert_eq!(judge(&unseen, &here(), renewal, || Sighting::Gone), expected(Liveness::Elsewhere));
            let hidden = judge(&holder(), &here(), renewal, || Sighting::Hidden);
            assert_eq!(hidden, expected(Liveness::Unknown));
            // The system knows better.
            assert_eq!(judge(&holder(), &here(), renewal, || Sighting::Gone), Liveness::Dead);
            assert_eq!(judge(&holder(), &here(), renewal, || SIGHTINGS[3]), Liveness::Stopped);
        }
    }

    #[test]
    fn without_a_start_only_the_absence_of_the_pid_is_proof() {
        let process = Process { start_ticks: None, ..holder() };
        for sighting in SIGHTINGS {
            let expected = if sighting == Sighting::Gone { Liveness::Dead } else { Liveness::Unknown };
            assert_eq!(judge(&process, &here(), None, || sighting), expected, "{sighting:?}");
        }
    }

    /// Every combination: nothing is dead unless host, machine, boot and namespaces are ours, or
    /// the machine was restarted; nothing is alive without a sighting or a renewal.
    #[test]
    fn no_combination_claims_what_is_not_proven() {
        let ours = here();
        let maybe = |own: Option<u64>| [own, Some(99), None];
        let mut combinations = 0;
        for host in ["web1", "web2"] {
            for boot_id in [BOOT, EARLIER_BOOT, "1796034315", ""] {
                for machine in [Some("machine-1"), Some("machine-2"), None] {
                    for pid_namespace in maybe(ours.pid_namespace) {
                        for time_namespace in maybe(ours.time_namespace) {
                            for start_ticks in [Some(TICKS), None] {
                                let process = Process {
                                    host: host.into(),
                                    boot_id: boot_id.into(),
                                    pid: 7,
                                    started: 1,
                                    machine: machine.map(String::from),
                                    pid_namespace,
                                    time_namespace,
                                    start_ticks,
                                };
                                for sighting in SIGHTINGS {
                                    for age in [None, Some(1), Some(29)] {
                                        combinations += 1;
                                        check(&process, sighting, age);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(combinations, 2 * 4 * 3 * 3 * 3 * 2 * 8 * 3);
    }

    fn check(process: &Process, sighting: Sighting, age: Option<u64>) {
        let lease = Duration::from_secs(30);
        let renewal = age.map(|age| Renewal { age: Duration::from_secs(age), lease });
        let ours = here();
        let looked = std::cell::Cell::new(false);
        let state = judge(process, &ours, renewal, || {
            looked.set(true);
            sighting
        });
        let same_view = process.boot_id == ours.boot_id
            && process.pid_namespace == ours.pid_namespace
            && process.time_namespace == ours.time_namespace;
        assert_eq!(looked.get(), same_view, "{process:?}");
        let restarted = process.machine == ours.machine
            && process.boot_id == EARLIER_BOOT
            && process.pid_namespace == ours.pid_namespace;
        match state {
            Liveness::Dead => assert!(
                restarted
                    || (same_view
                        && process.host == ours.host
                        && process.machine == ours.machine
                        && sighting != Sighting::Hidden),
                "{process:?} {sighting:?}"
            ),
            Liveness::Alive => assert!(
                age == Some(1) || (same_view && sighting == SIGHTINGS[2]),
                "{process:?} {sighting:?} {age:?}"
            ),
            Liveness::Stopped => assert!(same_view && sighting == SIGHTINGS[3]),
            Liveness::Elsewhere | Liveness::Unknown => assert!(!restarted && age != Some(1)),
        }
    }
}
