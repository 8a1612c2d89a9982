//! Has SQLite report each statement that begins, and each trigger that a statement starts.
//!
//! rusqlite's own function for that checks and copies the text of every statement, which is a tenth of
//! all instructions of a write.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use rusqlite::{Connection, ffi};

/// What is called for each statement, with nothing, and for each trigger, with the comment by which SQLite
/// names it. It must not panic.
type Listener = fn(Option<&CStr>);

/// Has `connection` call `listener`, in place of any before it.
pub(super) fn install(connection: &Connection, listener: Listener) -> rusqlite::Result<()> {
    // SAFETY: the connection is open, and `report` gets back the function that is passed here.
    let code = unsafe {
        ffi::sqlite3_trace_v2(
            connection.handle(),
            ffi::SQLITE_TRACE_STMT,
            Some(report),
            listener as *mut c_void,
        )
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

unsafe extern "C" fn report(_: c_uint, listener: *mut c_void, _: *mut c_void, text: *mut c_void) -> c_int {
    let text = text.cast::<c_char>();
    // SAFETY: `install` passes a `Listener`. SQLite passes a text that ends with a zero byte and lives until
    // this returns; its second byte is only read if the first one is not that.
    let (listener, comment) = unsafe {
        let listener = std::mem::transmute::<*mut c_void, Listener>(listener);
        let is_comment = !text.is_null() && *text == b'-' as c_char && *text.add(1) == b'-' as c_char;
        (listener, is_comment.then(|| CStr::from_ptr(text)))
    };
    listener(comment);
    0
}
