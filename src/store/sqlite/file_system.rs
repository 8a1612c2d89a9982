//! What a file system allows, and which ones other machines take part in.
//!
//! SQLite's WAL needs memory that all processes share and locks that all of them see; neither
//! reaches from one machine to another.

use std::path::Path;

use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};

use crate::atomic_file::folder_of;

/// Why a file on a read-only file system cannot be written.
pub(super) const READ_ONLY: &str = "it is on a read-only file system";

/// Whether the file system of `path`, which need not exist, is mounted read-only.
pub(super) fn is_read_only(path: &Path) -> bool {
    facts(path).is_some_and(|facts| facts.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether nothing more can be written to the file system of `path`.
pub(super) fn is_full(path: &Path) -> bool {
    facts(path).is_some_and(|facts| facts.blocks_available() == 0)
}

fn facts(path: &Path) -> Option<Statvfs> {
    statvfs(path).or_else(|_| statvfs(folder_of(path))).ok()
}

/// What is to be expected of a database on such a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// It breaks: writing is refused.
    Impossible,
    /// It works as long as one machine alone uses the database.
    OneMachine,
}

/// A file system that is not of this machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub name: &'static str,
    pub sharing: Sharing,
}

const fn network(name: &'static str, sharing: Sharing) -> Network {
    Network { name, sharing }
}

/// By the numbers that Linux's statfs answers (linux/magic.h, and the file systems' own sources).
const BY_MAGIC: [(u32, Network); 14] = [
    (0x6969, network("NFS", Sharing::Impossible)),
    (0x517b, network("SMB", Sharing::Impossible)),
    (0xff53_4d42, network("CIFS", Sharing::Impossible)),
    (0xfe53_4d42, network("SMB", Sharing::Impossible)),
    (0x564c, network("NCP", Sharing::Impossible)),
    (0x5346_414f, network("AFS", Sharing::Impossible)),
    (0x6b41_4653, network("AFS", Sharing::Impossible)),
    (0x7375_7245, network("Coda", Sharing::Impossible)),
    (0x0102_1997, network("9p", Sharing::OneMachine)),
    (0x00c3_6400, network("Ceph", Sharing::OneMachine)),
    (0x0bd0_0bd0, network("Lustre", Sharing::OneMachine)),
    (0x4750_4653, network("GPFS", Sharing::OneMachine)),
    (0x0116_1970, network("GFS2", Sharing::OneMachine)),
    (0x7461_636f, network("OCFS2", Sharing::OneMachine)),
];

/// File systems of programs all have one number; their mounts tell them apart.
const FUSE: u32 = 0x6573_5546;

const BY_MOUNT: [(&str, Network); 6] = [
    ("fuse.sshfs", network("sshfs", Sharing::Impossible)),
    ("fuse.rclone", network("rclone", Sharing::Impossible)),
    ("fuse.s3fs", network("s3fs", Sharing::Impossible)),
    ("fuse.davfs", network("WebDAV", Sharing::Impossible)),
    ("fuse.glusterfs", network("GlusterFS", Sharing::OneMachine)),
    ("fuse.ceph-fuse", network("Ceph", Sharing::OneMachine)),
];

/// The network file system that `path` is on; `None` if it is a local one, or that is not known.
pub(super) fn of(path: &Path) -> Option<Network> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let found = nix::sys::statfs::statfs(path).ok()?;
        // The kernel's number has 32 bits, whatever the type has that the system gives it in.
        let magic = found.filesystem_type().0 as u32;
        let mount = || {
            let device = std::fs::metadata(path).ok()?.dev();
            let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
            mount_type(&mounts, &format!("{major}:{minor}"))
        };
        by_facts(magic, mount)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// `mount` is asked only where the number does not tell.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn by_facts(magic: u32, mount: impl FnOnce() -> Option<String>) -> Option<Network> {
    if magic == FUSE {
        let mount = mount()?;
        return BY_MOUNT.iter().find(|(name, _)| *name == mount).map(|(_, network)| *network);
    }
    BY_MAGIC.iter().find(|(number, _)| *number == magic).map(|(_, network)| *network)
}

/// The type of the file system on `device` (`major:minor`), as /proc/self/mountinfo has it.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn mount_type(mounts: &str, device: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (before.split(' ').nth(2)? == device).then(|| after.split(' ').next().map(String::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(magic: u32, mount: Option<&str>) -> Option<(&'static str, Sharing)> {
        by_facts(magic, || mount.map(String::from)).map(|network| (network.name, network.sharing))
    }

    #[test]
    fn file_systems_of_other_machines_are_known() {
        assert_eq!(name(0x6969, None), Some(("NFS", Sharing::Impossible)));
        assert_eq!(name(0xff53_4d42, None), Some(("CIFS", Sharing::Impossible)));
        assert_eq!(name(0x0102_1997, None), Some(("9p", Sharing::OneMachine)));
        assert_eq!(name(FUSE, Some("fuse.sshfs")), Some(("sshfs", Sharing::Impossible)));
    }

    #[test]
    fn local_ones_are_not_complained_about() {
        // ext4, tmpfs, btrfs, overlayfs.
        for magic in [0xef53, 0x0102_1994, 0x9123_683e, 0x794c_7630] {
            assert_eq!(name(magic, Some("fuse.sshfs")), None, "{magic:x}");
        }
        assert_eq!(name(FUSE, Some("fuse.ntfs-3g")), None);
        assert_eq!(name(FUSE, None), None);
    }

    #[test]
    fn a_mount_is_found_by_its_device() {
        let mounts = "22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n\
                      95 28 0:52 / /mnt/a\\040b rw - fuse.sshfs ann@host:/ rw,user_id=0\n";
        assert_eq!(mount_type(mounts, "0:52").as_deref(), Some("fuse.sshfs"));
        assert_eq!(mount_type(mounts, "0:2"), None);
    }
}
