//! Redeeming a code or a refresh token: what RFC 6749 sections 4.1.3 and 6 let a server refuse.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{Grants, Issued};
use crate::{
    Behaviour, PkceMode, RefreshTokenPolicy,
    clock::{Millis, millis},
};

/// Why the token endpoint refuses (RFC 6749 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl Refusal {
    pub(crate) const fn invalid_request(description: &'static str) -> Self {
        Self { error: "invalid_request", description }
    }

    pub(crate) const fn invalid_grant(description: &'static str) -> Self {
        Self { error: "invalid_grant", description }
    }

    pub(crate) const fn invalid_client(description: &'static str) -> Self {
        Self { error: "invalid_client", description }
    }
}

impl Grants {
    /// The authorization code grant.
    pub(crate) fn redeem_code(
        &mut self,
        text: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        behaviour: &Behaviour,
        now: Millis,
    ) -> Result<Issued, Refusal> {
        let Some(code) = self.codes.get(text).cloned() else {
            return Err(Refusal::invalid_grant("the code is unknown"));
        };
        if let Some(family) = code.spent_on {
            self.end_family(family);
            return Err(Refusal::invalid_grant("the code has been used before"));
        }
        if now >= code.expires_at {
            return Err(Refusal::invalid_grant("the code has expired"));
        }
        if code.redirect_uri != redirect_uri {
            return Err(Refusal::invalid_grant("redirect_uri is not that of the authorization request"));
        }
        if behaviour.pkce == PkceMode::Verify {
            verify(code.challenge.as_deref(), verifier)?;
        }
        let with_refresh_token = match behaviour.issue_refresh_token {
            RefreshTokenPolicy::Never => false,
            RefreshTokenPolicy::Always => true,
            RefreshTokenPolicy::WhenOfflineAccess => {
                code.scopes.iter().any(|scope| scope == "offline_access")
            }
        };
        let family = self.begin_family(code.user_id, false, code.scopes, now);
        if let Some(code) = self.codes.get_mut(text) {
            code.spent_on = Some(family);
        }
        let lifetime = behaviour.access_token_lifetime;
        Ok(self.issue(family, lifetime, with_refresh_token, behaviour, now))
    }

    /// The refresh token grant. `confidential` tells whether the client has proven its secret;
    /// without that, only an anonymous user's token may be refreshed.
    pub(crate) fn redeem_refresh(
        &mut self,
        text: &str,
        scope: Option<&str>,
        confidential: bool,
        behaviour: &Behaviour,
        now: Millis,
    ) -> Result<Issued, Refusal> {
        let Some(token) = self.refresh.get_mut(text) else {
            return Err(if confidential {
                Refusal::invalid_grant("the refresh token is unknown")
            } else {
                Refusal::invalid_client("client authentication is missing")
            });
        };
        let id = token.family;
        let Some(family) = self.families.get(&id) else {
            return Err(Refusal::invalid_grant("the grant is unknown"));
        };
        if !confidential && !family.anonymous {
            return Err(Refusal::invalid_client("client authentication is missing"));
        }
        if !family.refreshable {
            return Err(Refusal::invalid_grant("the grant has been revoked"));
        }
        if let Some(retired) = token.retired_at
            && now - retired >= millis(behaviour.reuse_grace)
        {
            if behaviour.reuse_detection {
                self.end_family(id);
                return Err(Refusal::invalid_grant(
                    "the refresh token was used before; the grant has been revoked",
                ));
            }
            return Err(Refusal::invalid_grant("the refresh token was used before"));
        }
        if now - token.used_last >= millis(behaviour.refresh_token_lifetime) {
            return Err(Refusal::invalid_grant("the refresh token has expired"));
        }
        if family.anonymous && now - family.last_call >= millis(behaviour.anonymous_idle) {
            return Err(Refusal::invalid_grant("the anonymous user was deleted"));
        }
        let beyond = |scope: &str| {
            scope
                .split([' ', ','])
                .any(|one| !one.is_empty() && !family.scopes.iter().any(|known| known == one))
        };
        if scope.is_some_and(beyond) {
            return Err(Refusal {
                error: "invalid_scope",
                description: "scope goes beyond what was granted",
            });
        }

        let lifetime = match family.anonymous {
            true => behaviour.anonymous_lifetime(true),
            false => behaviour.access_token_lifetime,
        };
        token.used_last = now;
        if behaviour.rotate_refresh_tokens {
            token.retired_at = token.retired_at.or(Some(now));
        }
        if behaviour.refresh_kills_old_access_token {
            self.kill_family_access(id);
        }
        let mut issued = self.issue(id, lifetime, behaviour.rotate_refresh_tokens, behaviour, now);
        if !behaviour.rotate_refresh_tokens && behaviour.repeat_unrotated_refresh_token {
            issued.refresh_token = Some(text.to_owned());
        }
        Ok(issued)
    }
}

/// RFC 7636 section 4.6, and RFC 9700 section 4.8.2 on a verifier that nobody asked for.
fn verify(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Refusal> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            Err(Refusal::invalid_grant("code_verifier was sent for a code without a challenge"))
        }
        (Some(_), None) => Err(Refusal::invalid_grant("code_verifier is missing")),
        (Some(challenge), Some(verifier)) => {
            let well_formed = (43..=128).contains(&verifier.len())
                && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            if well_formed && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge {
                Ok(())
            } else {
                Err(Refusal::invalid_grant("code_verifier does not match"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::verify;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_verifies() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        verify(challenge, verifier).unwrap();
        assert!(verify(challenge, challenge).is_err());
        assert!(verify(challenge, None).is_err());
        assert!(verify(None, verifier).is_err());
    }
}
