//! LANG.

use postrider_pop3_proto::{self as proto, encode_end, encode_line, encode_ok};

use crate::{
    language::Language,
    session::{Answer, Session, Stream},
    text::Text,
};

impl<S: Stream> Session<S> {
    /// LANG (RFC 6856 §3.2).
    pub(crate) fn lang(&mut self, wish: proto::Language) -> Answer {
        let language = match wish {
            proto::Language::List => {
                self.list_languages();
                return Ok(());
            }
            proto::Language::Preferred => self.service.options.language,
            proto::Language::Range(range) => Language::find(&range).ok_or(Text::LanguageUnknown)?,
        };
        self.language = language;
        let text = Text::LanguageChanged.in_language(language);
        encode_ok(&mut self.out, None, &format!("{} {text}", language.tag()));
        Ok(())
    }

    fn list_languages(&mut self) {
        self.ok(Text::LanguageListing);
        for language in Language::ALL {
            encode_line(&mut self.out, &format!("{} {}", language.tag(), language.name()));
        }
        encode_end(&mut self.out);
    }
}
