//! Locks, their queue, and leases over jumps of the wall clock.

use std::time::Duration;

use super::{Ability, Contract, World, acquired, key, operations_after, put, request};
use crate::store::{
    AcquireOutcome, ClearOutcome, Condition, ErrorKind, Expiry, Liveness, LockRequest, Revision, StoreError,
    Transaction, Value, WaitOutcome, wait_for_lock,
};
use crate::time::Millis;

pub(super) const CONTRACTS: &[Contract] = &[
    (
        "a_lock_is_held_by_one_until_it_is_released_or_its_lease_runs_out",
        a_lock_is_held_by_one_until_it_is_released_or_its_lease_runs_out,
    ),
    (
        "a_lock_is_cleared_only_if_it_is_the_one_that_was_seen",
        a_lock_is_cleared_only_if_it_is_the_one_that_was_seen,
    ),
    ("locks_come_in_the_order_of_their_names", locks_come_in_the_order_of_their_names),
    ("a_lock_is_imported_where_nobody_holds_it", a_lock_is_imported_where_nobody_holds_it),
    ("a_lock_needs_a_name", a_lock_needs_a_name),
    ("tokens_grow_and_guard_writes", tokens_grow_and_guard_writes),
    (
        "who_waits_longest_is_served_first_and_the_silent_are_passed_over",
        who_waits_longest_is_served_first_and_the_silent_are_passed_over,
    ),
    ("waiting_ends_with_the_lock_or_with_the_time", waiting_ends_with_the_lock_or_with_the_time),
    (
        "a_waiter_that_died_before_the_clock_went_back_is_passed_over",
        a_waiter_that_died_before_the_clock_went_back_is_passed_over,
    ),
    ("a_waiter_keeps_its_place_over_a_jump_of_the_clock", a_waiter_keeps_its_place_over_a_jump_of_the_clock),
    (
        "a_wait_lasts_as_long_as_it_should_whatever_the_clock_says",
        a_wait_lasts_as_long_as_it_should_whatever_the_clock_says,
    ),
    (
        "a_lease_that_ended_stays_lost_after_the_clock_went_back",
        a_lease_that_ended_stays_lost_after_the_clock_went_back,
    ),
    ("a_lease_does_not_run_by_the_wall_clock", a_lease_does_not_run_by_the_wall_clock),
];

const HOUR: Duration = Duration::from_secs(3600);
const LEASE: Duration = Duration::from_secs(30);

fn a_lock_is_held_by_one_until_it_is_released_or_its_lease_runs_out(world: &dyn World) {
    let store = world.store();
    let first = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    assert_eq!(store.holder_liveness(&first, &world.settings().process), Liveness::Alive);
    assert!(
        matches!(store.acquire(&request("l", "bob"), None).unwrap(), AcquireOutcome::Held(lock) if lock == first)
    );
    assert!(matches!(
        store.acquire(&request("l", "ann"), None),
        Err(StoreError { kind: ErrorKind::Reentrant { .. }, .. })
    ));
    world.pass(Duration::from_secs(20));
    assert!(store.renew("l", first.token, LEASE).unwrap());
    world.pass(Duration::from_secs(29));
    assert!(matches!(store.acquire(&request("l", "bob"), None).unwrap(), AcquireOutcome::Held(_)));
    world.pass(Duration::from_secs(1));
    let second = acquired(store.acquire(&request("l", "bob"), None).unwrap());
    assert!(second.token > first.token);
    assert!(!store.renew("l", first.token, LEASE).unwrap());
    assert!(!store.release("l", first.token).unwrap());
    assert!(store.release("l", second.token).unwrap());
    assert_eq!(operations_after(&*store, Revision(0)), ["lock", "expire", "lock", "unlock"]);
}

fn a_lock_is_cleared_only_if_it_is_the_one_that_was_seen(world: &dyn World) {
    let store = world.store();
    let seen = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    assert!(store.renew("l", seen.token, Duration::from_secs(99)).unwrap());
    assert_eq!(store.clear_lock(&seen).unwrap(), ClearOutcome::Cleared, "a renewed lock is the same lock");
    let new = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    assert_eq!(store.clear_lock(&seen).unwrap(), ClearOutcome::Changed(Box::new(new.clone())));
    assert!(store.release("l", new.token).unwrap());
    assert_eq!(store.clear_lock(&new).unwrap(), ClearOutcome::AlreadyGone);
}

fn locks_come_in_the_order_of_their_names(world: &dyn World) {
    let store = world.store();
    let mut names = ["b", "a/2", "a", "é", "A b"];
    for name in names {
        acquired(store.acquire(&request(name, "me"), None).unwrap());
    }
    world.pass(LEASE);
    names.sort_unstable();
    let mut found = Vec::new();
    loop {
        let page = store.locks(found.last().map(String::as_str), 2).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|lock| lock.name));
    }
    assert_eq!(found, names, "also those whose leases have run out");
    for name in names {
        assert_eq!(store.lock(name).unwrap().map(|lock| lock.name).as_deref(), Some(name));
    }
    assert_eq!(store.lock("nowhere").unwrap(), None);
}

