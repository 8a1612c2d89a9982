//! A world on a node of etcd: a prefix of its own, and leases that run by the clock of the world.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::lock_queue::PATIENCE;
use super::super::wire::{
    Compare, Gateway, KeySpan, KeyValue, Lease, LeaseTime, NodeStatus, Op, RangeRequest, RangeResponse, Txn,
    TxnResponse, WatchMessage, Wire, WireError,
};
use super::super::{EtcdAddress, EtcdStore, Keys};
use crate::store::testing::conformance::{Ability, ForeignWrite, World};
use crate::store::testing::etcd_node;
use crate::store::{Key, Location, Maintained, Options, Store};
use crate::testing::rounds;
use crate::time::{Clock, ManualClock, SystemClock};

/// The shortest lease that etcd grants with its usual settings.
const SHORTEST: i64 = 2;
/// How long the leases really are: no test lasts as long.
const REAL: i64 = 3600;

/// The leases of a world by its clock: how long each is granted for, and when it ends.
type Leases = Arc<Mutex<HashMap<i64, (i64, Duration)>>>;

/// etcd, where time passes by hand.
struct TimedWire {
    inner: Gateway,
    /// Each transaction arrives twice, as if the answer to the first one was lost.
    sends_twice: bool,
    clock: Arc<ManualClock>,
    leases: Leases,
    sent: Arc<Mutex<Vec<Txn>>>,
    largest_answer: Arc<AtomicUsize>,
    forgets: Arc<AtomicU64>,
    is_full: Arc<AtomicBool>,
}

impl Wire for TimedWire {
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, WireError> {
        self.inner.range(request)
    }

    fn txn(&self, txn: &Txn) -> Result<TxnResponse, WireError> {
        self.sent.lock().unwrap().push(txn.clone());
        if self.is_full.load(Ordering::SeqCst) {
            let message = "etcdserver: mvcc: database space exceeded".into();
            return Err(WireError::Refused { code: 8, message });
        }
        if self.sends_twice {
            self.inner.txn(txn)?;
        }
        let answer = self.inner.txn(txn)?;
        let bytes =
            answer.clone().into_ranges().iter().flat_map(|range| &range.kvs).map(|kv| kv.value.len()).sum();
        self.largest_answer.fetch_max(bytes, Ordering::SeqCst);
        Ok(answer)
    }

    fn grant(&self, seconds: i64) -> Result<Lease, WireError> {
        let seconds = seconds.max(SHORTEST);
        let lease = self.inner.grant(REAL)?;
        let one_less = |left: u64| left.checked_sub(1);
        if self.forgets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            self.inner.revoke(lease.id)?;
            return Ok(Lease { id: lease.id, seconds });
        }
        let until = self.clock.elapsed() + Duration::from_secs(seconds.unsigned_abs());
        self.leases.lock().unwrap().insert(lease.id, (seconds, until));
        Ok(Lease { id: lease.id, seconds })
    }

    fn revoke(&self, lease: i64) -> Result<(), WireError> {
        self.leases.lock().unwrap().remove(&lease);
        self.inner.revoke(lease)
    }

    fn keep_alive(&self, lease: i64) -> Result<Option<i64>, WireError> {
        let now = self.clock.elapsed();
        Ok(self.leases.lock().unwrap().get_mut(&lease).map(|(granted, until)| {
            *until = now + Duration::from_secs(granted.unsigned_abs());
            *granted
        }))
    }

    fn time_to_live(&self, lease: i64) -> Result<Option<LeaseTime>, WireError> {
        let now = self.clock.elapsed();
        Ok(self.leases.lock().unwrap().get(&lease).map(|(granted, until)| LeaseTime {
            granted: *granted,
            left: until.saturating_sub(now).as_secs().cast_signed(),
        }))
    }

    fn watch(
        &self,
        spans: &[KeySpan],
        from: i64,
        each: &mut dyn FnMut(WatchMessage) -> bool,
    ) -> Result<(), WireError> {
        self.inner.watch(spans, from, each)
    }

    fn nodes(&self) -> Vec<(String, Result<NodeStatus, WireError>)> {
        self.inner.nodes()
    }

    fn alarms(&self) -> Result<Vec<String>, WireError> {
        self.inner.alarms()
    }
}

/// A prefix of its own.
pub(in crate::store::etcd) struct Place {
    pub address: EtcdAddress,
    clock: Arc<ManualClock>,
    leases: Leases,
    sends_twice: bool,
    /// The transactions that were sent.
    pub sent: Arc<Mutex<Vec<Txn>>>,
    /// The most bytes of values in an answer to one.
    pub largest_answer: Arc<AtomicUsize>,
    /// How many of the next leases that it grants etcd forgets at once.
    pub forgets: Arc<AtomicU64>,
    /// Whether it refuses every transaction, as etcd 3.5 does beyond its quota.
    pub is_full: Arc<AtomicBool>,
}

