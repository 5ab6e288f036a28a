//! The files of one run: the boot archive and a fresh disk while it lasts, and the log, which stays.
//!
//! All are named for the run. Old logs are removed when there are many.

use crate::symbols::{Binary, Symbols};
use crate::workspace;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Logs that are kept.
const KEPT_LOGS: usize = 64;

/// Whether the system may still log: what it writes would land in the middle of a file that became longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Running,
    Gone,
}

/// The files of one run.
#[derive(Debug)]
pub(super) struct RunFiles {
    log: PathBuf,
    archive: PathBuf,
}

impl RunFiles {
    pub(super) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let run = format!("{seconds}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let logs = workspace::own("log")?;
        remove_old(&logs);
        let log = logs.join(format!("{run}.log"));
        crate::progress::create(&log)?;
        let archives = workspace::own("run")?;
        remove_abandoned(&archives);
        Ok(Self { log, archive: archives.join(format!("{run}.archive")) })
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    pub(super) fn archive(&self) -> PathBuf {
        self.archive.clone()
    }

    /// Where the machine's memory is, if it is a file.
    pub(super) fn memory(&self) -> PathBuf {
        self.archive.with_extension("memory")
    }

    /// Where a disk lies that goes with the run.
    pub(super) fn disk(&self) -> PathBuf {
        self.archive.with_extension("disk")
    }

    /// Keeps what comes on the serial line, when nobody else reads it, in a file beside the log.
    pub(super) fn keep_serial(&self, mut serial: UnixStream) {
        let path = self.log.with_extension("serial");
        std::thread::spawn(move || {
            // Nothing must stop the guest's serial line; without a file the bytes are dropped.
            let mut first = [0; 1];
            match std::io::Read::read(&mut serial, &mut first) {
                Ok(0) | Err(_) => {}
                Ok(_) => {
                    let copied = File::create(&path).and_then(|mut file| {
                        std::io::Write::write_all(&mut file, &first)?;
                        std::io::copy(&mut serial, &mut file)
                    });
                    if copied.is_err() {
                        let _ = std::io::copy(&mut serial, &mut std::io::sink());
                    }
                }
            }
        });
    }

    /// Names the addresses in the log, in the file as well when nobody writes to it any more.
    pub(super) fn explain(&self, binaries: &[Binary], writer: Writer) -> Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        let explained = Symbols::new(binaries).explain(&String::from_utf8_lossy(&bytes));
        if writer == Writer::Gone && explained.as_bytes() != bytes {
            fs::write(&self.log, &explained).with_context(|| format!("cannot write {}", self.log.display()))?;
        }
        Ok(explained)
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        // They are only missing when building them failed, or the run has no such disk.
        let _ = fs::remove_file(&self.archive);
        let _ = fs::remove_file(self.disk());
        let _ = fs::remove_file(self.memory());
    }
}

/// Removes the oldest logs; their names begin with their time.
fn remove_old(logs: &Path) {
    let mut names: Vec<PathBuf> =
        fs::read_dir(logs).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    names.retain(|path| path.file_stem().is_some_and(|name| name != "setup"));
    names.sort();
    for path in names.iter().take(names.len().saturating_sub(KEPT_LOGS)) {
        let _ = fs::remove_file(path);
    }
}

/// Removes archives and disks whose tool was killed.
fn remove_abandoned(archives: &Path) {
    for entry in fs::read_dir(archives).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let alive = name.split('-').nth(1).is_none_or(|process| Path::new("/proc").join(process).exists());
        if !alive {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A function of ours whose name is to be found.
    #[inline(never)]
    fn a_function_to_name() -> u64 {
        std::hint::black_box(7)
    }

    /// A binary that is this test, moved so that its function is at the address given.
    fn here() -> (Binary, u64) {
        let elf = std::env::current_exe().expect("the test runs from a file");
        let bytes = fs::read(&elf).expect("the test's file is readable");
        let parsed = goblin::elf::Elf::parse(&bytes).expect("the test is an ELF file");
        let symbol = parsed.syms.iter().find(|symbol| {
            let name = parsed.strtab.get_at(symbol.st_name);
            symbol.is_function() && name.is_some_and(|name| name.contains("a_function_to_name"))
        });
        let address = 0x1000_0000 + symbol.expect("the function is in the file").st_value + 4;
        (Binary { name: "me".into(), elf, base: 0x1000_0000 }, address)
    }

    #[test]
    fn a_log_is_left_alone_while_it_is_written() {
        assert_eq!(a_function_to_name(), 7);
        let (binary, address) = here();
        let files = RunFiles::new().expect("a run has files");
        // As QEMU does: opened once, each write where the last one ended.
        let mut writer = File::create(files.log()).expect("the log can be written");
        let (frame, rest) = (format!("[me]   at {address:#x}\n"), "[me] what came later\n");
        writer.write_all(frame.as_bytes()).expect("there is room");
        let explained = files.explain(std::slice::from_ref(&binary), Writer::Running).expect("it is readable");
        assert!(explained.contains("a_function_to_name"), "{explained}");
        writer.write_all(rest.as_bytes()).expect("there is room");
        assert_eq!(fs::read_to_string(files.log()).expect("it is text"), format!("{frame}{rest}"));

        drop(writer);
        let explained = files.explain(&[binary], Writer::Gone).expect("it is readable");
        assert!(explained.contains("a_function_to_name") && explained.ends_with(rest), "{explained}");
        assert_eq!(fs::read_to_string(files.log()).expect("it is text"), explained);
        fs::remove_file(files.log()).expect("it is there");
    }
}
