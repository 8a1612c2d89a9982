//! The state that a script sees: the store of the run, or the transaction that is under way on it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::store::{Key, Overlay, Store, Token};

/// The store of a run, with the transaction that is running on it.
pub struct StateScope {
    base: Rc<dyn Store>,
    overlay: RefCell<Option<Rc<Overlay>>>,
    fences: RefCell<Vec<(String, Token)>>,
    updates: RefCell<Vec<Key>>,
    /// How often an update was retried since the outermost one began.
    tries: Cell<u32>,
}

/// Ends its scope when it is dropped.
#[must_use]
pub struct ScopeGuard<'a> {
    scope: &'a StateScope,
    end: ScopeEnd,
}

enum ScopeEnd {
    Overlay,
    Fence(String, Token),
    Update,
}

impl StateScope {
    /// Nothing over `base`.
    pub fn new(base: Rc<dyn Store>) -> StateScope {
        StateScope {
            base,
            overlay: RefCell::default(),
            fences: RefCell::default(),
            updates: RefCell::default(),
            tries: Cell::default(),
        }
    }

    /// The store of the run itself.
    pub fn base(&self) -> &Rc<dyn Store> {
        &self.base
    }

    /// The store that the calls of a script use.
    pub fn current(&self) -> Rc<dyn Store> {
        match &*self.overlay.borrow() {
            Some(overlay) => Rc::clone(overlay) as _,
            None => Rc::clone(&self.base),
        }
    }

    pub fn overlay(&self) -> Option<Rc<Overlay>> {
        self.overlay.borrow().clone()
    }

    /// Makes the calls of the script use `overlay` until the guard is dropped.
    pub fn enter(&self, overlay: Rc<Overlay>) -> ScopeGuard<'_> {
        self.overlay.replace(Some(overlay));
        ScopeGuard { scope: self, end: ScopeEnd::Overlay }
    }

    /// Allows writes only while the run holds that lock, until the guard is dropped.
    pub fn fence(&self, name: &str, token: Token) -> ScopeGuard<'_> {
        self.fences.borrow_mut().push((name.into(), token));
        self.apply_fences();
        ScopeGuard { scope: self, end: ScopeEnd::Fence(name.into(), token) }
    }

    /// Ends the fences of a lock that the script itself releases.
    pub fn unfence(&self, name: &str) {
        self.fences.borrow_mut().retain(|(fenced, _)| fenced != name);
        self.apply_fences();
    }

    /// Notes that a function computes the new value of `key` until the guard is dropped; `None` if one does
    /// so already.
    pub fn update(&self, key: &Key) -> Option<ScopeGuard<'_>> {
        let mut updates = self.updates.borrow_mut();
        if updates.contains(key) {
            return None;
        }
        if updates.is_empty() {
            self.tries.take();
        }
        updates.push(key.clone());
        Some(ScopeGuard { scope: self, end: ScopeEnd::Update })
    }

    /// Whether an update may be retried. Nested updates share their attempts: if each retried because of what
    /// the inner ones wrote, there would be no end.
    pub fn may_retry(&self) -> bool {
        const MAX_ATTEMPTS: u32 = 1000;
        self.tries.set(self.tries.get() + 1);
        self.tries.get() <= MAX_ATTEMPTS
    }

    fn apply_fences(&self) {
        self.base.set_fence(self.fences.borrow().clone());
    }
}

impl Drop for ScopeGuard<'_> {
    fn drop(&mut self) {
        match &self.end {
            ScopeEnd::Overlay => drop(self.scope.overlay.take()),
            ScopeEnd::Fence(name, token) => {
                self.scope.fences.borrow_mut().retain(|held| (&held.0, held.1) != (name, *token));
                self.scope.apply_fences();
            }
            ScopeEnd::Update => drop(self.scope.updates.borrow_mut().pop()),
        }
    }
}
