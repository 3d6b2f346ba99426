//! Tokens, devices and browsers against a server that answers as its test says.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::https::{
    HttpsClient, HttpsOptions,
    stub::{Answer, Stub},
};

const NAMES: [&str; 1] = ["login.example"];

fn json(status: &'static str, body: &str) -> Answer {
    (status, String::from("Content-Type: application/json\r\n"), body.to_owned())
}

fn server() -> AuthorizationServer {
    AuthorizationServer {
        issuer: Some(String::from("https://login.example")),
        token_endpoint: "https://login.example/token".parse().unwrap(),
        authorization_endpoint: Some("https://login.example/authorize".parse().unwrap()),
        device_endpoint: Some("https://login.example/device".parse().unwrap()),
    }
}

fn client() -> ClientIdentity {
    ClientIdentity { id: String::from("us"), secret: Some(Password::new("s3cret")) }
}

/// A credential file whose access token ends so many seconds from now.
fn credential(folder: &Path, seconds: u64) -> CredentialFile {
    let file = CredentialFile::at(folder.join("alice.oauth2"));
    let granted = Granted {
        access_token: Password::new("old"),
        refresh_token: Some(Password::new("refresh-0")),
        expires_in: Some(seconds),
    };
    file.write(&StoredCredential::new(&server(), client(), String::from("mail"), granted)).unwrap();
    file
}

/// A server that takes each refresh token once and hands out the next.
async fn rotating() -> Stub {
    let number = AtomicU64::new(0);
    Stub::start(&NAMES, move |_, _, body| {
        let next = number.load(Ordering::Relaxed);
        if !body.contains(&format!("refresh_token=refresh-{next}&")) {
            return json("400 Bad Request", r#"{"error":"invalid_grant"}"#);
        }
        let next = number.fetch_add(1, Ordering::Relaxed) + 1;
        let body = format!(
            r#"{{"access_token":"access-{next}","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-{next}"}}"#
        );
        json("200 OK", &body)
    })
    .await
}

#[tokio::test]
async fn a_token_is_used_until_it_ends_or_is_refused_and_the_next_refresh_token_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let stub = rotating().await;
    let file = credential(folder.path(), 3600);
    let tokens = Tokens::kept_with(file.clone(), stub.options(&NAMES));
    let old = tokens.access().await.unwrap();
    assert_eq!((old.expose(), stub.asked().len()), ("old", 0));
    let renewed = tokens.renew(&old).await.unwrap().unwrap();
    assert_eq!(renewed.expose(), "access-1");
    let form = "grant_type=refresh_token&refresh_token=refresh-0&client_id=us&client_secret=s3cret";
    assert_eq!(stub.asked().last().unwrap().1, form);
    // Somebody else who was refused with the old one gets what is there already.
    assert_eq!(tokens.renew(&old).await.unwrap().unwrap().expose(), "access-1");
    assert_eq!(Tokens::kept_with(file.clone(), stub.options(&NAMES)).access().await.unwrap().expose(), "access-1");
    assert_eq!(stub.asked().len(), 1);
    assert_eq!(file.read().unwrap().refresh_token().unwrap().expose(), "refresh-1");
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn two_that_need_a_token_at_once_cost_one_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let stub = rotating().await;
    let file = credential(folder.path(), 0);
    let (one, other) =
        (Tokens::kept_with(file.clone(), stub.options(&NAMES)), Tokens::kept_with(file, stub.options(&NAMES)));
    let (one, other) = tokio::join!(one.access(), other.access());
    assert_eq!((one.unwrap().expose(), other.unwrap().expose()), ("access-1", "access-1"));
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn a_withdrawn_authorization_says_so_and_leaves_the_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(&NAMES, |_, _, _| json("400 Bad Request", r#"{"error":"invalid_grant"}"#)).await;
    let file = credential(folder.path(), 0);
    let before = fs::read(file.path()).unwrap();
    let error = Tokens::kept_with(file.clone(), stub.options(&NAMES)).access().await.unwrap_err();
    assert!(error.hint().unwrap().contains("postrider pull authorize"), "{error}");
    assert_eq!(fs::read(file.path()).unwrap(), before);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the file and its lock: {names:?}");
    let given = Tokens::given(Password::new("t"));
    assert_eq!(given.access().await.unwrap().expose(), "t");
    assert_eq!(given.renew(&Password::new("t")).await.unwrap(), None);
}

#[test]
fn a_file_that_others_can_read_or_that_is_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = credential(folder.path(), 60);
    let stored = file.read().unwrap();
    assert!(!format!("{stored:?}").contains("refresh-0"));
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = file.read().unwrap_err();
        assert!(error.hint().unwrap().contains("chmod 600"), "{error}");
        assert!(file.write(&stored).is_err());
    }
    let other = folder.path().join("other");
    fs::write(&other, "{\"access_token\":\"hunter2\"}").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let error = CredentialFile::at(&other).write(&stored).unwrap_err();
    assert!(matches!(&error, OAuthError::NotACredential { .. }) && !error.to_string().contains("hunter2"), "{error}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "{\"access_token\":\"hunter2\"}");
}

#[tokio::test]
async fn the_authority_of_the_file_judges_the_token_server() {
    let folder = tempfile::tempdir().unwrap();
    let stub = rotating().await;
    let file = credential(folder.path(), 0);
    let places = stub.options(&NAMES).places;
    let options = HttpsOptions { places, ..HttpsOptions::default() };
    assert!(Tokens::kept_with(file.clone(), options.clone()).access().await.is_err());
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, &stub.authority).unwrap();
    let mut stored = file.read().unwrap();
    stored.ca_file = Some(ca_file);
    file.write(&stored).unwrap();
    assert_eq!(Tokens::kept_with(file, options).access().await.unwrap().expose(), "access-1");
}