fn a_lock_is_imported_where_nobody_holds_it(world: &dyn World) {
    let store = world.store();
    let lock = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    let there = world.another();
    let other = there.store_of_process(7);
    let imported = acquired(other.import_lock(&lock).unwrap());
    assert_eq!((&imported.holder, &imported.process), (&lock.holder, &lock.process));
    assert_eq!(imported.acquired_at, lock.acquired_at);
    assert!(
        matches!(other.import_lock(&lock).unwrap(), AcquireOutcome::Held(held) if held.token == imported.token)
    );
    assert!(other.release("l", imported.token).unwrap());
    other.join_queue(&request("l", "bob")).unwrap();
    assert_eq!(other.import_lock(&lock).unwrap(), AcquireOutcome::Queued);
}

fn a_lock_needs_a_name(world: &dyn World) {
    let refused = world.store().acquire(&request("", "me"), None);
    assert!(matches!(refused, Err(StoreError { kind: ErrorKind::EmptyLockName, .. })), "{refused:?}");
}

fn tokens_grow_and_guard_writes(world: &dyn World) {
    let store = world.store();
    let mut last = None;
    for _ in 0..3 {
        let lock = acquired(store.acquire(&request("l", "me"), None).unwrap());
        assert!(last.is_none_or(|last| last < lock.token));
        let write = |token| {
            let put = Transaction::put(key("k"), Value::integer(1), Expiry::Clear);
            store.commit(&put.when(Condition::HoldsLock("l".into(), token))).unwrap().is_committed()
        };
        assert!(write(lock.token));
        assert!(last.is_none_or(|last| !write(last)));
        assert!(store.release("l", lock.token).unwrap());
        assert!(!write(lock.token));
        last = Some(lock.token);
    }
}

fn who_waits_longest_is_served_first_and_the_silent_are_passed_over(world: &dyn World) {
    let store = world.store();
    let held = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    let bob = store.join_queue(&request("l", "bob")).unwrap();
    let cid = store.join_queue(&request("l", "cid")).unwrap();
    assert!(store.release("l", held.token).unwrap());
    assert_eq!(store.acquire(&request("l", "cid"), Some(cid)).unwrap(), AcquireOutcome::Queued);
    assert_eq!(store.acquire(&request("l", "dan"), None).unwrap(), AcquireOutcome::Queued);
    let names: Vec<String> = store.waiters().unwrap().into_iter().map(|waiter| waiter.holder).collect();
    assert_eq!(names, ["bob", "cid"]);
    world.pass(world.waiter_patience());
    store.keep_waiting(&request("l", "cid"), cid).unwrap();
    acquired(store.acquire(&request("l", "cid"), Some(cid)).unwrap());
    store.leave_queue(bob).unwrap();
    store.leave_queue(cid).unwrap();
    assert_eq!(store.waiters().unwrap(), []);
}

fn waiting_ends_with_the_lock_or_with_the_time(world: &dyn World) {
    let (store, other) = (world.store(), world.store());
    let held = acquired(store.acquire(&request("l", "ann"), None).unwrap());
    let mut pauses = 0;
    let waited = wait_for_lock(&*other, &request("l", "bob"), Duration::from_secs(60), &mut |sleep| {
        pauses += 1;
        world.pass(sleep);
        if pauses == 3 {
            assert_eq!(store.waiters().unwrap().len(), 1);
            store.release("l", held.token).unwrap();
        }
        true
    });
    assert!(matches!(waited.unwrap(), WaitOutcome::Acquired(lock) if lock.holder == "bob"));
    assert!(pauses >= 3);
    if world.can(Ability::HearsAtOnce) {
        assert_eq!(pauses, 3, "the release is seen at once");
    }
    assert_eq!(store.waiters().unwrap(), []);
    let waited = wait_for_lock(&*store, &request("l", "cid"), Duration::from_secs(1), &mut |sleep| {
        world.pass(sleep);
        true
    });
    assert!(matches!(waited.unwrap(), WaitOutcome::TimedOut(Some(lock)) if lock.holder == "bob"));
    assert_eq!(store.waiters().unwrap(), []);
}

fn deploy(holder: &str, lease: Duration) -> LockRequest {
    LockRequest { name: "deploy".into(), holder: holder.into(), lease }
}

/// The wall clock jumps, and no time passes.
fn jump(world: &dyn World, hours: i64) {
    world.clock().set(Millis(world.now().0 + hours * HOUR.as_millis() as i64));
}

fn a_waiter_that_died_before_the_clock_went_back_is_passed_over(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    let [ann, bob, cid] = [1, 2, 3].map(|pid| world.store_of_process(pid));
    let held = acquired(ann.acquire(&deploy("ann", HOUR), None).unwrap());
    bob.join_queue(&deploy("bob", HOUR)).unwrap();
    // Bob is killed here: he is not heard of again.
    jump(world, -1);
    let waits = deploy("cid", HOUR);
    let ticket = cid.join_queue(&waits).unwrap();
    assert!(ann.release("deploy", held.token).unwrap());
    world.pass(world.waiter_patience() + Duration::from_secs(1));
    cid.keep_waiting(&waits, ticket).unwrap();
    acquired(cid.acquire(&waits, Some(ticket)).unwrap());
}

