//! This system, as the benchmarks run it.

use anyhow::{Context, Result, bail};
use banyan::disk::{Disk, Storage, prepare};
use banyan::root::{self, Root};
use banyan::run::channel::{Event, Stop};
use banyan::run::{Config, Iommu, Mode, Placement, Places, Vm, disk_arguments};
use banyan::{build, setup, workspace};
use bench::{Design, Devices, Disked, Subject, Tracing};
use reference::Workshop;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest that one measurement may take.
const LIMIT: Duration = Duration::from_secs(900);

/// The built system, and where Linux's side finds its things.
pub struct Banyan {
    tools: setup::Tools,
    programs: build::Programs,
}

impl Banyan {
    /// Builds everything.
    pub fn new() -> Result<Self> {
        let _lock = workspace::lock()?;
        let tools = setup::ensure()?;
        let programs = build::guest(&tools)?;
        Ok(Self { tools, programs })
    }

    /// Where Linux's side works.
    pub fn workshop(&self) -> Workshop {
        Workshop {
            source: workspace::source(),
            folder: workspace::target().join("bench"),
            qemu: self.tools.qemu.clone(),
            busybox: self.tools.busybox.clone(),
        }
    }
}

impl Subject for Banyan {
    fn time_to_first_byte(&self) -> Result<Duration> {
        let config = Config::new(Mode::Exec);
        let vm = Vm::start_built(&config, &self.tools, &self.programs)?;
        let deadline = Some(Instant::now() + LIMIT);
        vm.wait_ready(deadline).map_err(failed)?;
        let session = vm.open("echo hello")?;
        match session.next(deadline).map_err(failed)? {
            Event::Data(..) => Ok(vm.started().elapsed()),
            Event::Exit(status) => bail!("the command ended with status {} and no output", status.code()),
            Event::Refused(reason) => bail!("the system refused the command: {reason}"),
        }
    }

    fn run_counted(&self, root: &Path, command: &str) -> Result<String> {
        let mut config = Config::new(Mode::Exec);
        config.root = Root::Path(root.into());
        config.count_instructions = true;
        output(&Vm::start_built(&config, &self.tools, &self.programs)?, command)
    }

    fn make_disk(&self, root: &Path, image: &Path) -> Result<()> {
        let contents = root::load(&Root::Path(root.into()), &self.tools)?;
        prepare(&Disk::Fresh, &contents, &self.tools.e2fs, image).map(drop)
    }

    fn disk_arguments(&self, image: &Path) -> Vec<OsString> {
        disk_arguments(image, None)
    }

    fn run_on_disk(&self, disk: &Disked, command: &str) -> Result<String> {
        let mut config = Config::new(Mode::Exec);
        config.storage = Storage::Disk(Disk::Kept(disk.image.into()));
        config.places = Places::all(match disk.design {
            Design::Personality => Placement::Personality,
            Design::Native => Placement::Native,
        });
        config.iommu = match disk.devices {
            Devices::Free => Iommu::Absent,
            Devices::Isolated => Iommu::Present,
        };
        config.memory_bytes = disk.memory_bytes;
        config.emulator.clone_from(&disk.emulator);
        let vm = Vm::start_built(&config, &self.tools, &self.programs)?;
        let printed = output(&vm, command)?;
        vm.power_off(LIMIT);
        Ok(printed)
    }

    fn kernel_figures(&self, tracing: Tracing) -> Result<Vec<String>> {
        harness::kernel_tests::figures(tracing)
    }

    fn compiler(&self) -> Result<String> {
        let mut command = std::process::Command::new(&self.tools.rust.rustc);
        let version = banyan::progress::output_of(command.arg("--version")).context("the compiler tells no version")?;
        Ok(version.trim().into())
    }
}

/// Runs a command that has to end well; what it printed.
fn output(vm: &Vm, command: &str) -> Result<String> {
    let output = vm.exec(command, &[], LIMIT)?;
    if output.status.code() != 0 {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command} ended with status {}: {errors}", output.status.code());
    }
    String::from_utf8(output.stdout).context("the benchmark prints text")
}

fn failed(stop: Stop) -> anyhow::Error {
    anyhow::anyhow!("the system stopped before the measurement: {stop}")
}
