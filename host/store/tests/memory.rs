//! The store in memory, through the suite of every store.

use postern_store::memory::Memory;

postern_store::conformance_tests!((Memory::new(), ()));
