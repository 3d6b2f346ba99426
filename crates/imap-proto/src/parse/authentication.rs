//! Who is there: AUTHENTICATE, LOGIN, ID, ENABLE (RFC 9051 §6.2 and §6.3.1, RFC 4959, RFC 2971, RFC 5161).

use base64::Engine as _;

use super::parser::{Fault, Parse, Parser};
use crate::command::{CommandBody, Secret};

/// Base64 as SASL has it: padded, canonical.
pub(super) fn decode_base64(text: &[u8]) -> Parse<Vec<u8>> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| Fault::syntax("a SASL response is not valid base64"))
}

impl Parser<'_> {
    /// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`
    pub(super) fn authenticate(&mut self) -> Parse<CommandBody> {
        self.space()?;
        let mechanism = self.atom()?.to_ascii_uppercase();
        if self.only_spaces_left() {
            return Ok(CommandBody::Authenticate { mechanism, initial: None });
        }
        self.space()?;
        let text = self.take_while(|octet| octet != b' ');
        // RFC 4959 §3: "=" is an initial response of no octets.
        let initial = if text == b"=" { Vec::new() } else { decode_base64(text)? };
        Ok(CommandBody::Authenticate { mechanism, initial: Some(Secret(initial)) })
    }

    /// `login = "LOGIN" SP userid SP password`
    pub(super) fn login(&mut self) -> Parse<CommandBody> {
        self.space()?;
        let user = self.astring()?;
        self.space()?;
        let password = Secret(self.astring()?);
        Ok(CommandBody::Login { user, password })
    }

    /// `id = "ID" SP id-params-list`, which is `NIL` or pairs of string and nstring in parentheses
    pub(super) fn id(&mut self) -> Parse<CommandBody> {
        self.space()?;
        if self.eat_word("NIL") {
            return Ok(CommandBody::Id(None));
        }
        let pairs = self.list_or_empty(|parser| {
            let name = parser.string()?;
            parser.space()?;
            Ok((name, parser.nstring()?))
        })?;
        if pairs.len() > self.limits.id_pairs_max {
            return Err(Fault::too_many("ID has too many fields"));
        }
        Ok(CommandBody::Id(Some(pairs)))
    }

    /// `enable = "ENABLE" 1*(SP capability)`
    pub(super) fn enable(&mut self) -> Parse<CommandBody> {
        self.space()?;
        self.spaced(|parser| Ok(parser.atom()?.to_ascii_uppercase())).map(CommandBody::Enable)
    }
}
