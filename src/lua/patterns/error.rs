//! Why a match ended without an answer, in the words of Lua 5.1.

use std::ffi::CStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatternError {
    EndsWithPercent,
    MissingBracket,
    MissingFrontierSet,
    Unbalanced,
    /// `%1` without such a capture, or while that is open.
    CaptureIndex,
    /// `)` without `(`.
    PatternCapture,
    TooManyCaptures,
    UnfinishedCapture,
    /// It has more open choices than are kept.
    TooComplex,
    /// The limits of the script ended it. What they raise is on the stack of Lua.
    Stopped,
}

impl PatternError {
    pub(super) fn text(self) -> &'static CStr {
        match self {
            PatternError::EndsWithPercent => c"malformed pattern (ends with '%')",
            PatternError::MissingBracket => c"malformed pattern (missing ']')",
            PatternError::MissingFrontierSet => c"missing '[' after '%f' in pattern",
            PatternError::Unbalanced => c"unbalanced pattern",
            PatternError::CaptureIndex => c"invalid capture index",
            PatternError::PatternCapture => c"invalid pattern capture",
            PatternError::TooManyCaptures => c"too many captures",
            PatternError::UnfinishedCapture => c"unfinished capture",
            PatternError::TooComplex => c"pattern too complex",
            PatternError::Stopped => c"stopped",
        }
    }
}
