//! The outside world that tests start: servers, clients, faults.

pub(crate) mod browser;
pub(crate) mod hooks;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod world;

pub(crate) use browser::{Answer, Browser, Call};
pub(crate) use world::World;
