//! An examination of a database on etcd: its nodes, and what lies in it.

use super::EtcdStore;
use super::address::EtcdAddress;
use super::keys::Keys;
use super::wire::{NodeStatus, RangeRequest, WireError};
use crate::store::{ErrorKind, Finding, Health, KeyRange, Level, Options, State, StoreError};

/// How the name of the mark of a database ends.
const FORMAT_NAME: &[u8] = b".s/F";
/// How many keys are read at a time, and how many at most.
const PAGE: i64 = 5000;
const LOOKED_AT: u64 = 100_000;
/// The space that etcd takes unless `--quota-backend-bytes` says otherwise.
const USUAL_QUOTA: i64 = 2 << 30;

/// What was found among the keys of the entries.
enum Inside {
    Nothing,
    /// The mark of another database.
    Found(Vec<u8>),
    /// Not all keys were looked at.
    Unknown {
        looked_at: u64,
        of: u64,
    },
}

/// The oldest version whose behavior is known to be right.
const OLDEST: (u32, u32) = (3, 4);

/// Looks at everything that may be wrong with a database and the cluster that it is on.
pub fn examine(address: &EtcdAddress, options: &Options, quick: bool) -> Health {
    match EtcdStore::open(address, Options { read_only: true, ..options.clone() }) {
        Ok(store) => store.examined(address, quick),
        Err(error) => {
            let finding = Finding::new("connection", Level::Problem, error.to_string());
            Health { findings: vec![finding], unusable: Some(error) }
        }
    }
}

impl EtcdStore {
    fn examined(&self, address: &EtcdAddress, quick: bool) -> Health {
        let mut findings = Vec::new();
        for (node, status) in self.wire.nodes() {
            findings.push(node_finding(&node, &status));
            if let Ok(status) = &status {
                findings.push(quota_finding(&node, status));
                findings.extend(version_finding(&node, &status.version));
            }
        }
        findings.extend(self.alarm_findings());
        findings.extend(self.user_finding(address));
        let mut look = |check, found: Result<Finding, StoreError>| {
            findings
                .push(found.unwrap_or_else(|error| Finding::new(check, Level::Problem, error.to_string())));
        };
        look("format", self.format_finding());
        look("prefix", self.prefix_finding(address, quick));
        look("history", self.history_finding());
        look("entries", self.entries_finding());
        Health { findings, unusable: None }
    }

    fn alarm_findings(&self) -> Vec<Finding> {
        match self.wire.alarms() {
            Ok(alarms) => alarms
                .iter()
                .map(|alarm| {
                    let finding = Finding::new("alarm", Level::Problem, format!("the cluster has the alarm {alarm}"));
                    match alarm.as_str() {
                        "NOSPACE" => finding.remedy(
                            "compact its history, defragment it (etcdctl compact, etcdctl defrag), then disarm the \
                             alarm: etcdctl alarm disarm",
                        ),
                        _ => finding,
                    }
                })
                .collect(),
            // Only an administrator may ask where there is authentication.
            Err(WireError::Refused { code: 7, .. }) => Vec::new(),
            Err(error) => vec![Finding::new("alarm", Level::Warning, self.error(error).to_string())],
        }
    }

    fn format_finding(&self) -> Result<Finding, StoreError> {
        Ok(match self.format()? {
            Some(format) => Finding::new("format", Level::Ok, format!("format 1, database {}", format.id)),
            None => Finding::new("format", Level::Note, "nothing was written with slothstate yet"),
        })
    }

