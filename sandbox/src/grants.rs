//! What has been granted: codes, access tokens, refresh tokens, and the grants they belong to.
//!
//! All tokens that descend from one decision of a user form a [`Family`], so that a reused code
//! or refresh token can end them together (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).

mod redeem;

use std::{collections::HashMap, time::Duration};

use rand::distr::{Alphanumeric, SampleString};

use crate::{
    Behaviour,
    clock::{Millis, millis},
};
pub(crate) use redeem::Refusal;

/// Beyond this many access tokens the dead ones are forgotten.
const PRUNE_AT: usize = 100_000;
const TOKEN_LENGTH: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    families: HashMap<u64, Family>,
    next_family: u64,
    anonymous_created: usize,
}

/// An authorization code and what it was issued for.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) user_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) expires_at: Millis,
    /// The family that was issued for it, once it is spent.
    pub(crate) spent_on: Option<u64>,
}

#[derive(Debug)]
struct Access {
    family: u64,
    /// Which one of its family it is, counted from 1.
    serial: u64,
    issued_at: Millis,
    lifetime: Millis,
    expires_at: Millis,
    killed: bool,
}

#[derive(Debug)]
struct Refresh {
    family: u64,
    used_last: Millis,
    retired_at: Option<Millis>,
}

#[derive(Debug)]
struct Family {
    user_id: String,
    anonymous: bool,
    scopes: Vec<String>,
    refreshable: bool,
    /// Whether a refresh token was ever issued.
    has_refresh_token: bool,
    last_call: Millis,
    access: Vec<String>,
    /// Access tokens issued so far.
    issued: u64,
}

/// What a token answer tells.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) user_id: String,
    pub(crate) access_token: String,
    pub(crate) expires_in: Duration,
    pub(crate) scopes: Vec<String>,
    pub(crate) refresh_token: Option<String>,
}

/// Whose token a request carries.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) user_id: String,
    pub(crate) anonymous: bool,
    pub(crate) scopes: Vec<String>,
    /// Which access token of its grant this is, counted from 1.
    pub(crate) token_serial: u64,
    pub(crate) token_issued_at: Millis,
    pub(crate) token_expires_at: Millis,
}

/// Why the API does not take a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BearerError {
    /// It was never issued, or has been killed.
    NotFound,
    /// Its time is up.
    Expired,
}

impl Grants {
    pub(crate) fn issue_code(&mut self, code: Code) -> String {
        let text = opaque("CODE_MARK_");
        self.codes.insert(text.clone(), code);
        text
    }

    /// Creates an anonymous user with tokens of their own.
    pub(crate) fn create_anonymous(
        &mut self,
        lifetime: Duration,
        with_refresh_token: bool,
        behaviour: &Behaviour,
        now: Millis,
    ) -> Issued {
        self.anonymous_created += 1;
        let user_id = format!("anonymous-{}", Alphanumeric.sample_string(&mut rand::rng(), 24));
        let family = self.begin_family(user_id, true, Vec::new(), now);
        self.issue(family, lifetime, with_refresh_token, behaviour, now)
    }

    pub(crate) fn anonymous_created(&self) -> usize {
        self.anonymous_created
    }

    /// Checks a bearer token, and counts the call as activity of an anonymous user.
    pub(crate) fn bearer(
        &mut self,
        token: &str,
        anonymous_idle: Duration,
        extends: bool,
        now: Millis,
    ) -> Result<Owner, BearerError> {
        let access = self.access.get_mut(token).ok_or(BearerError::NotFound)?;
        if access.killed {
            return Err(BearerError::NotFound);
        }
        let family = self.families.get_mut(&access.family).ok_or(BearerError::NotFound)?;
        if family.anonymous && now - family.last_call >= millis(anonymous_idle) {
            return Err(BearerError::NotFound);
        }
        if now >= access.expires_at {
            return Err(BearerError::Expired);
        }
        family.last_call = now;
        if family.anonymous && !family.has_refresh_token && extends {
            access.expires_at = access.expires_at.max(now.saturating_add(access.lifetime));
        }
        Ok(Owner {
            user_id: family.user_id.clone(),
            anonymous: family.anonymous,
            scopes: family.scopes.clone(),
            token_serial: access.serial,
            token_issued_at: access.issued_at,
            token_expires_at: access.expires_at,
        })
    }

