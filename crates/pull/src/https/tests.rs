use super::{stub::Stub, *};
use crate::connect::Trust;

const NAMES: [&str; 2] = ["a.example", "b.example"];

fn plain(status: &'static str, body: &str) -> stub::Answer {
    (status, String::from("Content-Type: Text/Plain; charset=utf-8\r\n"), body.to_owned())
}

async fn get(stub: &Stub, url: &str, change: impl FnOnce(&mut HttpsOptions)) -> Result<HttpsResponse, HttpsError> {
    let mut options = stub.options(&NAMES);
    change(&mut options);
    HttpsClient::new(options).get(&url.parse().unwrap(), "text/plain").await
}

#[tokio::test]
async fn answers_are_followed_to_other_https_addresses_and_not_for_ever() {
    let stub = Stub::start(&NAMES, |host, line, _| {
        let to = |place: &str| ("302 Found", format!("Location: {place}\r\n"), String::new());
        match (host, line.split(' ').nth(1).unwrap()) {
            ("a.example", "/here?x=y") => plain("200 OK", "found"),
            ("a.example", "/elsewhere") => to("https://b.example/back"),
            ("b.example", "/back") => to("https://a.example/here?x=y"),
            ("a.example", "/path") => to("/here?x=y"),
            ("a.example", "/down") => to("http://a.example/here"),
            ("a.example", "/around") => to("/around"),
            _ => plain("404 Not Found", ""),
        }
    })
    .await;
    let found = get(&stub, "https://a.example/elsewhere", |_| {}).await.unwrap();
    assert_eq!((found.status, found.media_type.as_str(), found.body.as_slice()), (200, "text/plain", &b"found"[..]));
    assert_eq!(get(&stub, "https://a.example/path", |_| {}).await.unwrap().status, 200);
    assert_eq!(get(&stub, "https://a.example", |_| {}).await.unwrap().status, 404);
    assert!(matches!(get(&stub, "https://a.example/down", |_| {}).await, Err(HttpsError::Redirect { .. })));
    assert!(matches!(get(&stub, "https://a.example/around", |_| {}).await, Err(HttpsError::Redirect { .. })));
    let limited = get(&stub, "https://a.example/path", |options| options.redirects_max = 0).await;
    assert!(matches!(limited, Err(HttpsError::Redirect { .. })));
    let limited = get(&stub, "https://a.example/path", |options| options.body_bytes_max = 4).await;
    assert!(matches!(limited, Err(HttpsError::TooLong { bytes_max: 4, .. })));
}

#[tokio::test]
async fn a_form_with_secrets_goes_nowhere_else() {
    let stub = Stub::start(&NAMES, |_, _, _| {
        ("307 Temporary Redirect", String::from("Location: https://b.example/\r\n"), String::new())
    })
    .await;
    let client = HttpsClient::new(stub.options(&NAMES));
    let fields = [("a", "b c&d"), ("e", "ü=")];
    let answer = client.post_form(&"https://a.example/form".parse().unwrap(), &fields).await.unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(stub.asked(), [(String::from("POST /form HTTP/1.1"), String::from("a=b%20c%26d&e=%C3%BC%3D"))]);
}

#[tokio::test]
async fn a_certificate_of_nobody_or_for_another_name_is_not_believed() {
    let stub = Stub::start(&["a.example"], |_, _, _| plain("200 OK", "")).await;
    assert!(get(&stub, "https://a.example/", |_| {}).await.is_ok());
    let wrong_name = get(&stub, "https://b.example/", |_| {}).await;
    assert!(matches!(wrong_name, Err(HttpsError::Connect { .. })), "{wrong_name:?}");
    let other = Stub::start(&["a.example"], |_, _, _| plain("200 OK", "")).await;
    let pem = other.authority.clone().into_bytes();
    let nobody = get(&stub, "https://a.example/", |options| {
        options.connect.trust = Trust::Authorities { path: "other".into(), pem };
    })
    .await;
    assert!(matches!(nobody, Err(HttpsError::Connect { .. })), "{nobody:?}");
    assert_eq!(stub.asked().len(), 1);
}

#[test]
fn only_https_addresses_are_taken() {
    for (text, host, port) in [
        ("https://a.example", "a.example", 443),
        ("https://a.example:8443/x?y", "a.example", 8443),
        ("https://[::1]:1/", "::1", 1),
    ] {
        let url: HttpsUrl = text.parse().unwrap();
        assert_eq!((url.host(), url.port()), (host, port));
    }
    for wrong in
        ["http://a.example", "a.example", "/x", "https://", "https://a@b.example/", "https://a b/", "", "file:///x"]
    {
        assert!(wrong.parse::<HttpsUrl>().is_err(), "{wrong}");
    }
}
