//! The server's side of SCRAM.

use subtle::ConstantTimeEq;

use crate::{
    ChannelBinding, Limits, Mechanism, SaslError, prepare,
    scram::{
        keys::{ScramKeys, hash, hmac},
        message::{BindingFlag, ClientFinal, ClientFirst, ServerFinal, ServerFirst},
        nonce,
    },
};

/// After the client's first message: who wants in.
#[derive(Debug)]
pub(crate) struct Begun {
    first: ClientFirst,
    user: String,
    nonce: String,
    binding: ChannelBinding,
}

/// After the server's first message: what the client's proof will be checked against.
#[derive(Debug)]
pub(crate) struct Challenged {
    begun: Begun,
    keys: ScramKeys,
    server_first: String,
}

/// A client that proved itself.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) user: String,
    pub(crate) authorization: Option<String>,
    pub(crate) message: Vec<u8>,
}

impl Begun {
    /// Reads the client's first message and makes the nonce.
    pub(crate) fn new(
        mechanism: Mechanism,
        binding: ChannelBinding,
        message: &str,
        limits: &Limits,
    ) -> Result<Self, SaslError> {
        Self::with_nonce(mechanism, binding, message, limits, &nonce()?)
    }

    /// As [`Begun::new`], with the server's part of the nonce given.
    pub(crate) fn with_nonce(
        mechanism: Mechanism,
        binding: ChannelBinding,
        message: &str,
        limits: &Limits,
        server_nonce: &str,
    ) -> Result<Self, SaslError> {
        let first = ClientFirst::parse(message)?;
        check_flag(mechanism, &binding, &first.flag)?;
        if first.user.len().max(first.authorization.as_ref().map_or(0, String::len)) > limits.name_bytes_max {
            return Err(SaslError::TooLong);
        }
        // RFC 5802 §5.1: the server prepares the name again; one it must not refuse is left as it is.
        let user = prepare(&first.user).map_or_else(|| first.user.clone(), |prepared| prepared.into_owned());
        let nonce = format!("{}{server_nonce}", first.nonce);
        Ok(Self { first, user, nonce, binding })
    }

    /// The user whose keys are wanted.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Goes on with the user's keys.
    pub(crate) fn challenge(self, keys: ScramKeys) -> Challenged {
        let first =
            ServerFirst { nonce: self.nonce.clone(), salt: keys.salt().to_vec(), iterations: keys.iterations() };
        Challenged { server_first: first.encode(), begun: self, keys }
    }
}

impl Challenged {
    /// The server's first message.
    pub(crate) fn message(&self) -> &str {
        &self.server_first
    }

    /// Checks the client's final message.
    pub(crate) fn verify(self, message: &str) -> Result<Proven, SaslError> {
        let last = ClientFinal::parse(message)?;
        let Begun { first, user, nonce, binding } = self.begun;
        // RFC 5802 §5.1, `r`: anything but the nonce we sent ends the exchange.
        if last.nonce != nonce {
            return Err(SaslError::Malformed("another nonce"));
        }
        let mut expected = first.header.clone().into_bytes();
        if let (BindingFlag::Bound(_), Some(data)) = (&first.flag, binding.data()) {
            expected.extend_from_slice(data);
        }
        if !bool::from(last.binding.ct_eq(&expected)) {
            return Err(SaslError::ChannelBinding("the client is on another connection"));
        }
        let signed = [&first.bare, ",", &self.server_first, ",", &last.without_proof].map(str::as_bytes);
        let signature = hmac(self.keys.stored_key(), &signed);
        let client_key = xor(&last.proof, &signature).ok_or(SaslError::Malformed("the length of the proof"))?;
        if !bool::from(hash(&client_key).ct_eq(self.keys.stored_key())) {
            return Err(SaslError::Failed);
        }
        let message = ServerFinal::encode_verifier(&hmac(self.keys.server_key(), &signed));
        Ok(Proven { user, authorization: first.authorization, message: message.into_bytes() })
    }
}

/// RFC 5802 §6: which flags go with which mechanism, and that a client that was lied to is refused.
fn check_flag(mechanism: Mechanism, binding: &ChannelBinding, flag: &BindingFlag) -> Result<(), SaslError> {
    let have_data = binding.data().is_some();
    match flag {
        BindingFlag::Bound(_) if !mechanism.binds_channel() => {
            Err(SaslError::ChannelBinding("a bound login under the unbound name"))
        }
        BindingFlag::Bound(name) if name != ChannelBinding::TLS_EXPORTER => {
            Err(SaslError::ChannelBinding("an unsupported binding type"))
        }
        BindingFlag::Bound(_) if have_data => Ok(()),
        BindingFlag::Bound(_) => Err(SaslError::BindingMissing),
        _ if mechanism.binds_channel() => Err(SaslError::ChannelBinding("an unbound login under the bound name")),
        BindingFlag::ServerLacksIt if have_data => {
            Err(SaslError::ChannelBinding("the client was told that there is none"))
        }
        BindingFlag::ServerLacksIt | BindingFlag::Unsupported => Ok(()),
    }
}

/// The bytewise XOR, unless the lengths differ.
pub(crate) fn xor(left: &[u8], right: &[u8; 32]) -> Option<[u8; 32]> {
    let mut result: [u8; 32] = left.try_into().ok()?;
    result.iter_mut().zip(right).for_each(|(byte, other)| *byte ^= other);
    Some(result)
}
