//! The variables of a source: one name may stand for another variable in each block.

use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Variable {
    /// The calls that are assigned to it, each alone, by their places in the scan.
    pub calls: Vec<usize>,
    /// Whether one of the fields that are looked for is read from it.
    pub is_read_by_fields: bool,
}

/// The variables that were found so far, and those that names stand for at the present place.
#[derive(Default)]
pub(super) struct Variables<'s> {
    all: Vec<Variable>,
    globals: BTreeMap<&'s [u8], usize>,
    /// The blocks around the present place, the innermost last.
    blocks: Vec<BTreeMap<&'s [u8], usize>>,
}

impl<'s> Variables<'s> {
    pub(super) fn enter_block(&mut self) {
        self.blocks.push(BTreeMap::new());
    }

    pub(super) fn leave_block(&mut self) {
        self.blocks.pop();
    }

    /// A local variable of the innermost block.
    pub(super) fn declare(&mut self, name: &'s [u8]) {
        let block = self.blocks.last_mut().unwrap_or(&mut self.globals);
        block.insert(name, self.all.len());
        self.all.push(Variable::default());
    }

    /// The variable that a name stands for: a global one unless it was declared.
    pub(super) fn resolve(&mut self, name: &'s [u8]) -> &mut Variable {
        let local = self.blocks.iter().rev().find_map(|block| block.get(name).copied());
        let place = local.unwrap_or_else(|| *self.globals.entry(name).or_insert(self.all.len()));
        if place == self.all.len() {
            self.all.push(Variable::default());
        }
        &mut self.all[place]
    }

    /// The calls that are assigned to variables whose fields are read.
    pub(super) fn calls_read_by_fields(&self) -> impl Iterator<Item = usize> {
        self.all
            .iter()
            .filter(|variable| variable.is_read_by_fields)
            .flat_map(|variable| &variable.calls)
            .copied()
    }
}
