//! The client's side of SCRAM.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    ChannelBinding, ClientCredentials, Limits, Mechanism, SaslError, prepare,
    scram::{
        keys::{hash, hmac, salted_password},
        message::{ClientFinal, ServerFinal, ServerFirst, encode_name},
        nonce,
        server::xor,
    },
};

/// After the client's first message.
#[derive(Debug)]
pub(crate) struct Begun {
    header: String,
    bare: String,
    nonce: String,
    binding: Vec<u8>,
}

/// After the client's final message: what the server must prove.
#[derive(Debug)]
pub(crate) struct Answered {
    verifier: [u8; 32],
    message: Vec<u8>,
}

impl Begun {
    /// Makes the first message.
    pub(crate) fn new(
        mechanism: Mechanism,
        credentials: &ClientCredentials,
        binding: &ChannelBinding,
    ) -> Result<Self, SaslError> {
        Self::with_nonce(mechanism, credentials, binding, nonce()?)
    }

    /// As [`Begun::new`], with the nonce given.
    pub(crate) fn with_nonce(
        mechanism: Mechanism,
        credentials: &ClientCredentials,
        binding: &ChannelBinding,
        nonce: String,
    ) -> Result<Self, SaslError> {
        // RFC 5802 §6: `y` tells the server that we could bind, and believe that it does not offer to.
        let flag = match (mechanism.binds_channel(), binding.data()) {
            (true, Some(_)) => format!("p={}", ChannelBinding::TLS_EXPORTER),
            (true, None) => return Err(SaslError::BindingMissing),
            (false, Some(_)) => "y".to_owned(),
            (false, None) => "n".to_owned(),
        };
        let authorization =
            credentials.authorization.as_deref().map(|name| format!("a={}", encode_name(name))).unwrap_or_default();
        let header = format!("{flag},{authorization},");
        let user = prepare(&credentials.user).unwrap_or(credentials.user.as_str().into());
        let bare = format!("n={},r={nonce}", encode_name(&user));
        let mut bound = header.clone().into_bytes();
        if let (true, Some(data)) = (mechanism.binds_channel(), binding.data()) {
            bound.extend_from_slice(data);
        }
        Ok(Self { header, bare, nonce, binding: bound })
    }

    /// The first message.
    pub(crate) fn message(&self) -> Vec<u8> {
        format!("{}{}", self.header, self.bare).into_bytes()
    }

    /// Answers the server's first message with the proof. This is the slow step.
    pub(crate) fn answer(
        self,
        challenge: &str,
        credentials: &ClientCredentials,
        limits: &Limits,
    ) -> Result<Answered, SaslError> {
        let first = ServerFirst::parse(challenge)?;
        // RFC 5802 §5.1, `r`: the server's nonce continues ours, or the exchange ends.
        if !first.nonce.starts_with(&self.nonce) || first.nonce.len() == self.nonce.len() {
            return Err(SaslError::Malformed("another nonce"));
        }
        if !(limits.iterations_min..=limits.iterations_max).contains(&first.iterations) {
            return Err(SaslError::Malformed("an iteration count outside the bounds"));
        }
        let salted = salted_password(&credentials.password, &first.salt, first.iterations);
        let client_key = Zeroizing::new(hmac(&*salted, &[b"Client Key"]));
        let server_key = Zeroizing::new(hmac(&*salted, &[b"Server Key"]));
        let without_proof = ClientFinal::encode_without_proof(&self.binding, &first.nonce);
        let signed = [&self.bare, ",", challenge, ",", &without_proof].map(str::as_bytes);
        let signature = hmac(&hash(&*client_key), &signed);
        let proof = xor(&*client_key, &signature).ok_or(SaslError::Malformed("the length of the proof"))?;
        let message = ClientFinal::encode(&without_proof, &proof).into_bytes();
        Ok(Answered { verifier: hmac(&*server_key, &signed), message })
    }
}

impl Answered {
    /// The final message.
    pub(crate) fn message(&self) -> Vec<u8> {
        self.message.clone()
    }

    /// Checks the server's final message.
    pub(crate) fn verify(self, challenge: &str) -> Result<(), SaslError> {
        match ServerFinal::parse(challenge)? {
            ServerFinal::Error(word) => Err(SaslError::Refused(word)),
            ServerFinal::Verifier(verifier) if bool::from(verifier.ct_eq(&self.verifier[..])) => Ok(()),
            ServerFinal::Verifier(_) => Err(SaslError::ServerUnproven),
        }
    }
}
