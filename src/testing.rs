//! What the tests of several folders share. No product code.

/// How often a test of random or concurrent work is repeated: `few` times, so that nobody minds to wait, or
/// `all` times with `SLOTHSTATE_TEST_FULL` set, as CI does.
pub fn rounds(few: u32, all: u32) -> u32 {
    if std::env::var_os("SLOTHSTATE_TEST_FULL").is_some() { all } else { few }
}