impl Place {
    /// An empty database; `None` without etcd.
    pub fn new() -> Option<Place> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let text = format!("{}/test-{}-{number}", etcd_node()?, std::process::id());
        let address = EtcdAddress::parse(&text, false).unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let (leases, sent, largest_answer, forgets, is_full) = Default::default();
        Some(Place { address, clock, leases, sends_twice: false, sent, largest_answer, forgets, is_full })
    }

    /// The same where the answer to the first attempt at each write is lost.
    pub fn lossy() -> Option<Place> {
        Some(Place { sends_twice: true, ..Place::new()? })
    }

    fn gateway(&self) -> Gateway {
        Gateway::new(&self.address, None, Duration::from_secs(20)).unwrap()
    }

    /// As another program reaches it.
    pub fn wire(&self) -> impl Wire + use<> {
        self.timed_wire(false)
    }

    fn timed_wire(&self, sends_twice: bool) -> TimedWire {
        let (clock, leases) = (self.clock.clone(), self.leases.clone());
        let (sent, largest_answer) = (self.sent.clone(), self.largest_answer.clone());
        let (forgets, is_full) = (self.forgets.clone(), self.is_full.clone());
        TimedWire {
            inner: self.gateway(),
            sends_twice,
            clock,
            leases,
            sent,
            largest_answer,
            forgets,
            is_full,
        }
    }

    pub fn keys(&self) -> Keys {
        Keys::new(&self.address.prefix)
    }

    pub fn open(&self, settings: Options) -> EtcdStore {
        let location = Location::Etcd(Box::new(self.address.clone()));
        EtcdStore::over(Arc::new(self.timed_wire(self.sends_twice)), &self.address, settings, location)
    }

    fn find(&self, key: &Key) -> Option<KeyValue> {
        self.wire().range(&RangeRequest::key(self.keys().entry(key))).unwrap().kvs.pop()
    }

    fn change(&self, compares: Vec<Compare>, success: Vec<Op>) -> bool {
        self.wire().txn(&Txn { compares, success, failure: Vec::new() }).unwrap().succeeded
    }
}

impl World for Place {
    fn another(&self) -> Box<dyn World> {
        Box::new(Place { sends_twice: self.sends_twice, ..Place::new().unwrap() })
    }

    fn settings(&self) -> Options {
        Options { clock: self.clock.clone(), ..Options::default() }
    }

    fn open(&self, settings: Options) -> Box<dyn Store> {
        Box::new(self.open(settings))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let now = self.clock.elapsed();
        let ended: Vec<i64> = {
            let mut leases = self.leases.lock().unwrap();
            let ended = leases.iter().filter(|(_, (_, until))| *until <= now).map(|(id, _)| *id).collect();
            leases.retain(|_, (_, until)| *until > now);
            ended
        };
        if ended.is_empty() {
            return;
        }
        let gateway = self.gateway();
        ended.into_iter().for_each(|lease| gateway.revoke(lease).unwrap());
    }

    fn waiter_patience(&self) -> Duration {
        Duration::from_secs(PATIENCE.unsigned_abs())
    }

    fn rounds(&self, short: u32, full: u32) -> u32 {
        rounds(short / 3, full / 10)
    }

    fn foreign(&self, write: &ForeignWrite) -> bool {
        let keys = self.keys();
        let put = |key: &Key, text: &[u8]| Op::put(keys.entry(key), text.to_vec());
        match write {
            ForeignWrite::Put(key, text) | ForeignWrite::Replace(key, text) => {
                self.change(Vec::new(), vec![put(key, text.as_bytes())])
            }
            ForeignWrite::Update(key, text) => {
                self.find(key).is_some() && self.change(Vec::new(), vec![put(key, text.as_bytes())])
            }
            ForeignWrite::Rename(key, to) | ForeignWrite::RenameOver(key, to) => {
                let Some(found) = self.find(key).filter(|_| key != to) else { return false };
                let is_over = matches!(write, ForeignWrite::RenameOver(..));
                let compares = if is_over { Vec::new() } else { vec![Compare::absent(keys.entry(to))] };
                self.change(compares, vec![Op::delete(keys.entry(key)), put(to, &found.value)])
            }
            ForeignWrite::Delete(key) => {
                self.find(key).is_some() && self.change(Vec::new(), vec![Op::delete(keys.entry(key))])
            }
        }
    }

    fn remove_expired(&self) {
        let store = World::store(self);
        while store.maintain().unwrap() == Maintained::More {}
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::RecordsForeignWrites
            | Ability::RevisionsWithoutGaps
            | Ability::ExactRetention
            | Ability::HearsAtOnce => false,
            Ability::ClockGoesBack => true,
        }
    }
}
