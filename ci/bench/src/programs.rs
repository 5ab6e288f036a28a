//! Whole programs as Debian ships them, on a disk, [beside](crate::beside) Linux: shells, archives, databases, interpreters, a
//! compiler, a server.
//!
//! [`work`] has what they do. `program-bench` runs the commands in the machine; what each prints has to be the same in all systems.

mod table;
mod work;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reference::programs::Programs;
use reference::{Workshop, debian, root};

use crate::beside::{Bench, Work};
use crate::{Effort, Format, Report, Subject};

const MEMORY_BYTES: u64 = 1 << 30;
/// Where programs look for users.
const ACCOUNTS: [(&str, &str); 2] = [("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")];
/// Where file systems are mounted, and folders that packages leave to others.
const FOLDERS: [&str; 7] = ["dev", "proc", "sys", "tmp", "root", "etc", "tests"];

/// Measures all and compares.
///
/// # Errors
/// When Debian's packages cannot be had, a system does not start, or a program fails or prints something else than on the
/// other systems.
pub fn run(subject: &dyn Subject, workshop: &Workshop, format: Format, effort: Effort) -> Result<Report> {
    let name = format!("programs-{}", std::process::id());
    let folder = workshop.subfolder(&name)?;
    let disk = folder.join("disk-tree");
    fill(workshop, &disk)?;
    let initial = root::build(workshop, &format!("{name}/initial"), &[])?;
    let run = format!("/tests/program-bench {} {}", work::LIST, work::FOLDER);
    let work = Work {
        disk,
        initial: &initial,
        linux_command: format!(
            "{{ mount --bind /dev /mnt/dev && mount -t proc none /mnt/proc && chroot /mnt {run} && umount /mnt/proc \
             && umount /mnt/dev; }}"
        ),
        command: run,
        memory_bytes: MEMORY_BYTES,
    };
    let operations = Bench::prepare(subject, workshop, folder.clone(), work)?.measure(effort)?;
    Ok(table::report(&operations, format))
}

/// Makes the disk's tree: Debian's programs, ours that runs them, and what they work on.
fn fill(workshop: &Workshop, tree: &Path) -> Result<()> {
    let debian = debian::tree(workshop, &work::PACKAGES)?;
    let copied = Command::new("cp").arg("-a").arg(&debian).arg(tree).status().context("cannot run cp")?;
    ensure!(copied.success(), "cannot copy {}", debian.display());
    for folder in FOLDERS {
        fs::create_dir_all(tree.join(folder))?;
    }
    for (name, contents) in ACCOUNTS {
        fs::write(tree.join("etc").join(name), contents)?;
    }
    let program = Programs::build(workshop)?.path("program-bench");
    fs::copy(program, tree.join("tests/program-bench"))?;
    work::write(tree)
}
