//! The text form: TOML, with every key known and sizes as `"64K"`.
//!
//! ```toml
//! [[task]]
//! name = "serial"                 # default: the program's name
//! program = "serial-driver"
//! space = "ordinary"              # or "master"
//! priority = 200
//! heap = "256K"
//! stack = "32K"
//! untyped = "128K"
//! slot_bits = 10                  # 2^10 capability slots
//! essential = true                # the system stops when it is dead for good
//! restart = "never"               # or "always": made anew, after a pause that grows with each death
//! start = "boot"                  # or "demand": when somebody asks the supervisor for it
//! budget = "2ms"                  # processor time of all its threads in each `period`; default: unlimited
//! period = "10ms"
//! contexts = 1                    # threads that it can have then, each with its part of the budget
//! fpu = false
//! log = true
//! irq_control = false             # and, where there is an IOMMU, devices' IoSpaces
//! trace = false                   # may trace everything, and watch all threads
//! device_fault = "note"           # or "end": it ends when its device wanted what it may not (where there is an IOMMU)
//! boot_options = false
//! serves = ["serial"]
//! calls = [{ endpoint = "system", badge = 1 }]
//! ports = [{ name = "uart", first = 0x3f8, last = 0x3ff }]
//! irqs = [{ name = "uart", line = 4, trigger = "edge", polarity = "high" }]
//! devices = [{ name = "window", address = 0xc0000000, bytes = "1M" }]
//! data = ["root.cpio"]
//! ram = "rest"                    # or a size
//! options = { log = "debug" }
//!
//! [[service]]                     # with two homes, both of which may receive from endpoint "block"
//! name = "block"
//! native = "block"                # a task with start = "demand", which does nothing else
//! inside = "personality"          # a task with start = "boot", which calls all that the native task calls
//! placement = "personality"       # or "native": where it runs at first, unless the boot option `place` says otherwise
//! ```
//!
//! A task's memory is set aside when the system starts, also for a task that starts on demand: so it can always be made, and
//! made anew. Endpoints outlive the tasks behind them.

mod size;
mod time;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;

use crate::{
    Call, Device, DeviceFault, Irq, Manifest, Placement, Ports, Problem, Ram, Restart, Service, Space, Start, Task,
    check,
};
use size::Size;
use time::{Duration, limit};

