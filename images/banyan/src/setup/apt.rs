//! Installs Debian packages, as root or through `sudo -n`.

use super::find_program;
use crate::progress;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1800);
const INSTALL: [&str; 3] = ["install", "-y", "--no-install-recommends"];

/// Installs packages that are missing, until `usable` says that they do; the package lists are fetched when it does not
/// work without, or what they had was too old.
///
/// # Errors
/// When this is no Debian, it may not install, apt fails, or even the newest packages do not do; the message has the
/// command to run.
pub(super) fn install(packages: &[&str], usable: impl Fn() -> bool) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    if find_program("apt-get").is_none() {
        bail!("missing: {names} (Debian's names). There is no apt-get here: install what they hold, then try again");
    }
    if !may_install() {
        bail!("missing: {names}. Neither root nor password-less sudo: please run\n  {}", command_line(packages));
    }
    progress::say(&format!("installing the packages {names}"));
    if try_install(packages).is_ok() && usable() {
        return Ok(());
    }
    update()?;
    try_install(packages).with_context(|| format!("please run\n  {}", command_line(packages)))?;
    if !usable() {
        bail!(
            "the packages {names} are installed, but something in them is older than what is needed; newer compilers \
             come with Debian's security updates: is that archive among apt's sources?"
        );
    }
    Ok(())
}

/// Fetches the package lists.
///
/// # Errors
/// When it may not, or apt fails.
pub(super) fn update() -> Result<()> {
    if !may_install() {
        bail!("apt has no package lists: please run\n  sudo apt-get update");
    }
    progress::run(apt().arg("update"), "fetching the package lists", LIMIT)
}

fn try_install(packages: &[&str]) -> Result<()> {
    progress::run(apt().args(INSTALL).args(packages), "installing packages", LIMIT)
}

fn command_line(packages: &[&str]) -> String {
    let names = packages.join(" ");
    format!("sudo sh -c 'apt-get update && apt-get {} {names}'", INSTALL.join(" "))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn may_install() -> bool {
    is_root() || progress::output_of(Command::new("sudo").args(["-n", "true"])).is_some()
}

/// `apt-get` with the right to install, asking nothing.
fn apt() -> Command {
    let mut command;
    if is_root() {
        command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
    } else {
        command = Command::new("sudo");
        command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    }
    command.args(["-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300"]);
    command
}
