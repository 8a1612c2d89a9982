//! What is sent to etcd and what it answers: plain types, and the trait of what carries them.
//!
//! `gateway` carries them as JSON over HTTP; another way, such as gRPC, would be another file beside it.

mod gateway;
mod json;

use std::fmt;
use std::time::Duration;

pub(super) use self::gateway::Gateway;
use crate::text::escape::escape;

/// How many bytes a step or a compare takes besides its keys and its value, at most: numbers, lengths and the
/// frames around them.
const FRAME: u64 = 80;

/// A key with its value, as etcd keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(in crate::store) struct KeyValue {
    #[serde(deserialize_with = "json::bytes")]
    pub key: Vec<u8>,
    #[serde(deserialize_with = "json::bytes")]
    pub value: Vec<u8>,
    #[serde(deserialize_with = "json::number")]
    pub create_revision: i64,
    #[serde(deserialize_with = "json::number")]
    pub mod_revision: i64,
    #[serde(deserialize_with = "json::number")]
    pub version: i64,
    #[serde(deserialize_with = "json::number")]
    pub lease: i64,
}

/// Keys from `start` to `end`, which is not among them; one key if `end` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct KeySpan {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
}

impl fmt::Display for KeySpan {
    /// As a range, escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", escape(&self.start), escape(&self.end))
    }
}

impl KeySpan {
    /// One key.
    pub fn one(key: Vec<u8>) -> KeySpan {
        KeySpan { start: key, end: Vec::new() }
    }

    fn bytes(&self) -> u64 {
        (self.start.len() + self.end.len()) as u64
    }

    /// All keys that begin with `prefix`, whose last byte is not 255.
    pub fn beginning(prefix: Vec<u8>) -> KeySpan {
        let mut end = prefix.clone();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1);
        }
        KeySpan { start: prefix, end }
    }
}

/// What to read of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct RangeRequest {
    pub span: KeySpan,
    /// The most keys; 0 for all.
    pub limit: i64,
    /// The revision to read at; 0 for the newest.
    pub revision: i64,
    /// From the last key down.
    pub is_descending: bool,
    pub keys_only: bool,
    pub count_only: bool,
    /// Only what was written at this revision or later; 0 for no limit.
    pub min_mod_revision: i64,
    /// Only what was written at this revision or before; 0 for no limit.
    pub max_mod_revision: i64,
}

impl RangeRequest {
    /// One key.
    pub fn key(key: Vec<u8>) -> RangeRequest {
        RangeRequest { span: KeySpan::one(key), ..RangeRequest::default() }
    }

    /// A whole range.
    pub fn of(span: KeySpan) -> RangeRequest {
        RangeRequest { span, ..RangeRequest::default() }
    }
}

/// What a range has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct RangeResponse {
    /// The newest revision of the whole store when it was read.
    pub revision: i64,
    pub kvs: Vec<KeyValue>,
    /// Whether there are more keys than the limit.
    pub more: bool,
    /// How many keys the range has, whatever the limit.
    pub count: i64,
}

impl RangeResponse {
    /// The one key that was read, if it is there.
    pub fn first(&self) -> Option<&KeyValue> {
        self.kvs.first()
    }
}

/// What is compared of a key; all of it is 0 for one that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Compared {
    /// The revision at which it was created.
    Created,
    /// The revision at which it was last written.
    Modified,
}

/// How it has to compare to the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Relation {
    Equal,
    Less,
}

/// What must hold of every key of a range; it holds of an empty one if it holds of 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Compare {
    pub span: KeySpan,
    pub compared: Compared,
    pub relation: Relation,
    pub number: i64,
}

impl Compare {
    /// The key was last written at that revision; 0 if it does not exist.
    pub fn modified_at(key: Vec<u8>, revision: i64) -> Compare {
        let span = KeySpan::one(key);
        Compare { span, compared: Compared::Modified, relation: Relation::Equal, number: revision }
    }

