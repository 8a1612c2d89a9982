//! The state as far as a recorded run has read it.

use std::collections::BTreeSet;

use super::ReplayError;
use super::what_if_boundary::recorded_key;
use crate::lua::convert::to_stored;
use crate::lua::functions;
use crate::lua::host_function::{CallEffect, CallTarget, ObservedCall, Proof};
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Expiry, Key, Store, Transaction};
use crate::workflow::recording::{Answer, RecordKind, Recording};

/// Fills an empty store with the values that a run read before it wrote them.
pub(super) fn put_reads(store: &dyn Store, recording: &Recording) -> Result<(), ReplayError> {
    let lua = mlua::Lua::new();
    let mut seen: BTreeSet<Key> = BTreeSet::new();
    let mut events = recording.events();
    while let Some(record) = events.take()? {
        let (RecordKind::Call { function, arguments, .. } | RecordKind::Begin { function, arguments }) =
            &record.what
        else {
            continue;
        };
        let Some(function) = functions::find(function) else { continue };
        let mut found = Vec::new();
        match (function.target, &record.what) {
            (CallTarget::Entry, _) => {
                let Some(key) = arguments.first().and_then(recorded_key) else { continue };
                let proof = (function.before)(&observed(&record.what, events.peek()?.map(|next| &next.what)));
                if function.effect == CallEffect::Read && proof == Proof::Unknown || !seen.insert(key.clone())
                {
                    continue;
                }
                // A cut argument does not say what the entry was.
                if let Proof::Value(value) = proof
                    && !value.is_cut()
                {
                    found.push((key, value));
                }
            }
            (CallTarget::Entries, RecordKind::Call { answer: Answer::Returned(values), .. }) => {
                if let Some(RecordedValue::Table(_, entries)) = values.first() {
                    let keys =
                        entries.iter().filter_map(|(key, value)| Some((recorded_key(key)?, value.clone())));
                    found.extend(keys.filter(|(key, _)| seen.insert(key.clone())));
                }
            }
            _ => {}
        }
        for (key, value) in found {
            let stored = value.to_lua(&lua).ok().and_then(|value| to_stored(&lua, &value, "value").ok());
            if let Some(value) = stored {
                store.commit(&Transaction::put(key, value, Expiry::Clear))?;
            }
        }
    }
    Ok(())
}

/// A recorded call, as far as its first record and the next one show it.
fn observed<'a>(call: &'a RecordKind, next: Option<&'a RecordKind>) -> ObservedCall<'a> {
    let mut observed = ObservedCall { arguments: &[], callback: None, returned: None };
    match call {
        RecordKind::Call { arguments, answer, .. } => {
            observed.arguments = arguments;
            observed.returned = answer.values();
        }
        RecordKind::Begin { arguments, .. } => {
            observed.arguments = arguments;
            match next {
                Some(RecordKind::Callback { arguments }) => observed.callback = Some(arguments),
                Some(RecordKind::End { answer: Answer::Returned(values), .. }) => {
                    observed.returned = Some(values)
                }
                _ => {}
            }
        }
        _ => {}
    }
    observed
}
