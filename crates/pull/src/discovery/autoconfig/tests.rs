use proptest::prelude::*;

use super::*;

/// Has what the draft's own sample has, in words of our own.
const SAMPLE: &str = include_str!("sample.xml");

fn read(file: &str) -> Result<Autoconfig, AutoconfigError> {
    parse_autoconfig(file.as_bytes(), &AutoconfigLimits::default())
}

fn told(file: &str, address: &str) -> Told {
    read(file).unwrap().told(&address.parse().unwrap(), Source::Domain)
}

#[test]
fn a_file_is_read_with_everything_unknown_passed_over() {
    let told = told(SAMPLE, "fred@example.com");
    let servers: Vec<_> = told.servers.iter().map(|server| format!("{server} {}", server.user)).collect();
    assert_eq!(
        servers,
        [
            "imap imap.example.com:993 (TLS) fred@example.com",
            "pop3 pop.example.com:110 (STARTTLS) fred",
            "submission smtp.example.com:587 (STARTTLS) example.com/fred",
        ]
    );
    assert_eq!(
        told.servers[0].authentication,
        [Authentication::Other(String::from("GSSAPI")), Authentication::OAuth2, Authentication::Password]
    );
    assert!(told.servers[0].prefers_oauth() && !told.servers[1].prefers_oauth());
    assert_eq!(told.provider.as_deref(), Some("Example & Sons <Mail>"));
    let oauth = told.oauth.unwrap();
    assert_eq!(oauth.issuer.as_deref(), Some("login.example.com"));
    assert_eq!(oauth.authorization_endpoint.as_deref(), Some("https://login.example.com/auth"));
    assert_eq!(oauth.token_endpoint.as_deref(), Some("https://login.example.com/token"));
    assert_eq!(oauth.scope.as_deref(), Some("IMAP POP3 offline_access"));
    assert_eq!(oauth.client_id.as_deref(), Some("open"));
}

fn server(fields: &str) -> Vec<MailServer> {
    let file = format!(
        "<clientConfig><emailProvider><incomingServer type='imap'>{fields}</incomingServer></emailProvider></clientConfig>"
    );
    read(&file).unwrap().servers(&"a%EMAILDOMAIN%@example.com".parse().unwrap(), Source::Srv)
}

#[test]
fn only_complete_servers_with_tls_are_taken() {
    let good = "<hostname>i.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>";
    assert_eq!(server(good)[0].host, "i.example.com");
    assert_eq!(server(good)[0].user, "a%EMAILDOMAIN%@example.com");
    for wrong in [
        good.replace("SSL", "plain"),
        good.replace("993", "0"),
        good.replace("993", "99999"),
        good.replace("i.", "i/"),
        good.replace("i.%EMAILDOMAIN%", "192.0.2.1"),
        good.replace("<port>993</port>", ""),
        format!("{good}<username>a&#10;b</username>"),
    ] {
        assert_eq!(server(&wrong), [], "{wrong}");
    }
    let ways = |ways: &str| server(&format!("{good}<authentication>{ways}</authentication>"))[0].is_usable();
    assert!(ways("SCRAM-SHA-256-PLUS") && ways("OAuth2") && !ways("TLS-client-cert"));
}

#[test]
fn placeholders_are_filled_in_once() {
    let address = "%EMAILDOMAIN%@example.com".parse().unwrap();
    for (text, expected) in [
        ("%EMAILLOCALPART%", "%EMAILDOMAIN%"),
        ("%EMAILADDRESS%%", "%EMAILDOMAIN%@example.com%"),
        ("100%-%EMAILDOMAIN%", "100%-example.com"),
        ("%X%EMAILDOMAIN%", "%Xexample.com"),
    ] {
        assert_eq!(replaced(text, &address), expected, "{text}");
    }
}

#[test]
fn entities_and_what_is_no_configuration_are_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><clientConfig>&a;</clientConfig>";
    assert_eq!(read(bomb), Err(AutoconfigError::Unwanted("a document type")));
    assert!(matches!(read("<clientConfig>&a;</clientConfig>"), Err(AutoconfigError::Unwanted(_))));
    assert_eq!(read("<html><body/></html>"), Err(AutoconfigError::NotAConfiguration));
    assert_eq!(read(""), Err(AutoconfigError::NotAConfiguration));
    assert_eq!(read(&"<a>".repeat(99)), Err(AutoconfigError::TooLarge));
    assert_eq!(read(&" ".repeat(300_000)), Err(AutoconfigError::TooLarge));
    for broken in ["<clientConfig>", "<clientConfig></x>", "<clientConfig", "<a b></a>\u{1}</a>"] {
        assert!(matches!(read(broken), Err(AutoconfigError::NotXml(_))), "{broken}");
    }
    assert!(parse_autoconfig(b"<clientConfig>\xff</clientConfig>", &AutoconfigLimits::default()).is_err());
    let many =
        format!("<clientConfig><emailProvider>{}</emailProvider></clientConfig>", "<incomingServer/>".repeat(99));
    assert_eq!(read(&many).unwrap().servers.len(), 32);
}

/// XML that comes near to a configuration.
fn near() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<clientConfig>"),
        Just("<emailProvider id='x'>"),
        Just("<incomingServer type=\"imap\">"),
        Just("<incomingServer type='"),
        Just("<hostname>"),
        Just("</hostname>"),
        Just("imap.example.com"),
        Just("&#x41;"),
        Just("&#0;"),
        Just("&amp;"),
        Just("&"),
        Just("%EMAILADDRESS%"),
        Just("<port>993</port>"),
        Just("<socketType>SSL</socketType>"),
        Just("</incomingServer>"),
        Just("</emailProvider>"),
        Just("</clientConfig>"),
        Just("<![CDATA["),
        Just("]]>"),
        Just("<!--"),
        Just("-->"),
        Just("<?xml version='1.0'?>"),
        Just("\u{feff}"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(file in prop_oneof![near(), ".{0,60}".boxed()]) {
        if let Ok(config) = read(&file) {
            for server in config.servers(&"a@example.com".parse().unwrap(), Source::Srv) {
                prop_assert!(server.security != Security::Plain && server.remote().is_none_or(|remote| remote.port > 0));
            }
        }
    }

    #[test]
    fn a_sample_that_is_cut_or_damaged_does_no_harm(at in 0..SAMPLE.len(), octet in any::<u8>()) {
        let mut file = SAMPLE.as_bytes().to_vec();
        let _ = parse_autoconfig(&file[..at], &AutoconfigLimits::default());
        file[at] = octet;
        let _ = parse_autoconfig(&file, &AutoconfigLimits::default());
    }
}
