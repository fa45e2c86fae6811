//! `/auth/*`: how a browser's session begins, is asked about, and ends.

pub mod anonymous;
pub mod callback;
mod fault_page;
pub mod login;
pub mod logout;
mod query;
pub mod session;