    /// Whether the database lies in another one, or another one in it.
    fn prefix_finding(&self, address: &EtcdAddress, quick: bool) -> Result<Finding, StoreError> {
        let mut above = address.prefix.as_str();
        let mut unseen = None;
        while let Some((shorter, _)) = above.rsplit_once('/').filter(|(shorter, _)| !shorter.is_empty()) {
            above = shorter;
            let is_database = match self.range(&RangeRequest::key(Keys::new(above).format())) {
                Ok(found) => !found.kvs.is_empty(),
                Err(StoreError { kind: ErrorKind::Denied { .. }, .. }) => {
                    unseen = Some(above);
                    false
                }
                Err(error) => return Err(error),
            };
            if is_database {
                let finding = format!("the prefix {} lies in the database at {above}", address.prefix);
                return Ok(Finding::new("prefix", Level::Problem, finding)
                    .remedy("its keys are shown as entries of the other one: move one of them"));
            }
        }
        // A user with the grants of this prefix alone cannot know.
        if let Some(above) = unseen {
            let finding =
                format!("unknown whether it lies in a database at {above}, which this user may not read");
            return Ok(Finding::new("prefix", Level::Note, finding));
        }
        if quick {
            return Ok(Finding::new("prefix", Level::Ok, "it lies in no other database"));
        }
        Ok(match self.database_inside()? {
            Inside::Found(key) => {
                let name = crate::text::escape::escape(&key[..key.len() - FORMAT_NAME.len()]);
                Finding::new("prefix", Level::Problem, format!("the database at {name} lies in this one"))
                    .remedy("its keys are shown as entries here: move one of them")
            }
            Inside::Nothing => {
                Finding::new("prefix", Level::Ok, "it lies in no other database, and no other one in it")
            }
            Inside::Unknown { looked_at, of } => {
                let finding = format!(
                    "it lies in no other database; whether another one lies in it is unknown: {looked_at} of \
                     {of} keys were looked at"
                );
                Finding::new("prefix", Level::Note, finding)
            }
        })
    }

    /// Looks for the mark of another database among the keys of the entries, a page at a time.
    fn database_inside(&self) -> Result<Inside, StoreError> {
        let mut request = RangeRequest {
            keys_only: true,
            limit: PAGE,
            ..RangeRequest::of(self.keys.entries(&KeyRange::all()))
        };
        let mut looked_at = 0;
        loop {
            let page = self.range(&request)?;
            looked_at += page.kvs.len() as u64;
            if let Some(found) = page.kvs.iter().find(|kv| kv.key.ends_with(FORMAT_NAME)) {
                return Ok(Inside::Found(found.key.clone()));
            }
            let Some(last) = page.kvs.last().filter(|_| page.more) else { return Ok(Inside::Nothing) };
            if looked_at >= LOOKED_AT {
                let behind = u64::try_from(page.count).unwrap_or(0).saturating_sub(page.kvs.len() as u64);
                return Ok(Inside::Unknown { looked_at, of: looked_at + behind });
            }
            request.span.start = [&last.key[..], b"\0"].concat();
        }
    }

    /// Whether a user that the address names counts.
    fn user_finding(&self, address: &EtcdAddress) -> Option<Finding> {
        let user = address.user.as_ref().filter(|_| self.wire.ignores_user())?;
        let user = crate::text::escape::escape(user.as_bytes());
        let finding =
            format!("the server has no authentication: anybody may write, and user {user} is not used");
        Some(
            Finding::new("user", Level::Warning, finding)
                .remedy("leave the user out of the address, or enable it: etcdctl auth enable"),
        )
    }

    fn history_finding(&self) -> Result<Finding, StoreError> {
        let (span, changes) = self.with_history(|view| Ok((view.span()?, view.count()?)))?;
        Ok(match span {
            Some(span) => {
                let ((oldest, at), newest) = (span.oldest, span.newest.0);
                let finding = format!("{changes} changes, from revision {oldest} ({at}) to {newest}");
                Finding::new("history", Level::Ok, finding)
            }
            None => Finding::new("history", Level::Ok, "no changes yet"),
        })
    }

    fn entries_finding(&self) -> Result<Finding, StoreError> {
        let all = KeyRange::all();
        let (there, expired) = (self.count(&all)?, self.expired_in(&all, 1000)?.len());
        Ok(match expired {
            0 => Finding::new("entries", Level::Ok, format!("{there} entries")),
            _ => Finding::new(
                "entries",
                Level::Note,
                format!("{there} entries, and {expired} that have expired and are removed by the next write"),
            ),
        })
    }
}

