//! Failures as HTTP answers.

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use postrider_accounts::AccountsError;

use super::api::Failure;
use crate::advice;

/// A request that could not be done.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    failure: Failure,
}

impl ApiError {
    /// A request that only a running server can do.
    pub fn no_server() -> Self {
        Self::new(StatusCode::CONFLICT, "no server runs on this data folder".to_owned(), None)
    }

    /// What is said of it.
    pub fn into_failure(self) -> Failure {
        self.failure
    }

    fn new(status: StatusCode, error: String, hint: Option<String>) -> Self {
        Self { status, failure: Failure { error, hint } }
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        let (status, known_hint) = match error.downcast_ref::<AccountsError>() {
            Some(known) => classify(known),
            None => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let hint = advice::hint(&error).map(str::to_owned).or(known_hint.map(str::to_owned));
        Self::new(status, advice::one_line(&error), hint)
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        anyhow::Error::from(error).into()
    }
}

fn classify(error: &AccountsError) -> (StatusCode, Option<&'static str>) {
    match error {
        AccountsError::UnknownAccount(_) => (StatusCode::NOT_FOUND, Some("postrider account list shows all accounts")),
        AccountsError::UnknownAlias(_) => (StatusCode::NOT_FOUND, Some("postrider alias list shows all aliases")),
        AccountsError::UnknownLabel(_) => {
            (StatusCode::NOT_FOUND, Some("postrider account app-password list ADDRESS shows all app passwords"))
        }
        AccountsError::UnknownTarget(_) => {
            (StatusCode::BAD_REQUEST, Some("add the account first; mail to other servers is not forwarded"))
        }
        AccountsError::AddressTaken(_) | AccountsError::LabelTaken(_) => (StatusCode::CONFLICT, None),
        AccountsError::Engine(_)
        | AccountsError::Damaged { .. }
        | AccountsError::Newer { .. }
        | AccountsError::Hashing(_)
        | AccountsError::Random(_)
        | AccountsError::Interrupted => (StatusCode::INTERNAL_SERVER_ERROR, None),
        _ => (StatusCode::BAD_REQUEST, None),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.failure)).into_response()
    }
}

/// A JSON body whose faults are answered in the form of every other failure.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T, S: Send + Sync> FromRequest<S> for Body<T>
where
    Json<T>: FromRequest<S, Rejection = JsonRejection>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), None)
    }
}
