//! etcd's errors in the words of the store.

use super::record::Unreadable;
use super::wire::WireError;
use crate::store::{ErrorKind, Location, StoreError};
use crate::text::escape::escape;

/// The error of the database at `location` for what went wrong between here and etcd.
pub(super) fn store_error(error: WireError, location: &Location) -> StoreError {
    match error {
        WireError::Unreachable { waited, reasons, may_have_arrived: true } => {
            ErrorKind::Unconfirmed { waited, reasons }.at(location)
        }
        WireError::Unreachable { waited, reasons, may_have_arrived: false } => {
            ErrorKind::Unreachable { waited, reasons }.at(location)
        }
        WireError::Refused { code: 7 | 16, message } => {
            ErrorKind::Denied { reason: escape(message.as_bytes()) }.at(location)
        }
        WireError::Refused { message, .. }
            if ["authentication failed", "user name is empty"].iter().any(|it| message.contains(it)) =>
        {
            ErrorKind::Denied { reason: escape(message.as_bytes()) }.at(location)
        }
        error if error.is_out_of_space() => {
            ErrorKind::DiskFull.at(location).with_remedy(
                "etcd is out of space: compact its history, defragment it (etcdctl compact, etcdctl defrag), \
                 then disarm the alarm (etcdctl alarm disarm)",
            )
        }
        WireError::Refused { message, .. } if message.contains("request is too large") => {
            ErrorKind::Engine { reason: escape(message.as_bytes()) }.at(location).with_remedy(
                "the server's --max-request-bytes is smaller than this program expects; add \
                 max-request=BYTES to the address",
            )
        }
        WireError::Refused { message, .. } if message.contains("too many operations in txn") => {
            ErrorKind::Engine { reason: escape(message.as_bytes()) }.at(location).with_remedy(
                "the server's --max-txn-ops is smaller than this program expects; add max-ops=N to the address",
            )
        }
        WireError::Refused { message, .. } => {
            ErrorKind::Engine { reason: escape(message.as_bytes()) }.at(location)
        }
        WireError::NotEtcd { reason } => {
            let reason = format!("{reason}: no etcd, or its gateway is off (--enable-grpc-gateway)");
            ErrorKind::NotAStateDatabase { reason }.at(location)
        }
        WireError::Malformed { reason } => {
            let reason = format!("an answer that cannot be read: {}", escape(reason.as_bytes()));
            ErrorKind::Engine { reason }.at(location)
        }
    }
}

/// Whether a key was to be put under a lease that is gone. Nothing was written then.
pub(super) fn is_lease_gone(error: &StoreError) -> bool {
    matches!(&error.kind, ErrorKind::Engine { reason } if reason.contains("requested lease not found"))
}

/// The error for a value of slothstate's own that cannot be read.
pub(super) fn unreadable(error: Unreadable, key: &[u8], location: &Location) -> StoreError {
    match error {
        Unreadable::Newer(found) => ErrorKind::NewerSchema { found: i64::from(found), known: 1 }.at(location),
        Unreadable::Damaged => {
            ErrorKind::Corrupt { reason: format!("the value of {} is not as it was written", escape(key)) }
                .at(location)
        }
    }
}
