//! From the manifest's grants to a system in which programs run.

use alloc::boxed::Box;
use alloc::sync::Arc;

use interfaces::system::StopReason;
use interfaces::{Clock, ClockClient, Console, ConsoleClient, HostChannel, HostChannelClient, SystemClient};
use linux_abi::Result;
use procfs::ProcFs;
use rt::Env;
use task::System;
use tty::Sessions;
use ukernel_user::{Cap, Endpoint};

use crate::hooks::{Ends, ServerHooks};
use crate::jobs::Jobs;
use crate::load::{self, Load};
use crate::processes::Source;
use crate::seats::{Pool, Seats};
use crate::world::{self, World};
use crate::{console, current, hardware, power, session};

/// Frames for each thread that may exist: what its kernel objects and the personality's bookkeeping take at most.
const FRAMES_PER_THREAD: u64 = 64;
/// Fewest and most threads.
const THREADS: (u64, u64) = (64, 4096);
/// Frames for each open file.
const FRAMES_PER_OPEN_FILE: u64 = 4;
/// The part of the RAM that pipes may take, and sockets as much again, as divisor.
const PIPE_SHARE: u64 = 16;

/// Runs the personality.
pub fn run(env: &Env) {
    let host = HostChannelClient::new(endpoint(env, "host-channel"));
    power::set(SystemClient::new(endpoint(env, "system")), host);
    // A personality that died may have left requests behind.
    if let Err(error) = host.begin() {
        log::warn!("there is no host channel: {error}");
    }
    let world = match start(env, host) {
        Ok(world) => Arc::new(world),
        Err(error) => {
            log::error!("the personality cannot start: {}", error.name());
            return power::stop(StopReason::Failure);
        }
    };
    match env.option("mode") {
        Some("exec") => session::serve(host, &world),
        _ => {
            session::serve_beside(host, &world);
            console::run_shell(env, &world);
        }
    }
}

fn endpoint(env: &Env, name: &'static str) -> Cap<Endpoint> {
    env.endpoint(name).expect("the manifest grants the endpoints that a personality needs")
}

fn start(env: &Env, host: HostChannelClient) -> Result<World> {
    hardware::init_memory(env)?;
    guest_memory::set_fault_handler(current::handle_copy_fault);
    guest_memory::set_mappings(&mm::AllSpaces);
    set_clock(endpoint(env, "clock"));
    set_limits();
    let namespace = world::make_root(env)?;
    stir_random();
    let sessions = Sessions::new(Jobs::make());
    let screen = ConsoleClient::new(endpoint(env, "console"));
    if let Err(error) = screen.begin() {
        log::warn!("there is no console: {error}");
    }
    let tty = tty::console::new(Arc::new(console::Screen(screen)), sessions.clone());
    let ptys = world::make_ptys(&sessions);
    world::register_devices(&tty, sessions.clone(), &ptys);
    let ends = Arc::new(Ends::default());
    let seats = Seats::new(thread_limit());
    let load = Arc::new(Load::default());
    let hooks = ServerHooks { sessions: sessions.clone(), ends: ends.clone() };
    task::set_system(System::new(Box::new(Pool(seats.clone())), Box::new(hooks), thread_limit()));
    load::start(load.clone(), seats.clone());
    let source = Source { sessions, seats, load, namespace: namespace.clone() };
    world::mount_all(&namespace, ptys, ProcFs::make(Arc::new(source)))?;
    task::timer::start_timer_thread()?;
    syscalls::set_reboot(reboot);
    syscalls::set_current(current::task);
    sockets::set_current(current::identity);
    sockets::register_built_in();
    console::start_pumps(env, &tty, screen, host);
    Ok(World { namespace, console: tty, ends })
}

/// reboot(2).
fn reboot(how: syscalls::Reboot) {
    power::stop_soon(match how {
        syscalls::Reboot::Restart => StopReason::Restart,
        _ => StopReason::Orderly,
    });
}

fn set_clock(endpoint: Cap<Endpoint>) {
    match ClockClient::new(endpoint).now_ns() {
        Ok(now_ns) => vfs::clock::set_realtime_ns(now_ns),
        Err(error) => log::warn!("the time of day is unknown: {error}"),
    }
}

fn frames() -> u64 {
    guest_memory::frames::stats().total
}

fn thread_limit() -> usize {
    (frames() / FRAMES_PER_THREAD).clamp(THREADS.0, THREADS.1) as usize
}

/// Most open files of the whole system.
pub(crate) fn open_limit() -> u64 {
    (frames() / FRAMES_PER_OPEN_FILE).max(1024)
}

fn set_limits() {
    vfs::open_file::set_open_limit(open_limit());
    vfs::epoll::set_watch_limit(open_limit());
    vfs::pipe::set_total_limit_bytes((frames() / PIPE_SHARE * 4096) as usize);
    sockets::set_total_limit_bytes((frames() / PIPE_SHARE * 4096) as usize);
}

/// What differs from boot to boot: the date, and how long things took.
fn stir_random() {
    const SAMPLES: usize = 64;
    devfs::random::stir(&vfs::clock::realtime_ns().to_le_bytes());
    for _ in 0..SAMPLES {
        rt::thread::yield_now();
        devfs::random::stir(&rt::time::now_ns().to_le_bytes());
    }
}
