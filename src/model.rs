//! The words of the product, free of any neighbour.
//!
//! Names are those of RFC 6749 (OAuth 2.0), RFC 7636 (PKCE) and RFC 10017 (OAuth 2.0 for
//! browser-based applications). Values that grant access are types that cannot be printed.

mod identifiers;
mod rate;
mod return_to;
mod scopes;
mod text;
mod timestamp;
mod tokens;
mod visitor;

pub use identifiers::{Digest, Generation, Principal, SessionId};
pub use rate::Rate;
pub use return_to::{InvalidReturnTo, ReturnTo};
pub use scopes::Scopes;
pub use text::{push_address, push_number, push_thousandths};
pub use timestamp::Timestamp;
pub use tokens::{AccessToken, InvalidToken, RefreshToken, Secret, TokenSet};
pub use visitor::{Visitor, VisitorId};