fn a_waiter_keeps_its_place_over_a_jump_of_the_clock(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    let [ann, bob, cid] = [1, 2, 3].map(|pid| world.store_of_process(pid));
    let held = acquired(ann.acquire(&deploy("ann", HOUR * 3), None).unwrap());
    let waits = deploy("bob", HOUR);
    let ticket = bob.join_queue(&waits).unwrap();
    for hours in [1, -1] {
        jump(world, hours);
        // Somebody else's maintenance may take bob for silent.
        put(&*ann, "k", Value::integer(1), Expiry::Clear);
        bob.keep_waiting(&waits, ticket).unwrap();
        let later = cid.join_queue(&deploy("cid", HOUR)).unwrap();
        assert_eq!(ann.waiters().unwrap()[0].holder, "bob", "jump {hours}");
        assert!(later > ticket);
        cid.leave_queue(later).unwrap();
    }
    let later = cid.join_queue(&deploy("cid", HOUR)).unwrap();
    assert!(ann.release("deploy", held.token).unwrap());
    assert_eq!(cid.acquire(&deploy("cid", HOUR), Some(later)).unwrap(), AcquireOutcome::Queued);
    acquired(bob.acquire(&waits, Some(ticket)).unwrap());
}

fn a_wait_lasts_as_long_as_it_should_whatever_the_clock_says(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    for hours in [-1, 1] {
        let world = &*world.another();
        let [ann, bob] = [1, 2].map(|pid| world.store_of_process(pid));
        acquired(ann.acquire(&deploy("ann", HOUR * 3), None).unwrap());
        let mut waited = Duration::ZERO;
        let limit = Duration::from_secs(5);
        let done = wait_for_lock(&*bob, &deploy("bob", HOUR), limit, &mut |time| {
            if waited.is_zero() {
                jump(world, hours);
            }
            world.pass(time);
            waited += time;
            true
        });
        assert!(matches!(done.unwrap(), WaitOutcome::TimedOut(Some(_))), "jump {hours}");
        assert!(waited.abs_diff(limit) < Duration::from_millis(100), "jump {hours}: {waited:?}");
        assert_eq!(ann.waiters().unwrap(), []);
    }
}

fn a_lease_that_ended_stays_lost_after_the_clock_went_back(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    let [ann, bob] = [1, 2].map(|pid| world.store_of_process(pid));
    let lost = acquired(ann.acquire(&deploy("ann", LEASE), None).unwrap());
    world.pass(HOUR);
    let taken = acquired(bob.acquire(&deploy("bob", LEASE), None).unwrap());
    assert!(taken.token > lost.token);
    jump(world, -1);
    assert!(!ann.renew("deploy", lost.token, HOUR).unwrap());
    assert!(!ann.release("deploy", lost.token).unwrap());
    let write = |token| {
        let put = Transaction::put(key("k"), Value::integer(1), Expiry::Clear);
        put.when(Condition::HoldsLock("deploy".into(), token))
    };
    assert!(!ann.commit(&write(lost.token)).unwrap().is_committed());
    assert!(bob.commit(&write(taken.token)).unwrap().is_committed());
    // A renewal counts from the present moment, also when the lease was longer by the former clock.
    assert!(bob.renew("deploy", taken.token, LEASE).unwrap());
    world.pass(Duration::from_secs(31));
    acquired(ann.acquire(&deploy("ann", HOUR), None).unwrap());
}

fn a_lease_does_not_run_by_the_wall_clock(world: &dyn World) {
    if !world.can(Ability::ClockGoesBack) {
        return;
    }
    for hours in [1, -1] {
        let world = &*world.another();
        let [ann, bob] = [1, 2].map(|pid| world.store_of_process(pid));
        let held = acquired(ann.acquire(&deploy("ann", LEASE), None).unwrap());
        jump(world, hours);
        let seen = bob.locks(None, 1).unwrap().remove(0);
        assert_eq!(seen.expires_at, Some(world.now().plus(LEASE)), "jump {hours}");
        assert!(matches!(bob.acquire(&deploy("bob", LEASE), None).unwrap(), AcquireOutcome::Held(_)));
        let write = || {
            let put = Transaction::put(key("k"), Value::integer(1), Expiry::Clear);
            put.when(Condition::HoldsLock("deploy".into(), held.token))
        };
        assert!(ann.commit(&write()).unwrap().is_committed(), "jump {hours}");
        assert!(ann.renew("deploy", held.token, LEASE).unwrap(), "jump {hours}");
        // After its time it does run out, wherever the wall clock is.
        world.pass(LEASE);
        jump(world, -hours);
        assert!(!ann.renew("deploy", held.token, LEASE).unwrap(), "jump {hours}");
        assert!(!ann.commit(&write()).unwrap().is_committed(), "jump {hours}");
        acquired(bob.acquire(&deploy("bob", LEASE), None).unwrap());
    }
}