#[tokio::test]
async fn a_code_is_asked_for_until_the_person_has_agreed() {
    let asked = AtomicU64::new(0);
    let stub = Stub::start(&NAMES, move |_, line, body| {
        if line.contains("/device") {
            assert_eq!(body, "client_id=us&client_secret=s3cret&scope=mail%20offline");
            return json(
                "200 OK",
                r#"{"device_code":"dev","user_code":"WDJB-MJHT","verification_uri":"https://login.example/d","interval":0}"#,
            );
        }
        assert!(body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=dev&"));
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => json("400 Bad Request", r#"{"error":"authorization_pending"}"#),
            _ => json("200 OK", r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r"}"#),
        }
    })
    .await;
    let https = HttpsClient::new(stub.options(&NAMES));
    let request = begin_device(&https, &server(), &client(), "mail offline").await.unwrap();
    assert_eq!(request.user_code, "WDJB-MJHT");
    let granted = request.wait(&https, &server(), &client()).await.unwrap();
    assert_eq!((granted.access_token.expose(), stub.asked().len()), ("a", 4));
}

#[tokio::test]
async fn a_provider_without_codes_or_that_refuses_says_so() {
    let stub = Stub::start(&NAMES, |_, _, _| json("401 Unauthorized", r#"{"error":"invalid_client"}"#)).await;
    let https = HttpsClient::new(stub.options(&NAMES));
    let error = begin_device(&https, &server(), &client(), "mail").await.unwrap_err();
    assert!(error.to_string().contains("invalid_client"), "{error}");
    let without = AuthorizationServer { device_endpoint: None, ..server() };
    assert!(matches!(begin_device(&https, &without, &client(), "").await, Err(OAuthError::NoSuchWay(_))));
}

/// What a browser does that is led back.
async fn come_back(redirect_uri: &str, query: &str) -> String {
    let place = redirect_uri.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(place).await.unwrap();
    stream.write_all(format!("GET /?{query} HTTP/1.1\r\nHost: {place}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_browser_brings_a_code_back_and_strangers_are_passed_over() {
    let stub = Stub::start(&NAMES, |_, _, body| {
        assert!(body.contains("&code=the%2Fcode&") && body.contains("&code_verifier="), "{body}");
        json("200 OK", r#"{"access_token":"a","token_type":"Bearer"}"#)
    })
    .await;
    let https = HttpsClient::new(stub.options(&NAMES));
    let request = begin_code(&server(), &client(), "mail", &CodeOptions::default()).await.unwrap();
    let redirect_uri = request.redirect_uri.clone();
    let state = request.address.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let browser = async {
        // A connection that says nothing, as browsers open them in advance, and somebody else's answer.
        let place = redirect_uri.strip_prefix("http://").unwrap().trim_end_matches('/');
        let _idle = TcpStream::connect(place).await.unwrap();
        come_back(&redirect_uri, "code=evil&state=guessed").await;
        come_back(&redirect_uri, &format!("code=the%2Fcode&state={state}")).await
    };
    let (server, client) = (server(), client());
    let waiting = request.wait(&https, &server, &client, std::future::pending());
    let (granted, page) = tokio::join!(waiting, browser);
    assert_eq!(granted.unwrap().access_token.expose(), "a");
    assert!(page.starts_with("HTTP/1.1 200") && !page.contains("the%2Fcode"));
}

#[tokio::test]
async fn the_address_where_a_browser_ended_can_be_pasted() {
    let stub = Stub::start(&NAMES, |_, _, _| json("200 OK", r#"{"access_token":"a","token_type":"Bearer"}"#)).await;
    let https = HttpsClient::new(stub.options(&NAMES));
    let begin = || async { begin_code(&server(), &client(), "mail", &CodeOptions::default()).await.unwrap() };
    let request = begin().await;
    let state = request.address.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let pasted = format!("{}?code=c&state={state}#\n", request.redirect_uri);
    let granted = request.wait(&https, &server(), &client(), async { pasted }).await;
    assert_eq!(granted.unwrap().access_token.expose(), "a");
    let pasted = async { String::from("http://x/?code=c&state=y") };
    let refused = begin().await.wait(&https, &server(), &client(), pasted).await;
    assert!(matches!(refused, Err(OAuthError::Answer(_))));
}

#[tokio::test]
async fn a_server_tells_of_itself_in_the_old_place_too() {
    let stub = Stub::start(&NAMES, |_, line, _| match line.contains("openid-configuration") {
        false => json("404 Not Found", ""),
        true => json("200 OK", r#"{"issuer":"https://login.example","token_endpoint":"https://login.example/t"}"#),
    })
    .await;
    let https = HttpsClient::new(stub.options(&NAMES));
    let server = fetch_metadata(&https, "https://login.example").await.unwrap();
    assert_eq!(server.token_endpoint.to_string(), "https://login.example/t");
    assert_eq!(stub.asked().len(), 2);
}
