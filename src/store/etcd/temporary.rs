//! A database for a while: every key of it is under one lease, so that exactly what was written in it goes with
//! that, also if all processes that use it are killed.

use super::address::EtcdAddress;
use super::keys::Keys;
use super::wire::{Compare, Gateway, KeySpan, Lease, Op, RangeRequest, Txn, Wire, WireError};
use super::{EtcdStore, error_mapping};
use crate::store::{ErrorKind, KeyRange, Location, Options, StoreError, credentials};

/// How many seconds the keys stay after the last sign of life.
const LEASE: i64 = 60;

/// A database on an empty prefix, which ends with a lease.
pub struct TemporaryPrefix {
    wire: Gateway,
    keys: Keys,
    location: Location,
    lease: i64,
}

impl TemporaryPrefix {
    /// How long the keys stay if nobody ends it, in seconds.
    pub const SECONDS: u64 = LEASE.unsigned_abs();

    /// Begins one at `address`.
    ///
    /// # Errors
    /// [`ErrorKind::NotEmpty`] if there is anything at the prefix.
    pub fn begin(address: &EtcdAddress, options: &Options) -> Result<TemporaryPrefix, StoreError> {
        let location = Location::Etcd(Box::new(address.clone()));
        let store = EtcdStore::open(address, options.clone())?;
        let taken = |remedy: String| ErrorKind::NotEmpty.at(&location).with_remedy(remedy);
        if store.temporary_mark()? {
            let remedy = format!(
                "another demo uses it, or was killed less than {LEASE} seconds ago: its keys go by themselves then"
            );
            return Err(taken(remedy));
        }
        let not_empty = || taken("name a prefix without keys".into());
        if store.has_lasting_keys()? {
            return Err(not_empty());
        }
        let lease = store.wire.grant(LEASE).map_err(|error| store.error(error))?;
        match store.claim(lease) {
            Ok(true) => {}
            Ok(false) => return Err(not_empty()),
            // What was put in spite of it goes with the lease.
            Err(error) => return Err(error),
        }
        TemporaryPrefix::of(&address.under(lease.id), options)
    }

    /// The one at an address of [`TemporaryPrefix::location`].
    ///
    /// # Errors
    /// The address has no lease, or a file that it names cannot be read.
    pub fn of(address: &EtcdAddress, options: &Options) -> Result<TemporaryPrefix, StoreError> {
        let location = Location::Etcd(Box::new(address.clone()));
        let wire = Gateway::new(address, credentials::password(), options.busy_limit)
            .map_err(|(path, source)| ErrorKind::Io { source }.at(path.as_path()))?;
        let Some(lease) = address.lease else {
            let reason = "the address of a temporary database has a lease".into();
            return Err(ErrorKind::NotAStateDatabase { reason }.at(&location));
        };
        Ok(TemporaryPrefix { wire, keys: Keys::new(&address.prefix), location, lease })
    }

    /// Where it is; what is written there goes with it.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Keeps it for another [`TemporaryPrefix::SECONDS`]; false if it is over.
    ///
    /// # Errors
    /// No node answers.
    pub fn keep(&self) -> Result<bool, StoreError> {
        Ok(self.wire.keep_alive(self.lease).map_err(|error| self.error(error))?.is_some())
    }

    /// Removes what was written in it.
    ///
    /// # Errors
    /// No node answers: etcd removes it later.
    pub fn end(&self) -> Result<(), StoreError> {
        self.wire.revoke(self.lease).map_err(|error| self.error(error))
    }

    /// How many entries are there that others wrote, or have written over since.
    ///
    /// # Errors
    /// Those of reading.
    pub fn foreign_entries(&self) -> Result<u64, StoreError> {
        let all = RangeRequest { keys_only: true, ..RangeRequest::of(self.keys.entries(&KeyRange::all())) };
        let found = self.wire.range(&all).map_err(|error| self.error(error))?;
        Ok(found.kvs.iter().filter(|kv| kv.lease != self.lease).count() as u64)
    }

    fn error(&self, error: WireError) -> StoreError {
        error_mapping::store_error(error, &self.location)
    }
}

