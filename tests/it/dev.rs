//! `whisk-bff dev` and its sample page, seen by a newcomer with a browser.
//!
//! Requirements: R8, R10, R12, R18, R28, R38, R39, R46, R47, R48, R51, R52, R53, R112, W20, W25, W26.

#![cfg(feature = "dev")]

mod page;
mod program;
mod start;
mod visitor;
