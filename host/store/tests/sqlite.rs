//! The embedded store, through the suite of every store, and what only it promises.

use postern_store::sqlite::{Options, Sqlite};

postern_store::conformance_tests!({
    let dir = tempfile::tempdir().expect("a directory");
    (
        Sqlite::open(dir.path(), Options::default()).expect("a new store"),
        dir,
    )
});