    /// The key was created at that revision; 0 if it does not exist.
    pub fn created_at(key: Vec<u8>, revision: i64) -> Compare {
        Compare { compared: Compared::Created, ..Compare::modified_at(key, revision) }
    }

    /// The key does not exist.
    pub fn absent(key: Vec<u8>) -> Compare {
        Compare::created_at(key, 0)
    }

    /// There is no key in the range.
    pub fn empty(span: KeySpan) -> Compare {
        Compare { span, compared: Compared::Created, relation: Relation::Equal, number: 0 }
    }

    /// No key of the range was written after that revision.
    pub fn unchanged_since(span: KeySpan, revision: i64) -> Compare {
        let number = revision.saturating_add(1);
        Compare { span, compared: Compared::Modified, relation: Relation::Less, number }
    }
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Op {
    Range(RangeRequest),
    /// Writes a key, under a lease if that is not 0.
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
        lease: i64,
    },
    /// Deletes all keys of a range.
    Delete(KeySpan),
}

impl Op {
    /// Writes a key under no lease.
    pub fn put(key: Vec<u8>, value: Vec<u8>) -> Op {
        Op::Put { key, value, lease: 0 }
    }

    /// How many bytes of a request it takes; not less than that.
    pub fn request_bytes(&self) -> u64 {
        let bytes = match self {
            Op::Put { key, value, .. } => (key.len() + value.len()) as u64,
            Op::Range(range) => range.span.bytes(),
            Op::Delete(span) => span.bytes(),
        };
        FRAME + bytes
    }

    /// Deletes one key.
    pub fn delete(key: Vec<u8>) -> Op {
        Op::Delete(KeySpan::one(key))
    }

    /// Reads one key.
    pub fn get(key: Vec<u8>) -> Op {
        Op::Range(RangeRequest::key(key))
    }
}

/// What is done if all compares hold, and otherwise. No key may be written twice in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Txn {
    pub compares: Vec<Compare>,
    pub success: Vec<Op>,
    pub failure: Vec<Op>,
}

impl Txn {
    /// With all keys under a lease that have none.
    fn under(mut self, lease: i64) -> Txn {
        for op in self.success.iter_mut().chain(&mut self.failure) {
            if let Op::Put { lease: own @ 0, .. } = op {
                *own = lease;
            }
        }
        self
    }

    /// Whether it depends on nothing and writes nothing.
    pub fn only_reads(&self) -> bool {
        self.compares.is_empty() && self.success.iter().all(|op| matches!(op, Op::Range(_)))
    }

    /// How many bytes the request takes; not less than that.
    pub fn request_bytes(&self) -> u64 {
        let compares: u64 = self.compares.iter().map(|compare| FRAME + compare.span.bytes()).sum();
        let ops: u64 = self.success.iter().chain(&self.failure).map(Op::request_bytes).sum();
        FRAME + compares + ops
    }
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum OpResponse {
    Range(RangeResponse),
    Put,
    /// How many keys were deleted.
    Delete(i64),
}

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct TxnResponse {
    /// The revision that it made, or the newest one if it wrote nothing.
    pub revision: i64,
    pub succeeded: bool,
    pub responses: Vec<OpResponse>,
}

impl TxnResponse {
    /// What its reads found, in their order.
    pub fn into_ranges(self) -> Vec<RangeResponse> {
        let range = |response| match response {
            OpResponse::Range(range) => Some(range),
            OpResponse::Put | OpResponse::Delete(_) => None,
        };
        self.responses.into_iter().filter_map(range).collect()
    }
}

/// A lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Lease {
    pub id: i64,
    /// How long it was granted for, in seconds: may be more than was requested.
    pub seconds: i64,
}

/// How many leases are granted for one write, if etcd does not know the one that it granted before: it may
/// forget one at a change of leader.
pub(in crate::store) const GRANTS: usize = 4;

