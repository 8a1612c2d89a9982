//! The disk that the database is on: its kind of file system, and its room.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::unseen;
use crate::store::Finding;
use crate::store::sqlite::file_system::{self, Network, Sharing};
use crate::text::size::show_size;

/// Looks at the disk of `folder`.
pub(super) fn examine(folder: &Path) -> Vec<Finding> {
    let mut findings = vec![judge_file_system(file_system::of(folder))];
    findings.push(match statvfs(folder) {
        // The types differ from system to system.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Ok(disk) => {
            let block = disk.fragment_size() as u64;
            judge_space(disk.blocks_available() as u64 * block, disk.blocks() as u64 * block)
        }
        Err(errno) => unseen("disk", folder, errno.desc()),
    });
    findings
}

fn judge_file_system(network: Option<Network>) -> Finding {
    const CHECK: &str = "filesystem";
    let Some(network) = network else {
        return Finding::ok(CHECK, "it is on a file system of this machine");
    };
    let name = network.name;
    match network.sharing {
        Sharing::Impossible => Finding::problem(CHECK, format!("it is on a network file system ({name}), over which processes cannot share it: slothstate refuses to write"),
        ),
        Sharing::OneMachine => Finding::warning(CHECK, format!("it is on a file system that other machines may take part in ({name}): it breaks when two of them use it"),
        ),
    }
    .remedy("move it to a local disk, and name it there with --db or $SLOTHSTATE_DB")
}

fn judge_space(free: u64, all: u64) -> Finding {
    const CHECK: &str = "disk";
    const LEAST: u64 = 100_000_000;
    const LEAST_PERCENT: u64 = 5;
    let is_short = free < LEAST || u128::from(free) * 100 < u128::from(all) * u128::from(LEAST_PERCENT);
    let figures = format!("{} of {} are free", show_size(free), show_size(all));
    match is_short {
        false => Finding::ok(CHECK, figures),
        true => Finding::warning(
            CHECK,
            format!("{figures}: with none left nothing can be written, not even deleted"),
        )
        .remedy("free some room on that disk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Level;

    #[test]
    fn a_network_is_a_problem_or_a_doubt() {
        assert_eq!(judge_file_system(None).level, Level::Ok);
        let judged = |sharing| judge_file_system(Some(Network { name: "NFS", sharing }));
        assert_eq!(judged(Sharing::Impossible).level, Level::Problem);
        assert_eq!(judged(Sharing::OneMachine).level, Level::Warning);
        assert!(judged(Sharing::Impossible).finding.contains("(NFS)"));
    }

    #[test]
    fn little_room_is_told_by_share_and_by_size() {
        const GB: u64 = 1_000_000_000;
        assert_eq!(judge_space(50 * GB, 1000 * GB).level, Level::Ok);
        assert_eq!(judge_space(49 * GB, 1000 * GB).level, Level::Warning);
        assert_eq!(judge_space(GB / 10, GB).level, Level::Ok);
        assert_eq!(judge_space(GB / 10 - 1, GB).level, Level::Warning);
        assert_eq!(judge_space(0, 0).level, Level::Warning);
        assert_eq!(judge_space(u64::MAX, u64::MAX).level, Level::Ok);
    }
}