/// Reads and checks the text form.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(text: &str) -> Result<Manifest, Problem> {
    let file: File = toml::from_str(text).map_err(|error| Problem(error.to_string()))?;
    let tasks = file.task.into_iter().map(TaskText::into_task).collect::<Result<_, _>>()?;
    let manifest = Manifest { tasks, services: file.service.into_iter().map(ServiceText::into_service).collect() };
    check::check(&manifest)?;
    Ok(manifest)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    task: Vec<TaskText>,
    #[serde(default)]
    service: Vec<ServiceText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceText {
    name: String,
    native: String,
    inside: String,
    #[serde(default)]
    placement: PlacementText,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum PlacementText {
    #[default]
    Personality,
    Native,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskText {
    name: Option<String>,
    program: String,
    #[serde(default)]
    space: SpaceText,
    priority: u8,
    #[serde(default = "default_heap")]
    heap: Size,
    #[serde(default = "default_stack")]
    stack: Size,
    #[serde(default = "default_untyped")]
    untyped: Size,
    #[serde(default = "default_slot_bits")]
    slot_bits: u8,
    #[serde(default)]
    essential: bool,
    #[serde(default)]
    restart: RestartText,
    #[serde(default)]
    start: StartText,
    budget: Option<Duration>,
    period: Option<Duration>,
    contexts: Option<u8>,
    #[serde(default)]
    fpu: bool,
    #[serde(default)]
    log: bool,
    #[serde(default)]
    irq_control: bool,
    #[serde(default)]
    trace: bool,
    #[serde(default)]
    device_fault: DeviceFaultText,
    #[serde(default)]
    boot_options: bool,
    #[serde(default)]
    serves: Vec<String>,
    #[serde(default)]
    calls: Vec<CallText>,
    #[serde(default)]
    ports: Vec<PortsText>,
    #[serde(default)]
    irqs: Vec<IrqText>,
    #[serde(default)]
    devices: Vec<DeviceText>,
    #[serde(default)]
    data: Vec<String>,
    ram: Option<Size>,
    #[serde(default)]
    options: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum SpaceText {
    #[default]
    Ordinary,
    Master,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum RestartText {
    #[default]
    Never,
    Always,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum StartText {
    #[default]
    Boot,
    Demand,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum DeviceFaultText {
    #[default]
    Note,
    End,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallText {
    endpoint: String,
    badge: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortsText {
    name: String,
    first: u16,
    last: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IrqText {
    name: String,
    line: u64,
    #[serde(default)]
    trigger: Trigger,
    #[serde(default)]
    polarity: Polarity,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Trigger {
    #[default]
    Edge,
    Level,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Polarity {
    #[default]
    High,
    Low,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceText {
    name: String,
    address: u64,
    bytes: Size,
}

fn default_heap() -> Size {
    Size::Number(256 << 10)
}

fn default_stack() -> Size {
    Size::Number(32 << 10)
}

fn default_untyped() -> Size {
    Size::Number(256 << 10)
}

fn default_slot_bits() -> u8 {
    10
}

impl TaskText {
    fn into_task(self) -> Result<Task, Problem> {
        let name = self.name.unwrap_or_else(|| self.program.clone());
        let named = |problem| Problem(format!("task \"{name}\": {problem}"));
        let device = |device: DeviceText| {
            Ok(Device { name: device.name, address: device.address, bytes: device.bytes.bytes().map_err(named)? })
        };
        let ram = match &self.ram {
            None => Ram::None,
            Some(Size::Text(text)) if text == "rest" => Ram::Rest,
            Some(size) => Ram::Bytes(size.bytes().map_err(named)?),
        };
        Ok(Task {
            space: match self.space {
                SpaceText::Ordinary => Space::Ordinary,
                SpaceText::Master => Space::Master,
            },
            priority: self.priority,
            time: limit(self.budget.as_ref(), self.period.as_ref(), self.contexts).map_err(named)?,
            fpu: self.fpu,
            heap_bytes: self.heap.bytes().map_err(named)?,
            stack_bytes: self.stack.bytes().map_err(named)?,
            untyped_bytes: self.untyped.bytes().map_err(named)?,
            slot_bits: self.slot_bits,
            essential: self.essential,
            restart: match self.restart {
                RestartText::Never => Restart::Never,
                RestartText::Always => Restart::Always,
            },
            start: match self.start {
                StartText::Boot => Start::Boot,
                StartText::Demand => Start::Demand,
            },
            log: self.log,
            irq_control: self.irq_control,
            trace: self.trace,
            device_fault: match self.device_fault {
                DeviceFaultText::Note => DeviceFault::Note,
                DeviceFaultText::End => DeviceFault::End,
            },
            boot_options: self.boot_options,
            serves: self.serves,
            calls: self.calls.into_iter().map(CallText::into_call).collect(),
            ports: self.ports.into_iter().map(PortsText::into_ports).collect(),
            irqs: self.irqs.into_iter().map(IrqText::into_irq).collect(),
            devices: self.devices.into_iter().map(device).collect::<Result<_, Problem>>()?,
            data: self.data,
            ram,
            options: self.options.into_iter().collect(),
            program: self.program,
            name,
        })
    }
}

impl ServiceText {
    fn into_service(self) -> Service {
        let placement = match self.placement {
            PlacementText::Personality => Placement::Personality,
            PlacementText::Native => Placement::Native,
        };
        Service { name: self.name, native: self.native, inside: self.inside, placement }
    }
}

impl CallText {
    fn into_call(self) -> Call {
        Call { endpoint: self.endpoint, badge: self.badge }
    }
}

impl PortsText {
    fn into_ports(self) -> Ports {
        Ports { name: self.name, first: self.first, last: self.last }
    }
}

impl IrqText {
    fn into_irq(self) -> Irq {
        Irq {
            name: self.name,
            line: self.line,
            level: self.trigger == Trigger::Level,
            active_low: self.polarity == Polarity::Low,
        }
    }
}