    /// From now on the API answers `auth.tokenExpired` to every token issued so far.
    pub(crate) fn expire_access(&mut self, now: Millis) {
        for access in self.access.values_mut() {
            access.expires_at = access.expires_at.min(now);
        }
    }

    /// Kills one access token; answers whether it was known.
    pub(crate) fn kill_access(&mut self, token: &str) -> bool {
        match self.access.get_mut(token) {
            Some(access) => {
                access.killed = true;
                true
            }
            None => false,
        }
    }

    pub(crate) fn kill_all_access(&mut self) {
        for access in self.access.values_mut() {
            access.killed = true;
        }
    }

    /// No refresh token issued so far is good any more; access tokens live on.
    pub(crate) fn kill_all_refresh(&mut self) {
        for family in self.families.values_mut() {
            family.refreshable = false;
        }
    }

    /// Ends everything a user has granted.
    pub(crate) fn revoke_user(&mut self, user_id: &str) {
        let families: Vec<u64> =
            self.families.iter().filter(|(_, family)| family.user_id == user_id).map(|(id, _)| *id).collect();
        for family in families {
            self.end_family(family);
        }
        self.codes.retain(|_, code| code.user_id != user_id);
    }

    /// Every code, access token and refresh token that is remembered, dead ones included.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.codes.keys().chain(self.access.keys()).chain(self.refresh.keys()).cloned().collect()
    }

    fn begin_family(&mut self, user_id: String, anonymous: bool, scopes: Vec<String>, now: Millis) -> u64 {
        let id = self.next_family;
        self.next_family += 1;
        self.families.insert(
            id,
            Family {
                user_id,
                anonymous,
                scopes,
                refreshable: true,
                has_refresh_token: false,
                last_call: now,
                access: Vec::new(),
                issued: 0,
            },
        );
        id
    }

    fn end_family(&mut self, id: u64) {
        if let Some(family) = self.families.get_mut(&id) {
            family.refreshable = false;
        }
        self.kill_family_access(id);
    }

    fn kill_family_access(&mut self, id: u64) {
        let Some(family) = self.families.get_mut(&id) else {
            return;
        };
        for token in family.access.drain(..) {
            if let Some(access) = self.access.get_mut(&token) {
                access.killed = true;
            }
        }
    }

    /// Issues an access token, and a refresh token where wanted, in a family that exists.
    fn issue(
        &mut self,
        family_id: u64,
        lifetime: Duration,
        with_refresh_token: bool,
        behaviour: &Behaviour,
        now: Millis,
    ) -> Issued {
        self.prune(now);
        let access_token = match &behaviour.access_token_text {
            Some(text) => format!("{text}{}", Alphanumeric.sample_string(&mut rand::rng(), 16)),
            None => opaque("AT_MARK_"),
        };
        let refresh_token = with_refresh_token.then(|| opaque("RT_MARK_"));
        if let Some(token) = &refresh_token {
            self.refresh
                .insert(token.clone(), Refresh { family: family_id, used_last: now, retired_at: None });
        }
        let (user_id, scopes, serial) = match self.families.get_mut(&family_id) {
            Some(family) => {
                family.access.push(access_token.clone());
                family.issued += 1;
                family.has_refresh_token |= refresh_token.is_some();
                (family.user_id.clone(), family.scopes.clone(), family.issued)
            }
            None => Default::default(),
        };
        let expires_at = now.saturating_add(millis(lifetime));
        let access = Access {
            family: family_id,
            serial,
            issued_at: now,
            lifetime: millis(lifetime),
            expires_at,
            killed: false,
        };
        self.access.insert(access_token.clone(), access);
        Issued { user_id, access_token, expires_in: lifetime, scopes, refresh_token }
    }

    fn prune(&mut self, now: Millis) {
        if self.access.len() < PRUNE_AT {
            return;
        }
        self.access.retain(|_, access| !access.killed && access.expires_at > now);
        self.codes.retain(|_, code| code.spent_on.is_none() && code.expires_at > now);
        let Self { families, access, .. } = self;
        for family in families.values_mut() {
            family.access.retain(|token| access.contains_key(token));
        }
    }
}

/// An opaque text of 64 characters that begins with `mark`, so that a test can prove where it
/// did not go.
fn opaque(mark: &str) -> String {
    let mut text = mark.to_owned();
    Alphanumeric.append_string(&mut rand::rng(), &mut text, TOKEN_LENGTH - mark.len());
    text
}
