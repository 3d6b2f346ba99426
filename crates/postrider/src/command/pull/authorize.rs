//! `postrider pull authorize`: the right to fetch mail with OAuth 2.0, given once by a person with a browser.

use std::{
    future::pending,
    io::{self, BufRead as _, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use postrider_pull::{
    HttpsClient, HttpsOptions, HttpsUrl, Remote, Silent, Trust, counted,
    discovery::{Address, OAuthDetails, discover},
    oauth::{
        AuthorizationServer, ClientIdentity, CodeOptions, CredentialFile, Granted, OAuthError, Provider,
        StoredCredential, begin_code, begin_device, fetch_metadata,
    },
};
use postrider_sasl::Password;
use tokio::sync::oneshot;

use super::{found, trust_in};
use crate::{
    advice::{Advise, with_hint},
    command::{absolute, block_on, output},
};

const EXAMPLES: &str = "\
Examples:
  Google, by a browser on this machine (it gives no codes for mail):
    postrider pull authorize alice@gmail.com --provider google --client-id ID --client-secret-file secret --oauth2-file alice.oauth2
  Microsoft, by a code that is typed on any device:
    postrider pull authorize alice@outlook.com --provider microsoft --client-id ID --oauth2-file alice.oauth2
  Any other server that tells of itself:
    postrider pull authorize imaps://alice@mail.example.org --issuer https://login.example.org --client-id ID --scope mail --oauth2-file alice.oauth2

The client id is one that you register with the provider; docs/pull-oauth.md tells how.";

/// Set up access with OAuth 2.0 and keep it in a file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Authorize {
    /// The address or the URL of the mailbox, as in alice@gmail.com or imaps://alice@mail.example.org
    mailbox: String,
    /// The file that keeps the authorization; made, or replaced if it is an older one
    #[arg(long, value_name = "FILE")]
    oauth2_file: PathBuf,
    /// The id under which you registered this program with the provider
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A file whose first line is the secret that goes with it, where the provider wants one
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// What to ask for, instead of what the provider is known to need
    #[arg(long)]
    scope: Option<String>,
    /// How to agree [default: by code where that is possible, else by browser]
    #[arg(long, value_enum)]
    by: Option<Way>,
    /// The port of this machine that the browser comes back to [default: any]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The authorization server (else it is looked for under the address's domain)")]
struct ServerFlags {
    /// One that is known: google or microsoft
    #[arg(long, value_name = "NAME", conflicts_with_all = ["issuer", "token_endpoint"])]
    provider: Option<String>,
    /// Its name, an https:// address where it tells of itself
    #[arg(long, value_name = "URL", conflicts_with = "token_endpoint")]
    issuer: Option<String>,
    /// Where tokens come from
    #[arg(long, value_name = "URL")]
    token_endpoint: Option<HttpsUrl>,
    /// Where codes come from
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    device_endpoint: Option<HttpsUrl>,
    /// Where the browser goes
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    authorization_endpoint: Option<HttpsUrl>,
    /// Believe certificates of the authorities in this PEM file, and of no others; also later, when tokens are renewed
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// A code that is typed on any device
    Code,
    /// A browser on this machine
    Browser,
}

/// Who is asked, and for what.
struct Plan {
    server: AuthorizationServer,
    scope: String,
    client_id: Option<String>,
    provider: Option<&'static Provider>,
    remote: Option<Remote>,
}

impl Authorize {
    pub fn run(self) -> Result<ExitCode> {
        let ca_file = self.server.ca_file.as_deref().map(absolute).transpose()?;
        let mut https = HttpsOptions::default();
        https.connect.trust = trust_in(ca_file.as_deref())?;
        let trust = https.connect.trust.clone();
        let client = HttpsClient::new(https);
        let file = CredentialFile::at(absolute(&self.oauth2_file)?);
        block_on(async {
            let plan = self.plan(&client, trust).await?;
            let identity = self.identity(&plan)?;
            let granted = self.ask(&client, &plan, &identity).await?;
            let mut stored = StoredCredential::new(&plan.server, identity, plan.scope.clone(), granted);
            stored.ca_file = ca_file;
            stored.user = plan.remote.as_ref().map(|remote| remote.user.clone());
            file.write(&stored).map_err(explained)?;
            output::line(&format!("written: {}", file.path().display()))?;
            if !stored.has_refresh_token() {
                output::line(
                    "NOTE: the server gave no refresh token; access ends with the first token, mostly within an hour",
                )?;
            }
            let url = plan.remote.map_or(String::from("URL"), |remote| remote.to_string());
            let file = file.path().display();
            output::line(&format!("to fetch: postrider pull '{url}' --oauth2-file '{file}' --into ACCOUNT"))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn plan(&self, https: &HttpsClient, trust: Trust) -> Result<Plan> {
        let flags = &self.server;
        let scope = self.scope.clone();
        let given = if found::is_address(&self.mailbox) { None } else { Some(self.mailbox.parse::<Remote>()?) };
        if let Some(name) = &flags.provider {
            let provider = Provider::find(name).ok_or_else(|| anyhow!("{name:?} is no provider that is known"));
            let known: Vec<&str> = Provider::all().iter().map(|provider| provider.name).collect();
            let provider = provider.advise(format!("known are {}; for others give --issuer", known.join(" and ")))?;
            let remote = given.or_else(|| format!("imaps://{}@{}", self.mailbox, provider.imap_host).parse().ok());
            let scope = scope.unwrap_or_else(|| provider.scope.to_owned());
            return Ok(Plan { server: provider.server()?, scope, client_id: None, provider: Some(provider), remote });
        }
        let plan = |server, scope, client_id, remote| Plan { server, scope, client_id, provider: None, remote };
        let scope_given = scope.clone().unwrap_or_default();
        if let Some(token_endpoint) = flags.token_endpoint.clone() {
            let server = AuthorizationServer {
                issuer: None,
                token_endpoint,
                authorization_endpoint: flags.authorization_endpoint.clone(),
                device_endpoint: flags.device_endpoint.clone(),
            };
            return Ok(plan(server, scope_given, None, given));
        }
        if let Some(issuer) = &flags.issuer {
            return Ok(plan(fetch_metadata(https, issuer).await.map_err(explained)?, scope_given, None, given));
        }
        if given.is_some() {
            bail!("give --provider, --issuer or --token-endpoint: a URL does not tell who authorizes");
        }
        let address: Address = self.mailbox.parse()?;
        let found = discover(&address, &found::options(false, trust), &Silent).await;
        let remote = found.incoming().and_then(|server| server.remote());
        let oauth = found.oauth.ok_or_else(|| anyhow!("{} does not tell who authorizes", address.domain()));
        let oauth = oauth.advise("give --provider google or microsoft, or --issuer")?;
        let server = told_server(https, &oauth).await?;
        output::line(&format!("{} names the authorization server {}", address.domain(), server.token_endpoint.host()))?;
        Ok(plan(server, scope.or(oauth.scope).unwrap_or_default(), oauth.client_id, remote))
    }

    fn identity(&self, plan: &Plan) -> Result<ClientIdentity> {
        let id = self.client_id.clone().or_else(|| plan.client_id.clone());
        let id = id.ok_or_else(|| anyhow!("--client-id is missing"));
        let id =
            id.advise("register this program with the provider, which gives you an id; docs/pull-oauth.md tells how")?;
        let secret = match &self.client_secret_file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                text.lines().next().map(|line| Password::new(line.trim()))
            }
        };
        Ok(ClientIdentity { id, secret })
    }

    async fn ask(&self, https: &HttpsClient, plan: &Plan, identity: &ClientIdentity) -> Result<Granted> {
        let way = self.by.unwrap_or(match plan.server.device_endpoint {
            Some(_) => Way::Code,
            None => Way::Browser,
        });
        let granted = match way {
            Way::Code => by_code(https, plan, identity).await,
            Way::Browser => self.by_browser(https, plan, identity).await,
        };
        granted.map_err(|error| match error.downcast::<OAuthError>() {
            Ok(error) => explained(error),
            Err(error) => error,
        })
    }

    async fn by_browser(&self, https: &HttpsClient, plan: &Plan, identity: &ClientIdentity) -> Result<Granted> {
        let mut options = CodeOptions { port: self.port, ..CodeOptions::default() };
        if let Some(provider) = plan.provider {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            options.parameters = provider.parameters.iter().map(owned).collect();
            options.redirect_host = provider.redirect_host.to_owned();
        }
        if let Some(remote) = &plan.remote {
            options.parameters.push((String::from("login_hint"), remote.user.clone()));
        }
        let request = begin_code(&plan.server, identity, &plan.scope, &options).await?;
        output::line(&format!(
            "open this address in a browser on this machine, and agree:\n\n  {}\n",
            request.address
        ))?;
        output::line(&format!("it will come back to {}", request.redirect_uri))?;
        let is_terminal = io::stdin().is_terminal();
        if is_terminal {
            output::line("if the browser is on another machine and cannot, paste the address where it ended here:")?;
        }
        let pasted = async move {
            match pasted_line(is_terminal).await {
                Some(line) => line,
                None => pending().await,
            }
        };
        Ok(request.wait(https, &plan.server, identity, pasted).await?)
    }
}

async fn by_code(https: &HttpsClient, plan: &Plan, identity: &ClientIdentity) -> Result<Granted> {
    let request = begin_device(https, &plan.server, identity, &plan.scope).await?;
    let minutes = request.lifetime.as_secs().div_ceil(60);
    output::line(&format!("open {} on any device and type the code", request.verification_uri))?;
    output::line(&format!("\n  {}\n", request.user_code))?;
    if let Some(complete) = &request.verification_uri_complete {
        output::line(&format!("or open {complete}"))?;
    }
    output::line(&format!("waiting, up to {}", counted(minutes, "minute")))?;
    Ok(request.wait(https, &plan.server, identity).await?)
}

/// A line of the terminal. It is read on a thread of its own, for which nobody waits at the end.
async fn pasted_line(is_terminal: bool) -> Option<String> {
    if !is_terminal {
        return None;
    }
    let (sender, line) = oneshot::channel();
    thread::spawn(move || {
        let mut text = String::new();
        if io::stdin().lock().read_line(&mut text).is_ok_and(|octets| octets > 0) {
            let _ = sender.send(text);
        }
    });
    line.await.ok()
}

/// The server that a domain tells of: by its own metadata where there are any, else by what was told beside its name.
async fn told_server(https: &HttpsClient, oauth: &OAuthDetails) -> Result<AuthorizationServer> {
    let endpoint = |text: &Option<String>| text.as_deref().map(str::parse::<HttpsUrl>).transpose();
    if let (Some(token_endpoint), authorization_endpoint) =
        (endpoint(&oauth.token_endpoint)?, endpoint(&oauth.authorization_endpoint)?)
    {
        let issuer = None;
        return Ok(AuthorizationServer { issuer, token_endpoint, authorization_endpoint, device_endpoint: None });
    }
    let issuer = oauth.issuer.as_deref().ok_or_else(|| anyhow!("the domain names no token endpoint"))?;
    fetch_metadata(https, issuer).await.map_err(explained)
}

fn explained(error: OAuthError) -> anyhow::Error {
    let hint = error.hint();
    let error = anyhow::Error::from(error);
    match hint {
        Some(hint) => with_hint(error, hint),
        None => error,
    }
}
