//! Parts of a picture that know nothing of the application: wrapped lines, charts, JSON trees, text diffs, and
//! values as text.

pub mod chart;
pub mod dialog_frame;
pub mod fields;
pub mod format;
pub mod json_tree;
pub mod line;
pub mod path_completion;
pub mod question;
pub mod text_diff;
pub mod wrap;