fn node_finding(node: &str, status: &Result<NodeStatus, WireError>) -> Finding {
    match status {
        Ok(status) if !status.has_leader => Finding::new(
            "node",
            Level::Problem,
            format!("{node}: it has no leader, so that nothing can be written"),
        ),
        Ok(status) => {
            let megabytes = status.db_bytes / 1_000_000;
            Finding::new("node", Level::Ok, format!("{node}: etcd {}, {megabytes} MB", status.version))
        }
        Err(error) => {
            Finding::new("node", Level::Warning, format!("{node}: {}", error.clone().into_reason()))
        }
    }
}

/// How much of the space of a node is used. Only later versions of etcd say how much there is.
fn quota_finding(node: &str, status: &NodeStatus) -> Finding {
    let megabytes = |bytes: i64| bytes.max(0) / 1_000_000;
    let size = megabytes(status.db_bytes);
    let is_nearly = |quota: i64| status.db_bytes > quota / 10 * 8;
    let remedy =
        "compact and defragment it (etcdctl compact, etcdctl defrag), or raise --quota-backend-bytes";
    match status.quota_bytes {
        Some(quota) => {
            let finding = format!("{node}: {size} MB of {} MB are used", megabytes(quota));
            match is_nearly(quota) {
                true => Finding::new("space", Level::Warning, finding).remedy(remedy),
                false => Finding::new("space", Level::Ok, finding),
            }
        }
        None if is_nearly(USUAL_QUOTA) => {
            let finding = format!(
                "{node}: {size} MB are used, of how many is unknown; the usual quota is {} MB",
                megabytes(USUAL_QUOTA)
            );
            Finding::new("space", Level::Warning, finding).remedy(remedy)
        }
        None => {
            let finding = format!(
                "{node}: {size} MB are used; the quota is unknown, as etcd {} does not report it",
                crate::text::escape::escape(status.version.as_bytes())
            );
            Finding::new("space", Level::Ok, finding)
        }
    }
}

/// What is known to be wrong with a version.
fn version_finding(node: &str, version: &str) -> Option<Finding> {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor, patch) = (numbers.next()?, numbers.next()?, numbers.next().unwrap_or(0));
    if (major, minor) == (3, 5) && patch < 3 {
        return Some(
            Finding::new("version", Level::Warning, format!("{node}: etcd {version} may damage its data"))
                .remedy("update it to 3.5.3 or later"),
        );
    }
    ((major, minor) < OLDEST).then(|| {
        Finding::new(
            "version",
            Level::Warning,
            format!("{node}: etcd {version} is older than what was tried"),
        )
        .remedy("update it to 3.4 or later")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_judged_by_the_quota_where_that_is_known() {
        for (used, quota, level, words) in [
            (
                5_000_000,
                None,
                Level::Ok,
                "5 MB are used; the quota is unknown, as etcd 3.4.23 does not report it",
            ),
            (
                2_000_000_000,
                None,
                Level::Warning,
                "2000 MB are used, of how many is unknown; the usual quota is 2147",
            ),
            (5_000_000, Some(2 << 30), Level::Ok, "5 MB of 2147 MB are used"),
            (1_800_000_000, Some(2 << 30), Level::Warning, "1800 MB of 2147 MB are used"),
            (2_000_000_000, Some(8 << 30), Level::Ok, "2000 MB of 8589 MB are used"),
        ] {
            let status = NodeStatus {
                db_bytes: used,
                quota_bytes: quota,
                version: "3.4.23".into(),
                ..NodeStatus::default()
            };
            let finding = quota_finding("n", &status);
            assert_eq!(
                (finding.level, finding.finding.contains(words)),
                (level, true),
                "{}",
                finding.finding
            );
        }
    }

    #[test]
    fn versions_that_damage_data_are_named() {
        for (version, is_found) in [
            ("3.4.23", false),
            ("3.5.0", true),
            ("3.5.2", true),
            ("3.5.3", false),
            ("3.3.27", true),
            ("x", false),
        ] {
            assert_eq!(version_finding("n", version).is_some(), is_found, "{version}");
        }
    }
}
