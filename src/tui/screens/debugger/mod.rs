//! The debugger: a recorded run, step by step, on the whole screen.
//!
//! Of a run only the steps around the cursor are in memory, however many it has; what is further
//! away is looked for by a thread of its own.

pub mod breakpoint;
pub mod draw;
pub mod folded_steps;
pub mod folding;
pub mod keys;
pub mod layout;
pub mod navigate;
pub mod replies;
pub mod requests;
pub mod source;
pub mod state;
pub mod steps;
#[cfg(test)]
pub mod tests;
pub mod what_if_form;
pub mod what_if_keys;
pub mod worker;
