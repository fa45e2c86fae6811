//! The lock of `single_flight.rs`. Named apart from the standard library, so that a concurrency
//! tester can take that file and put a lock of its own here: `tests/model/single_flight.rs`.

pub(super) use std::sync::{Mutex, PoisonError};
