//! Tests of the store through its handle, on real files.
