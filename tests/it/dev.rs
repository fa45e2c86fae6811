//! `whisk-bff dev` and its sample page, seen by a newcomer with a browser.
//!
//! Requirements: R8, R10, R12, R18, R28, R38, R39, R46, R47, R48, R53, R112.

#![cfg(feature = "dev")]

mod page;
mod program;
mod start;