impl EtcdStore {
    fn temporary_mark(&self) -> Result<bool, StoreError> {
        Ok(!self.range(&RangeRequest::key(self.keys.temporary()))?.kvs.is_empty())
    }

    /// Whether there are keys that do not go by themselves.
    fn has_lasting_keys(&self) -> Result<bool, StoreError> {
        for span in self.keys.all() {
            let request = RangeRequest { keys_only: true, limit: 1000, ..RangeRequest::of(span) };
            let found = self.range(&request)?;
            if found.more || found.kvs.iter().any(|kv| kv.lease == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts the mark of a temporary database, if there still are no keys; whether it did.
    fn claim(&self, lease: Lease) -> Result<bool, StoreError> {
        let mark = self.keys.temporary();
        let put = Op::Put { key: mark.clone(), value: Vec::new(), lease: lease.id };
        let [entries, _] = self.keys.all();
        let compares = vec![
            Compare::empty(entries),
            Compare::absent(self.keys.format()),
            Compare::absent(self.keys.newest()),
            Compare::absent(mark.clone()),
        ];
        let failure = vec![Op::Range(RangeRequest { keys_only: true, ..RangeRequest::key(mark) })];
        let answer = self.txn(&Txn { compares, success: vec![put], failure })?;
        if answer.succeeded {
            return Ok(true);
        }
        // An earlier attempt took effect, and its answer was lost.
        let found = answer.into_ranges().pop().unwrap_or_default();
        Ok(found.first().is_some_and(|kv| kv.lease == lease.id))
    }
}

impl Keys {
    /// The mark of a database that goes with a lease.
    fn temporary(&self) -> Vec<u8> {
        let [_, KeySpan { start: own, .. }] = self.all();
        [&own[..], b"T"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::world::Place;
    use super::*;
    use crate::store::testing::conformance::{ForeignWrite, World};
    use crate::store::{Key, State, Store, Transaction, Value};

    fn write(store: &dyn Store, name: &str) {
        let put = Transaction::put(Key::new(name).unwrap(), Value::integer(1), crate::store::Expiry::Clear);
        assert!(store.commit(&put).unwrap().is_committed());
    }

    #[test]
    fn what_was_written_in_it_goes_with_it_and_nothing_else() {
        let Some(place) = Place::new() else { return };
        let begin = || TemporaryPrefix::begin(&place.address, &Options::default());
        let temporary = begin().unwrap();
        let refused = begin().err().unwrap().to_string();
        assert!(refused.contains("another demo uses it"), "{refused}");
        let Location::Etcd(address) = temporary.location() else { panic!() };
        let store = EtcdStore::open(address, Options::default()).unwrap();
        ["ours", "overwritten", "again", "deleted"].iter().for_each(|name| write(&store, name));
        let key = |name: &str| Key::new(name).unwrap();
        assert!(place.foreign(&ForeignWrite::Put(key("theirs"), "1".into())));
        assert!(place.foreign(&ForeignWrite::Put(key("overwritten"), "1".into())));
        assert!(place.foreign(&ForeignWrite::Put(key("again"), "1".into())));
        write(&store, "again");
        store.commit(&Transaction::delete(key("deleted"))).unwrap();
        assert!(temporary.keep().unwrap());
        assert_eq!(temporary.foreign_entries().unwrap(), 2);
        temporary.end().unwrap();
        temporary.end().unwrap();
        assert!(!temporary.keep().unwrap());
        let left = |span: KeySpan| place.wire().range(&RangeRequest::of(span)).unwrap().kvs;
        let [entries, own] = place.keys().all();
        let names: Vec<Vec<u8>> = left(entries).into_iter().map(|kv| kv.key).collect();
        let expected = ["overwritten", "theirs"].map(|name| place.keys().entry(&key(name)));
        assert_eq!(names, expected);
        assert!(left(own).is_empty());
        let error = store.commit(&Transaction::delete(key("theirs"))).unwrap_err();
        assert!(error.to_string().contains("temporary database is over"), "{error}");
        let refused = begin().err().unwrap();
        assert!(matches!(refused.kind, ErrorKind::NotEmpty), "{refused:?}");
        assert!(refused.to_string().contains("is not empty; name a prefix without keys"), "{refused}");
    }
}
