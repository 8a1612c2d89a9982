//! Free space inside the file.

use super::Examined;
use crate::store::sqlite::stats;
use crate::store::{Finding, StoreError};
use crate::text::size::show_size;

const CHECK: &str = "space";
/// So much free space is worth giving back, in bytes and in percent of the file.
const LEAST: u64 = 16 << 20;
const PERCENT: u64 = 25;

/// Compares the free space with the file.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    let space = examined.query(stats::space)?;
    Ok(vec![judge(space.free, space.bytes, &examined.command("compact"))])
}

fn judge(free: u64, bytes: u64, compact: &str) -> Finding {
    let sizes = format!("{} of the {} in the file are free", show_size(free), show_size(bytes));
    if free < LEAST || u128::from(free) * 100 < u128::from(bytes) * u128::from(PERCENT) {
        return Finding::ok(CHECK, sizes);
    }
    let finding = format!("{sizes}: later writes use them; compacting gives them back to the disk");
    Finding::note(CHECK, finding).remedy(compact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Level;

    #[test]
    fn much_free_space_is_worth_a_note() {
        const MIB: u64 = 1 << 20;
        assert_eq!(judge(0, 0, "").level, Level::Ok);
        assert_eq!(judge(15 * MIB, 16 * MIB, "").level, Level::Ok);
        assert_eq!(judge(16 * MIB, 65 * MIB, "").level, Level::Ok);
        let note = judge(16 * MIB, 64 * MIB, "slothstate compact");
        assert_eq!((note.level, note.remedy.as_deref()), (Level::Note, Some("slothstate compact")));
    }
}
