//! What an error of the database is about.

/// Whether the database refused a value (a CHECK, a trigger somebody added), rather than failed to write.
pub(super) fn is_about_a_value(error: &sqlx::Error) -> bool {
    // SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH, https://www.sqlite.org/rescode.html
    matches!(primary_code(error), Some(18..=20))
}

/// Whether a statement failed by what it says, before anything was written: `SQLITE_ERROR`.
pub(super) fn is_refusal_of_a_statement(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(1)
}

pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED
    matches!(primary_code(error), Some(5 | 6))
}

/// Whether a transaction that was cut short has to be undone before the file can be read: `SQLITE_READONLY_ROLLBACK`.
pub(super) fn is_half_done(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some("776")
}

/// The primary result code: the low byte of what SQLite returned.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Whether SQLite says that this machine may not write, as it does on a replica of LiteFS: `SQLITE_IOERR_WRITE` in WAL
/// mode, `SQLITE_READONLY_DIRECTORY` with a rollback journal, `SQLITE_READONLY`.
pub(super) fn is_not_primary(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("778" | "1544" | "8"))
}
