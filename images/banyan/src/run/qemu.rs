//! QEMU's command line, and what its exit status means.
//!
//! The machine is a `q35` with nothing that is not listed here. The two sockets are handed over as QEMU's standard input
//! (the channel) and standard output (the serial line): no names in the file system, no descriptors to inherit by
//! accident.

use super::{Config, End};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

/// The name of the channel's port on the virtio-serial device.
const CHANNEL_PORT: &str = "org.banyan.channel";
/// What `isa-debug-exit` makes of a zero: the system stopped as it should.
const DEBUG_EXIT_ORDERLY: i32 = 1;

/// QEMU's arguments for `config`, booting `archive` with `loader`, logging to `log`.
pub(super) fn arguments(config: &Config, loader: &Path, archive: &Path, log: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |line: &str| arguments.extend(line.split_whitespace().map(OsString::from));
    add("-M q35 -accel tcg -smp 1 -nodefaults -no-reboot -no-user-config -display none -vga none");
    add(if config.count_instructions { "-icount shift=0,sleep=off -cpu max,-erms,-fsrm" } else { "-cpu max" });
    add(&format!("-m {}K", config.memory_bytes >> 10));
    add("-chardev socket,id=channel,fd=0 -chardev socket,id=serial,fd=1 -serial chardev:serial");
    add("-device virtio-serial-pci,disable-legacy=on,max_ports=2,vectors=8");
    add(&format!("-device virtserialport,chardev=channel,name={CHANNEL_PORT}"));
    add("-device isa-debug-exit,iobase=0xf4,iosize=4 -device isa-debugcon,iobase=0xe9,chardev=log");
    if config.debugger {
        add("-gdb tcp:127.0.0.1:1234 -S");
    }
    arguments.extend(["-chardev".into(), log_device(log)]);
    arguments.extend(["-kernel".into(), loader.into(), "-initrd".into(), archive.into()]);
    arguments
}

/// The log's character device; commas in a path are doubled, as QEMU wants it.
fn log_device(log: &Path) -> OsString {
    OsString::from(format!("file,id=log,path={}", log.display().to_string().replace(',', ",,")))
}

/// What QEMU's end says about the system in it; `complaints` is its standard error.
pub(super) fn end(status: ExitStatus, complaints: &str) -> End {
    match (status.code(), status.signal()) {
        (Some(0 | DEBUG_EXIT_ORDERLY), _) if complaints.is_empty() => End::PoweredOff,
        // QEMU's own errors have status 1 as well, but with an explanation.
        (Some(1), _) => End::Failed(format!("QEMU did not run: {}", complaints.trim())),
        (Some(0), _) => End::PoweredOff,
        (Some(code), _) => End::Failed(format!("the system stopped by itself (QEMU's status {code})")),
        (None, signal) => End::Failed(format!("QEMU was killed by signal {}", signal.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::*;

    fn line(config: &Config) -> String {
        let path = Path::new("/x");
        let words = arguments(config, path, path, Path::new("/a,b"));
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn counting_instructions_changes_the_clock_and_the_cpu() {
        let mut config = Config::new(Mode::Exec);
        assert!(line(&config).contains("-cpu max -m 524288K"));
        config.count_instructions = true;
        assert!(line(&config).contains("-icount shift=0,sleep=off -cpu max,-erms,-fsrm"));
    }

    #[test]
    fn commas_in_the_log_path_are_doubled() {
        assert!(line(&Config::new(Mode::Exec)).contains("path=/a,,b "));
    }

    #[test]
    fn only_clean_ends_are_orderly() {
        let exited = |code| ExitStatus::from_raw(code << 8);
        assert_eq!(end(exited(0), ""), End::PoweredOff);
        assert_eq!(end(exited(1), ""), End::PoweredOff);
        assert!(matches!(end(exited(1), "no such file"), End::Failed(_)));
        assert!(matches!(end(exited(33), ""), End::Failed(_)));
        assert!(matches!(end(ExitStatus::from_raw(9), ""), End::Failed(_)));
    }
}