/// The time of a lease, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct LeaseTime {
    pub granted: i64,
    pub left: i64,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct WatchEvent {
    /// The key as it is since; of one that was deleted only the name and the revision of the deletion.
    pub kv: KeyValue,
    pub is_deleted: bool,
}

/// What a watch says.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum WatchMessage {
    /// Events of one revision or more.
    Events { revision: i64, events: Vec<WatchEvent> },
    /// The revisions asked for are gone; they are kept from this one on.
    Compacted { oldest: i64 },
}

/// A node, as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct NodeStatus {
    pub version: String,
    pub db_bytes: i64,
    pub db_bytes_in_use: i64,
    /// How large it may become, where it says so.
    pub quota_bytes: Option<i64>,
    pub has_leader: bool,
    pub cluster: u64,
    pub revision: i64,
}

/// Why etcd did not do what was requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum WireError {
    /// No node answered in time.
    Unreachable {
        waited: Duration,
        /// The nodes, each with the reason.
        reasons: String,
        /// Whether a node may have carried it out all the same.
        may_have_arrived: bool,
    },
    /// etcd refused it: a code of gRPC and etcd's words.
    Refused { code: i64, message: String },
    /// What answers is not etcd, or does not speak JSON.
    NotEtcd { reason: String },
    /// An answer that cannot be read.
    Malformed { reason: String },
}

impl WireError {
    /// Why it failed, in words.
    pub fn into_reason(self) -> String {
        match self {
            WireError::Unreachable { reasons: reason, .. }
            | WireError::Refused { message: reason, .. }
            | WireError::NotEtcd { reason }
            | WireError::Malformed { reason } => reason,
        }
    }

    /// Whether the lease that was named is gone.
    pub fn is_lease_gone(&self) -> bool {
        matches!(self, WireError::Refused { code: 5, .. })
    }

    /// Whether etcd has no room left.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, WireError::Refused { code: 8, message } if message.contains("space exceeded"))
    }

    /// Whether the revision that was asked for is compacted.
    pub fn is_compacted(&self) -> bool {
        matches!(self, WireError::Refused { code: 11, message } if message.contains("compacted"))
    }
}

/// What carries requests to etcd. Each call is tried at one node after the other until one answers or the
/// time is up, so that a request may be carried out twice: callers see to it that this does no harm.
pub(in crate::store) trait Wire: Send + Sync {
    /// Reads a range. The answer is the newest state unless a revision is named.
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, WireError>;

    /// Carries out a transaction.
    fn txn(&self, txn: &Txn) -> Result<TxnResponse, WireError>;

    /// Makes a lease of at least so many seconds.
    fn grant(&self, seconds: i64) -> Result<Lease, WireError>;

    /// Ends a lease, with the keys under it; one that is gone is left so.
    fn revoke(&self, lease: i64) -> Result<(), WireError>;

    /// Renews a lease for the time that it was granted for; those seconds, or `None` if it is gone.
    fn keep_alive(&self, lease: i64) -> Result<Option<i64>, WireError>;

    /// How long a lease lasts; `None` if it is gone.
    fn time_to_live(&self, lease: i64) -> Result<Option<LeaseTime>, WireError>;

    /// Hears what happens in ranges from that revision on, until `each` returns false, the node has nothing
    /// more to say, or some seconds are over. Revisions come in order, each as a whole, in each of the ranges.
    fn watch(
        &self,
        spans: &[KeySpan],
        from: i64,
        each: &mut dyn FnMut(WatchMessage) -> bool,
    ) -> Result<(), WireError>;

    /// What each node says of itself.
    fn nodes(&self) -> Vec<(String, Result<NodeStatus, WireError>)>;

    /// Whether a user is named and the server has no authentication.
    fn ignores_user(&self) -> bool {
        false
    }

    /// The alarms of the cluster, such as `NOSPACE`.
    fn alarms(&self) -> Result<Vec<String>, WireError>;
}
