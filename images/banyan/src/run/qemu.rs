//! QEMU's command line, and what its exit status means.
//!
//! The machine is a `q35` with nothing that is not listed here. The two sockets are handed over as QEMU's standard input
//! (the channel) and standard output (the serial line): no names in the file system, no descriptors to inherit by
//! accident.

use super::{Config, Debugger, End, Iommu};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

/// The name of the channel's port on the virtio-serial device.
const CHANNEL_PORT: &str = "org.banyan.channel";
/// What `isa-debug-exit` makes of a zero: the system stopped as it should.
const DEBUG_EXIT_ORDERLY: i32 = 1;

/// The files of a machine.
pub(super) struct Files<'a> {
    /// What QEMU starts.
    pub loader: &'a Path,
    /// What that starts.
    pub archive: &'a Path,
    /// Where the system logs.
    pub log: &'a Path,
    /// The machine's memory, when others are to read it.
    pub memory: Option<&'a Path>,
    /// The disk, when there is one.
    pub disk: Option<&'a Path>,
}

/// QEMU's arguments for `config` with these files.
pub(super) fn arguments(config: &Config, files: &Files) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |line: &str| arguments.extend(line.split_whitespace().map(OsString::from));
    add(&format!("-smp {}", config.cpus));
    // Processors in turn, in one thread: where each has its own, QEMU 7.2 dies of a null pointer in many a boot, when one
    // processor uses a device while another changes what is mapped where. What runs in turn wakes at once nonetheless, since
    // an interrupt ends the turn of who runs.
    add("-accel tcg,thread=single");
    add("-M q35 -nodefaults -no-reboot -no-user-config -display none -vga none");
    add(if config.count_instructions { "-icount shift=0,sleep=off -cpu max,-erms,-fsrm" } else { "-cpu max" });
    if config.iommu == Iommu::Present {
        // Virtio devices go past it unless they are told not to.
        add("-device intel-iommu,intremap=on -global virtio-device.iommu_platform=on");
    }
    add(&format!("-m {}K", config.memory_bytes >> 10));
    add("-chardev socket,id=channel,fd=0 -chardev socket,id=serial,fd=1 -serial chardev:serial");
    add("-device virtio-serial-pci,disable-legacy=on,max_ports=2,vectors=8");
    add(&format!("-device virtserialport,chardev=channel,name={CHANNEL_PORT}"));
    add("-device isa-debug-exit,iobase=0xf4,iosize=4 -device isa-debugcon,iobase=0xe9,chardev=log");
    match &config.debugger {
        None => {}
        Some(Debugger::Port(port)) => add(&format!("-gdb tcp:127.0.0.1:{port} -S")),
        Some(Debugger::Socket(path)) => {
            add("-gdb chardev:debugger -S");
            arguments.extend(["-chardev".into(), with_path("socket,id=debugger,server=on,wait=off,path=", path)]);
        }
    }
    arguments.extend(["-chardev".into(), with_path("file,id=log,path=", files.log)]);
    if let Some(memory) = files.memory {
        let size = config.memory_bytes >> 10;
        let backend = format!("memory-backend-file,id=memory,share=on,size={size}K,mem-path=");
        arguments.extend(["-object".into(), with_path(&backend, memory)]);
        arguments.extend(["-machine".into(), "memory-backend=memory".into()]);
    }
    arguments.extend(files.disk.into_iter().flat_map(|disk| disk_arguments(disk, config.write_log.as_deref())));
    arguments.extend(["-kernel".into(), files.loader.into(), "-initrd".into(), files.archive.into()]);
    arguments.extend_from_slice(&config.emulator);
    arguments
}

/// The arguments for a disk in a file; with a log, all that reaches it is logged there.
#[must_use]
pub fn disk_arguments(disk: &Path, log: Option<&Path>) -> Vec<OsString> {
    // Otherwise a full disk of the host's would stop the machine, and nobody would know why.
    let device = "virtio-blk-pci,disable-legacy=on,drive=disk,werror=report,rerror=report";
    ["-drive".into(), drive(disk, log), "-device".into(), device.into()].into()
}

/// The disk behind the device; with a log, a filter above it that appends each write and each flush once it is done.
fn drive(disk: &Path, log: Option<&Path>) -> OsString {
    let Some(log) = log else { return with_path("if=none,id=disk,format=raw,cache=writeback,file=", disk) };
    // Flushes end in the log: that the host may lose power is nothing that is tested here.
    let filter = "if=none,id=disk,driver=blklogwrites,cache=writeback,file.driver=file,file.cache.no-flush=on,\
                  log.driver=file,log.cache.no-flush=on,file.filename=";
    let mut option = with_path(filter, disk);
    option.push(with_path(",log.filename=", log));
    option
}

/// An option that ends with a path; commas in it are doubled, as QEMU wants it.
fn with_path(option: &str, path: &Path) -> OsString {
    let mut bytes = option.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        bytes.extend(std::iter::repeat_n(byte, if byte == b',' { 2 } else { 1 }));
    }
    OsString::from_vec(bytes)
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
    use crate::disk::{Disk, Storage};

    fn line(config: &Config) -> String {
        let path = Path::new("/x");
        let disk = matches!(config.storage, Storage::Disk(_)).then_some(Path::new("/c,d,"));
        let words =
            arguments(config, &Files { loader: path, archive: path, log: Path::new("/a,b"), memory: None, disk });
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn counting_instructions_changes_the_clock_and_the_cpu() {
        let mut config = Config::new(Mode::Exec);
        assert!(line(&config).contains("-cpu max -m 524288K") && line(&config).contains("-smp 1 "));
        assert!(!line(&config).contains("iommu"));
        config.iommu = Iommu::Present;
        assert!(line(&config).contains("-device intel-iommu,intremap=on -global virtio-device.iommu_platform=on -m "));
        config.cpus = 4;
        assert!(line(&config).contains("-smp 4 "));
        config.count_instructions = true;
        assert!(line(&config).contains("-icount shift=0,sleep=off -cpu max,-erms,-fsrm"));
    }

    #[test]
    fn a_debugger_has_a_place_of_its_own() {
        let mut config = Config::new(Mode::Exec);
        assert!(!line(&config).contains("-gdb"));
        config.debugger = Some(Debugger::Port(4000));
        assert!(line(&config).contains("-gdb tcp:127.0.0.1:4000 -S "));
        config.debugger = Some(Debugger::Socket("/g,h".into()));
        let socket = "-gdb chardev:debugger -S -chardev socket,id=debugger,server=on,wait=off,path=/g,,h ";
        assert!(line(&config).contains(socket));
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        let mut config = Config::new(Mode::Exec);
        assert!(line(&config).contains("path=/a,,b ") && !line(&config).contains("virtio-blk"));
        config.storage = Storage::Disk(Disk::Fresh);
        assert!(line(&config).contains("cache=writeback,file=/c,,d,, -device virtio-blk-pci"));
        config.write_log = Some("/e,f".into());
        assert!(line(&config).contains(",file.filename=/c,,d,,,log.filename=/e,,f -device virtio-blk-pci"));
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
