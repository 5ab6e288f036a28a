//! Debian's Linux with the disk: what loads its modules, mounts it and runs the program.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use reference::Workshop;
use reference::cpio::Writer;
use reference::kernel;
use reference::machine::{Clock, Machine, Tuning};

use super::Work;

const LIMIT: Duration = Duration::from_secs(900);

/// Its own file system in memory stays as it is; what the program prints goes to the second serial port.
const INIT: &str = "#!/bin/sh\n\
    mount -t devtmpfs none /dev\n\
    mount -t proc none /proc\n\
    for module in /modules/*.ko; do [ ! -e $module ] || insmod $module; done\n\
    ifconfig lo 127.0.0.1 up\n\
    mount -t ext4 /dev/vda /mnt && COMMAND >/dev/ttyS1 && umount /mnt && echo done >/dev/ttyS1\n\
    poweroff -f\n";
const DONE: &str = "done";

/// What starts it.
pub(super) struct Linux {
    machine: Machine,
    folder: PathBuf,
}

impl Linux {
    /// Writes its initial root: the work's tree, the kernel's modules and the init.
    pub(super) fn prepare(workshop: &Workshop, work: &Work<'_>, folder: &Path) -> Result<Self> {
        let archive = folder.join("linux.cpio");
        let mut writer = Writer::new(BufWriter::new(File::create(&archive)?));
        writer.tree(work.initial)?;
        writer.file("init", 0o755, INIT.replace("COMMAND", &work.linux_command).as_bytes())?;
        writer.character_device("dev/console", 5, 1)?;
        writer.folder("modules")?;
        for module in kernel::modules(workshop)? {
            let name = module.file_name().context("a module has a name")?.to_string_lossy();
            writer.file(&format!("modules/{name}"), 0o644, &fs::read(&module)?)?;
        }
        writer.finish()?;
        let machine = Machine {
            qemu: workshop.qemu.clone(),
            kernel: kernel::find(workshop)?,
            root: archive,
            memory_bytes: work.memory_bytes,
            cpus: 1,
            clock: Clock::Wall,
            tuning: Tuning::Default,
            more: Vec::new(),
        };
        Ok(Self { machine, folder: folder.into() })
    }

    /// Runs the program; what it printed.
    pub(super) fn run(&self, tuning: Tuning, more: Vec<OsString>) -> Result<String> {
        let (console, results) = (self.folder.join("console"), self.folder.join("results"));
        let machine = Machine { tuning, more, ..self.machine.clone() };
        machine.run(&console, &results, LIMIT)?;
        let printed = fs::read_to_string(&results).context("Linux left no results")?;
        let complete = printed.trim_end().strip_suffix(DONE);
        let explain = || format!("Linux did not finish:\n{}", fs::read_to_string(&console).unwrap_or_default());
        Ok(complete.with_context(explain)?.to_owned())
    }
}
