//! The handlers: every administrative deed, once.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post, put},
};
use postrider_accounts::{AccountsError, Password};
use postrider_net::{ConnectionLimits, ShutdownTrigger, TlsSettings};

use super::{
    api::{
        AccountBody, AccountSummary, AliasBody, AliasSummary, AppPasswordBody, AppPasswordSummary, CheckBody,
        ListeningStatus, NewAppPassword, PasswordBody, ServerStatus, SettingsBody, Status,
    },
    error::{ApiError, Body},
    job,
};
use crate::{
    backup::{
        ExtractWish, InitAnswer, PruneWish, RestoreWish, RunWish, Safe, SafeStatus, ShowAnswer, ShowWish,
        SnapshotSummary, VerifyWish,
    },
    metrics,
    pull::{self, PullBoard, PullStatus, PullWish},
    storage::{Rebuild, Storage},
    transfer::{self, ExportWish, ImportWish, UndeleteWish},
    turns::Turns,
};

/// What the handlers work on.
#[derive(Clone)]
pub struct Administration {
    /// Accounts and mail.
    pub storage: Storage,
    /// The running server, if this is one.
    pub server: Option<Arc<ServerHandle>>,
    /// The imports and pulls that are under way.
    pub turns: Turns,
    /// How the `[[pull]]` entries are doing.
    pub pulls: PullBoard,
    /// The backups.
    pub safe: Arc<Safe>,
}

/// What can be asked and told of a running server.
pub struct ServerHandle {
    /// Its name.
    pub hostname: String,
    /// When it began.
    pub started: Instant,
    /// Where it listens.
    pub listening: Vec<ListeningStatus>,
    /// Its open connections.
    pub connections: Arc<ConnectionLimits>,
    /// Its certificate.
    pub tls: Arc<TlsSettings>,
    /// Ends it.
    pub shutdown: ShutdownTrigger,
}

type Answer<T> = Result<Json<T>, ApiError>;
type Done = Result<StatusCode, ApiError>;

/// All paths.
pub fn router(administration: Administration) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/shutdown", post(shutdown))
        .route("/v1/reload", post(reload))
        .route("/v1/accounts", get(list_accounts).post(add_account))
        .route("/v1/accounts/{address}", delete(remove_account))
        .route("/v1/accounts/{address}/settings", patch(change_settings))
        .route("/v1/accounts/{address}/password", put(set_password))
        .route("/v1/accounts/{address}/app-passwords", get(list_app_passwords).post(add_app_password))
        .route("/v1/accounts/{address}/app-passwords/{label}", delete(remove_app_password))
        .route("/v1/aliases", get(list_aliases).post(add_alias))
        .route("/v1/aliases/{alias}", delete(remove_alias))
        .route("/v1/check", post(check))
        .route("/v1/compact", post(compact))
        .route("/v1/import", post(import))
        .route("/v1/export", post(export))
        .route("/v1/undelete", post(undelete))
        .route("/v1/pull", post(pull))
        .route("/v1/pulls", get(list_pulls))
        .route("/v1/backup", get(backup_status))
        .route("/v1/backup/init", post(backup_init))
        .route("/v1/backup/run", post(backup_run))
        .route("/v1/backup/snapshots", get(backup_snapshots))
        .route("/v1/backup/show", post(backup_show))
        .route("/v1/backup/verify", post(backup_verify))
        .route("/v1/backup/restore", post(backup_restore))
        .route("/v1/backup/extract", post(backup_extract))
        .route("/v1/backup/prune", post(backup_prune))
        .route("/metrics", get(metrics))
        .with_state(administration)
}

/// Figures for monitoring, and nothing else.
pub fn metrics_router(administration: Administration) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(administration)
}

