//! What the server says to people, in each language.
//!
//! Texts are for eyes; programs read status, codes and numbers. A `{}` stands for a number.

use postrider_pop3_proto::ParseError;

use crate::language::Language;

macro_rules! texts {
    ($($name:ident: $english:literal, $german:literal;)*) => {
        /// A text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Text {
            $(#[doc = $english] $name,)*
        }

        impl Text {
            /// The text in a language.
            pub(crate) fn in_language(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::English) => $english, (Self::$name, Language::German) => $german,)*
                }
            }

            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

texts! {
    Greeting: "postrider at your service", "postrider, zu Diensten";
    Goodbye: "Goodbye", "Auf Wiedersehen";
    GoodbyeDeleted: "Goodbye, {} messages deleted", "Auf Wiedersehen, {} Nachrichten gelöscht";
    SendPassword: "Send your password", "Bitte das Passwort senden";
    LoggedIn: "{} messages ({} octets)", "{} Nachrichten ({} Oktette)";
    LoginFailed: "Authentication failed", "Anmeldung fehlgeschlagen";
    LoginThrottled: "Too many failed logins, try again later", "Zu viele fehlgeschlagene Anmeldungen, bitte später versuchen";
    LoginUnavailable: "Logging in is not possible now, try again later", "Anmelden ist gerade nicht möglich, bitte später versuchen";
    LoginTooSoon: "The last login was too short a time ago", "Die letzte Anmeldung ist zu kurze Zeit her";
    PrivacyRequired: "Plain passwords need an encrypted connection", "Passwörter im Klartext brauchen eine verschlüsselte Verbindung";
    UnknownMechanism: "No such mechanism", "Dieses Verfahren gibt es hier nicht";
    MalformedLogin: "Malformed authentication message", "Fehlerhafte Anmeldenachricht";
    LoginCancelled: "Authentication cancelled", "Anmeldung abgebrochen";
    UserFirst: "USER comes first", "Zuerst kommt USER";
    InUse: "Another session is using this maildrop", "Eine andere Sitzung benutzt dieses Postfach";
    MaildropUnavailable: "The maildrop cannot be opened now", "Das Postfach lässt sich gerade nicht öffnen";
    BeginTls: "Begin TLS negotiation", "TLS-Aushandlung beginnen";
    NoTls: "TLS is not available", "TLS ist nicht verfügbar";
    TlsActive: "TLS is active already", "TLS ist bereits aktiv";
    TlsAfterUtf8: "STLS comes before UTF8", "STLS kommt vor UTF8";
    Utf8Enabled: "UTF-8 mode", "UTF-8-Modus";
    LanguageListing: "Language listing follows", "Es folgen die Sprachen";
    LanguageChanged: "Language changed", "Sprache gewechselt";
    LanguageUnknown: "This language is not available", "Diese Sprache gibt es hier nicht";
    ListingFollows: "{} messages ({} octets)", "{} Nachrichten ({} Oktette)";
    UniqueIdsFollow: "Unique-id listing follows", "Es folgen die eindeutigen Kennungen";
    NoMessage: "No such message", "Diese Nachricht gibt es nicht";
    MessageDeleted: "The message is marked as deleted", "Die Nachricht ist als gelöscht markiert";
    MessageGone: "The message was removed by another program", "Ein anderes Programm hat die Nachricht entfernt";
    MessageNeedsUtf8: "The message needs UTF-8 mode", "Die Nachricht braucht den UTF-8-Modus";
    MessageFollows: "{} octets", "{} Oktette";
    TopFollows: "Top of message follows", "Es folgt der Anfang der Nachricht";
    Deleted: "Message {} marked as deleted", "Nachricht {} als gelöscht markiert";
    Reset: "{} messages ({} octets)", "{} Nachrichten ({} Oktette)";
    Done: "Done", "Erledigt";
    NotDeleted: "Nothing was deleted: the store failed", "Nichts wurde gelöscht: der Speicher versagte";
    StoreFailed: "The store failed, try again later", "Der Speicher versagte, bitte später versuchen";
    LoginFirst: "Log in first", "Zuerst anmelden";
    LoggedInAlready: "You are logged in already", "Die Anmeldung ist schon erfolgt";
    LineTooLong: "The line is too long", "Die Zeile ist zu lang";
    UnknownCommand: "Unknown command", "Unbekannter Befehl";
    MissingArgument: "An argument is missing", "Ein Argument fehlt";
    UnexpectedArgument: "Too many arguments", "Zu viele Argumente";
    InvalidNumber: "Not a message number", "Keine Nachrichtennummer";
    InvalidLineCount: "Not a number of lines", "Keine Zeilenzahl";
    InvalidArgument: "Not a possible argument", "Kein mögliches Argument";
    NotUtf8: "Arguments must be text in UTF-8", "Argumente müssen Text in UTF-8 sein";
}

impl Text {
    /// The text with its numbers filled in.
    pub(crate) fn filled(self, language: Language, numbers: &[u64]) -> String {
        let mut pieces = self.in_language(language).split("{}");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for (piece, number) in pieces.zip(numbers) {
            text.push_str(&number.to_string());
            text.push_str(piece);
        }
        text
    }
}

impl From<ParseError> for Text {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::UnknownCommand => Self::UnknownCommand,
            ParseError::MissingArgument => Self::MissingArgument,
            ParseError::UnexpectedArgument => Self::UnexpectedArgument,
            ParseError::InvalidNumber => Self::InvalidNumber,
            ParseError::InvalidLineCount => Self::InvalidLineCount,
            ParseError::InvalidArgument => Self::InvalidArgument,
            ParseError::InvalidText => Self::NotUtf8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_the_language_wants_them() {
        assert_eq!(Text::LoggedIn.filled(Language::English, &[2, 320]), "2 messages (320 octets)");
        assert_eq!(Text::Deleted.filled(Language::German, &[7]), "Nachricht 7 als gelöscht markiert");
    }

    #[test]
    fn every_translation_takes_the_same_numbers_and_is_no_response_code() {
        for text in Text::ALL {
            let [english, german] = Language::ALL.map(|language| text.in_language(language));
            assert_eq!(english.matches("{}").count(), german.matches("{}").count(), "{english}");
            assert!(english.is_ascii() && !english.starts_with('[') && !german.starts_with('['), "{english}");
        }
    }
}
