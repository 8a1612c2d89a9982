//! Masks the values of secret keys in divergences and results of what-if runs that are shown.

use super::{Divergence, WhatIfOutcome};
use crate::store::secret_keys::{MASK, Secrets, masked_image};
use crate::workflow::recording::Record;
use crate::workflow::recording::masked_records::{is_secret, is_secret_call, masked, masked_arguments};

impl Divergence {
    /// Whether one of the two calls is about a key whose value is masked: its line of the source may name it.
    pub fn is_secret(&self, secrets: &Secrets) -> bool {
        let recorded = self.recorded.as_ref().is_some_and(|record| is_secret_call(secrets, &record.what));
        let actual = self.actual.as_ref();
        recorded || actual.is_some_and(|actual| is_secret(secrets, &actual.name, &actual.arguments))
    }

    pub fn mask(&mut self, secrets: &Secrets) {
        self.recorded = self.recorded.take().map(|record| masked_record(secrets, record));
        if let Some(actual) = &mut self.actual
            && actual.fields.is_empty()
        {
            let hides = is_secret(secrets, &actual.name, &actual.arguments);
            actual.arguments = masked_arguments(secrets, std::mem::take(&mut actual.arguments), hides);
        }
    }
}

impl WhatIfOutcome {
    pub fn mask(&mut self, secrets: &Secrets) {
        if let Some(divergence) = &mut self.divergence {
            divergence.mask(secrets);
        }
        if let Some(mut other) = self.other_answer.take() {
            if is_secret_call(secrets, &other.record.what) {
                (other.recorded, other.actual) = (MASK.into(), MASK.into());
            }
            other.record = masked_record(secrets, other.record);
            self.other_answer = Some(other);
        }
        for difference in self.state.iter_mut().filter(|difference| secrets.hides(&difference.key)) {
            for image in [&mut difference.recorded, &mut difference.trial].into_iter().flatten() {
                *image = masked_image(image);
            }
        }
    }
}

fn masked_record(secrets: &Secrets, record: Record) -> Record {
    Record { what: masked(secrets, record.what, false), ..record }
}
