//! `postrider account`: who has mail here.

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use hyper::Method;
use postrider_accounts::Pop3Delete;

use super::{
    Place, block_on, checked_address,
    output::{self, Form},
    password::Source,
};
use crate::control::{
    AccountBody, AccountSummary, AppPasswordBody, AppPasswordSummary, NewAppPassword, PasswordBody, SettingsBody,
    segment,
};

/// Add, list and remove accounts, and set their passwords
///
/// Works while the server runs, through its control socket, and while it does not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider account add alice@example.org
  echo 'correct horse' | postrider account add --password-stdin bob@example.org
  postrider account app-password add alice@example.org phone
  postrider account list --json")]
pub struct AccountCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account; asks for its password
    Add {
        /// The address, as in alice@example.org; it is the login name, too
        address: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all accounts
    List {
        #[command(flatten)]
        form: OutputForm,
    },
    /// Remove an account and all its mail, for good
    Remove {
        /// The account's address
        address: String,
    },
    /// Set an account's password
    Password {
        /// The account's address
        address: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Change what holds for one account; `account list --json` shows it
    #[command(arg_required_else_help = true, group = ArgGroup::new("setting").required(true).multiple(true))]
    Set {
        /// The account's address
        address: String,
        /// What a POP3 program's delete does
        #[arg(long, value_enum, group = "setting")]
        pop3_delete: Option<Deletion>,
        /// Seconds between two POP3 logins; 0 for the server's default
        #[arg(long, value_name = "SECONDS", group = "setting")]
        pop3_login_delay: Option<u32>,
        /// Bytes that the account's mail may take; 0 for the server's default
        #[arg(long, value_name = "BYTES", group = "setting")]
        quota: Option<u64>,
    },
    /// Passwords for single programs, which can be taken back one by one
    #[command(subcommand)]
    AppPassword(AppPassword),
}

/// What POP3's DELE does.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Deletion {
    /// Remove the message for good
    Remove,
    /// Move the message to the trash, where other programs still find it
    Trash,
}

#[derive(Debug, Subcommand)]
enum AppPassword {
    /// Make an app password and print it; it is shown this once
    Add {
        /// The account's address
        address: String,
        /// A name for it, as in "phone"
        label: String,
        #[command(flatten)]
        form: OutputForm,
    },
    /// List an account's app passwords by their names
    List {
        /// The account's address
        address: String,
        #[command(flatten)]
        form: OutputForm,
    },
    /// Remove an app password
    Remove {
        /// The account's address
        address: String,
        /// Its name
        label: String,
    },
}

#[derive(Debug, Args)]
struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
}

/// `--json`, wherever something is listed.
#[derive(Debug, Args)]
pub struct OutputForm {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OutputForm {
    pub fn form(&self) -> Form {
        Form::chosen(self.json)
    }
}

impl AccountCommand {
    pub fn run(self, place: &Place) -> Result<()> {
        match self.action {
            Action::Add { address, password } => {
                let address = checked_address(&address)?;
                let password = Source::chosen(password.password_stdin).read(&address)?;
                let body = AccountBody { address: address.clone(), password };
                block_on(async { place.control_or_new().await?.order(Method::POST, "/v1/accounts", &body).await })?;
                output::line(&format!("added {address}"))
            }
            Action::List { form } => list(place, form.form()),
            Action::Remove { address } => {
                order(place, Method::DELETE, &format!("/v1/accounts/{}", segment(&address)), &())?;
                output::line(&format!("removed {address} and its mail"))
            }
            Action::Password { address, password } => {
                let body = PasswordBody { password: Source::chosen(password.password_stdin).read(&address)? };
                order(place, Method::PUT, &format!("/v1/accounts/{}/password", segment(&address)), &body)?;
                output::line(&format!("the password of {address} is set"))
            }
            Action::Set { address, pop3_delete, pop3_login_delay, quota } => {
                let pop3_delete = pop3_delete.map(|deletion| match deletion {
                    Deletion::Remove => Pop3Delete::Remove,
                    Deletion::Trash => Pop3Delete::MoveToTrash,
                });
                let body = SettingsBody { pop3_delete, pop3_login_delay_seconds: pop3_login_delay, quota_bytes: quota };
                order(place, Method::PATCH, &format!("/v1/accounts/{}/settings", segment(&address)), &body)?;
                output::line(&format!("set for {address}"))
            }
            Action::AppPassword(action) => action.run(place),
        }
    }
}

impl AppPassword {
    fn run(self, place: &Place) -> Result<()> {
        let path = |address: &str| format!("/v1/accounts/{}/app-passwords", segment(address));
        match self {
            Self::Add { address, label, form } => {
                let body = AppPasswordBody { label };
                let made: NewAppPassword =
                    block_on(async { place.control().await?.post(&path(&address), &body).await })?;
                match form.form() {
                    Form::Json => output::json(&made),
                    Form::Text => output::line(&made.password),
                }
            }
            Self::List { address, form } => {
                let entries: Vec<AppPasswordSummary> =
                    block_on(async { place.control().await?.get(&path(&address)).await })?;
                match form.form() {
                    Form::Json => output::json(&entries),
                    Form::Text => entries.iter().try_for_each(|entry| output::line(&entry.label)),
                }
            }
            Self::Remove { address, label } => {
                order(place, Method::DELETE, &format!("{}/{}", path(&address), segment(&label)), &())?;
                output::line(&format!("removed the app password {label:?} of {address}"))
            }
        }
    }
}

fn list(place: &Place, form: Form) -> Result<()> {
    let accounts: Vec<AccountSummary> = block_on(async { place.control().await?.get("/v1/accounts").await })?;
    match form {
        Form::Json => output::json(&accounts),
        Form::Text if accounts.is_empty() => {
            output::line("no accounts yet; add one with: postrider account add ADDRESS")
        }
        Form::Text => accounts.iter().try_for_each(|account| output::line(&account.address)),
    }
}

/// Asks for something to be done.
pub fn order(place: &Place, method: Method, path: &str, body: &impl serde::Serialize) -> Result<()> {
    block_on(async { place.control().await?.order(method, path, body).await })
}