async fn metrics(State(administration): State<Administration>) -> Result<impl IntoResponse, ApiError> {
    let text = metrics::text(&administration).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

async fn status(State(administration): State<Administration>) -> Answer<Status> {
    let Administration { storage, server, .. } = administration;
    let engine = storage.engine.statistics().await.map_err(anyhow::Error::from)?;
    let server = server.map(|server| ServerStatus {
        hostname: server.hostname.clone(),
        uptime_seconds: server.started.elapsed().as_secs(),
        connections: server.connections.open(),
        listening: server.listening.clone(),
    });
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        server,
        accounts: storage.accounts.list().await?.len(),
        engine: storage.engine.name().to_owned(),
        bytes_on_disk: engine.bytes_on_disk,
        bytes_dead: engine.bytes_dead,
        commits: engine.commits,
    }))
}

async fn shutdown(State(administration): State<Administration>) -> Done {
    administration.server.ok_or_else(ApiError::no_server)?.shutdown.request();
    Ok(StatusCode::ACCEPTED)
}

async fn reload(State(administration): State<Administration>) -> Done {
    let server = administration.server.ok_or_else(ApiError::no_server)?;
    server.tls.reload().map_err(anyhow::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_accounts(State(administration): State<Administration>) -> Answer<Vec<AccountSummary>> {
    let accounts = administration.storage.accounts.list().await?;
    let summary = |account: postrider_accounts::AccountEntry| AccountSummary {
        id: account.id.0,
        address: account.address,
        created: unix_seconds(account.created),
        app_passwords: account.app_passwords,
        settings: account.settings,
    };
    Ok(Json(accounts.into_iter().map(summary).collect()))
}

async fn add_account(State(administration): State<Administration>, Body(body): Body<AccountBody>) -> Done {
    administration.storage.add_account(&body.address, &Password::new(body.password)).await?;
    Ok(StatusCode::CREATED)
}

async fn remove_account(State(administration): State<Administration>, Path(address): Path<String>) -> Done {
    administration.storage.remove_account(&address).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change_settings(
    State(administration): State<Administration>,
    Path(address): Path<String>,
    Body(body): Body<SettingsBody>,
) -> Done {
    let accounts = &administration.storage.accounts;
    let found = accounts.find(&address).await?;
    let mut settings = found.ok_or_else(|| AccountsError::UnknownAccount(address.clone()))?.settings;
    if let Some(delete) = body.pop3_delete {
        settings.pop3_delete = delete;
    }
    if let Some(seconds) = body.pop3_login_delay_seconds {
        settings.pop3_login_delay_seconds = Some(seconds).filter(|seconds| *seconds > 0);
    }
    if let Some(bytes) = body.quota_bytes {
        settings.quota_bytes = Some(bytes).filter(|bytes| *bytes > 0);
    }
    accounts.set_settings(&address, settings).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_password(
    State(administration): State<Administration>,
    Path(address): Path<String>,
    Body(body): Body<PasswordBody>,
) -> Done {
    administration.storage.accounts.set_password(&address, &Password::new(body.password)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_app_passwords(
    State(administration): State<Administration>,
    Path(address): Path<String>,
) -> Answer<Vec<AppPasswordSummary>> {
    let entries = administration.storage.accounts.list_app_passwords(&address).await?;
    let summary = |entry: postrider_accounts::AppPasswordEntry| AppPasswordSummary {
        label: entry.label,
        created: unix_seconds(entry.created),
    };
    Ok(Json(entries.into_iter().map(summary).collect()))
}

async fn add_app_password(
    State(administration): State<Administration>,
    Path(address): Path<String>,
    Body(body): Body<AppPasswordBody>,
) -> Answer<NewAppPassword> {
    let password = administration.storage.accounts.add_app_password(&address, &body.label).await?;
    Ok(Json(NewAppPassword { label: body.label, password: password.expose().to_owned() }))
}

async fn remove_app_password(
    State(administration): State<Administration>,
    Path((address, label)): Path<(String, String)>,
) -> Done {
    administration.storage.accounts.remove_app_password(&address, &label).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_aliases(State(administration): State<Administration>) -> Answer<Vec<AliasSummary>> {
    let aliases = administration.storage.accounts.list_aliases().await?;
    let summary = |entry: postrider_accounts::AliasEntry| AliasSummary { alias: entry.alias, targets: entry.targets };
    Ok(Json(aliases.into_iter().map(summary).collect()))
}

async fn add_alias(State(administration): State<Administration>, Body(body): Body<AliasBody>) -> Done {
    administration.storage.accounts.add_alias(&body.alias, &body.targets).await?;
    Ok(StatusCode::CREATED)
}

async fn remove_alias(State(administration): State<Administration>, Path(alias): Path<String>) -> Done {
    administration.storage.accounts.remove_alias(&alias).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(State(administration): State<Administration>, Body(body): Body<CheckBody>) -> Response {
    let rebuild = if body.rebuild { Rebuild::Derived } else { Rebuild::Nothing };
    job::answer(|reporter| async move { administration.storage.check(rebuild, &reporter).await })
}

async fn compact(State(administration): State<Administration>) -> Done {
    administration.storage.engine.compact().await.map_err(anyhow::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn import(State(administration): State<Administration>, Body(wish): Body<ImportWish>) -> Response {
    job::answer(|reporter| async move { transfer::import(&administration, &wish, &reporter).await })
}

async fn export(State(administration): State<Administration>, Body(wish): Body<ExportWish>) -> Response {
    job::answer(|reporter| async move { transfer::export(&administration, &wish, &reporter).await })
}

async fn undelete(State(administration): State<Administration>, Body(wish): Body<UndeleteWish>) -> Response {
    job::answer(|reporter| async move { transfer::undelete(&administration, &wish, &reporter).await })
}

async fn pull(State(administration): State<Administration>, Body(wish): Body<PullWish>) -> Response {
    job::answer(|reporter| async move { pull::pull(&administration, &wish, &reporter).await })
}

async fn list_pulls(State(administration): State<Administration>) -> Answer<Vec<PullStatus>> {
    let _ = administration.server.ok_or_else(ApiError::no_server)?;
    Ok(Json(administration.pulls.statuses()))
}

async fn backup_status(State(administration): State<Administration>) -> Answer<SafeStatus> {
    Ok(Json(administration.safe.status(administration.storage.store.now())))
}

async fn backup_init(State(administration): State<Administration>) -> Answer<InitAnswer> {
    Ok(Json(administration.safe.init().await?))
}

async fn backup_run(State(administration): State<Administration>, Body(wish): Body<RunWish>) -> Response {
    job::answer(|reporter| async move { administration.safe.run(&administration.storage, &wish, &reporter).await })
}

async fn backup_snapshots(State(administration): State<Administration>) -> Answer<Vec<SnapshotSummary>> {
    Ok(Json(administration.safe.list().await?))
}

async fn backup_show(State(administration): State<Administration>, Body(wish): Body<ShowWish>) -> Answer<ShowAnswer> {
    Ok(Json(administration.safe.show(&wish).await?))
}

async fn backup_verify(State(administration): State<Administration>, Body(wish): Body<VerifyWish>) -> Response {
    job::answer(|reporter| async move { administration.safe.verify(&administration.storage, &wish, &reporter).await })
}

async fn backup_restore(State(administration): State<Administration>, Body(wish): Body<RestoreWish>) -> Response {
    job::answer(|reporter| async move { administration.safe.restore(&administration.storage, &wish, &reporter).await })
}

async fn backup_extract(State(administration): State<Administration>, Body(wish): Body<ExtractWish>) -> Response {
    job::answer(|reporter| async move { administration.safe.extract(&wish, &reporter).await })
}

async fn backup_prune(State(administration): State<Administration>, Body(wish): Body<PruneWish>) -> Response {
    job::answer(|reporter| async move { administration.safe.prune(&administration.storage, &wish, &reporter).await })
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
