//! A token endpoint that issues a new refresh token each time, and takes each of them once.

/// A refresh token: sixteenths of the numbers are the logins'.
pub(crate) type Token = u8;

/// What the server does when a token comes a second time (RFC 9700 section 4.14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// It is refused, and what was issued for it dies with it.
    Revokes,
    /// It is refused, and nothing more.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AuthorizationServer {
    /// The token of each login that is in force, if any is.
    current: [Option<Token>; 2],
    issued: [Token; 2],
    /// A request that is still under way, though nobody waits for its answer.
    pub(super) late: Option<Token>,
}

impl AuthorizationServer {
    pub(super) fn new() -> Self {
        let issued = [Self::first_of(0), Self::first_of(1)];
        Self { current: issued.map(Some), issued, late: None }
    }

    pub(super) fn first_of(login: Token) -> Token {
        login * 16
    }

    /// The refresh grant: a new token, or `invalid_grant`.
    pub(super) fn redeem(&mut self, token: Token, reuse: Reuse) -> Option<Token> {
        let login = usize::from(token / 16);
        if self.current[login] == Some(token) {
            self.issued[login] += 1;
            self.current[login] = Some(self.issued[login]);
        } else {
            if reuse == Reuse::Revokes {
                self.current[login] = None;
            }
            return None;
        }
        self.current[login]
    }

    pub(super) fn busy(&self) -> bool {
        self.late.is_some()
    }

    pub(super) fn accepts(&self, token: Token) -> bool {
        self.current.contains(&Some(token))
    }
}
