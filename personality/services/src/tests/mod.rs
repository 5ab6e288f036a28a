//! Moves over a machine that checks what must never be: two drivers of one device, two file systems of one disk, a caller
//! that sees an error.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use interfaces::file_system::Orphans;
use interfaces::supervisor::Placement;
use interfaces::{BlockDevice, FileSystem, FsError, Reattaching};
use ipc::Capability;
use rt::memory::Shared;

use crate::{CommandError, DiskHandle, MoveError, Services, Start, Step, StepError};

mod documentation;
mod machine;
use machine::Machine;

const HOMES: [Placement; 2] = [Placement::Personality, Placement::Native];

fn other(placement: Placement) -> Placement {
    if placement == Placement::Native { Placement::Personality } else { Placement::Native }
}

fn start(block: Placement, fs: Placement) -> (Arc<Machine>, Services) {
    let machine = Machine::new(block, fs);
    let services = Services::open(machine.clone(), Start { block, fs }).expect("it starts");
    (machine, services)
}

/// Uses both services.
fn use_them(services: &Services) {
    while let Err(error) = services.fs().statistics() {
        // The client catches up with an incarnation that it does not know.
        assert_eq!(error, FsError::NotBegun);
        assert_ne!(services.fs().begin(Orphans::Keep), Err(FsError::Retired));
    }
    disk_of(services).flush().expect("the disk answers");
}

/// The disk as its users see it: who is in the middle of a request when the driver goes makes it again.
fn disk_of(services: &Services) -> Reattaching<DiskHandle> {
    Reattaching::new(DiskHandle(services.block().clone()))
}

#[test]
fn both_services_move_both_ways_whatever_the_other_does() {
    for block in HOMES {
        for fs in HOMES {
            let (machine, services) = start(block, fs);
            machine.begin(&services);
            for round in 0..4 {
                let service = if round % 2 == 0 { "block" } else { "fs" };
                let from = machine.placement(service);
                services.migrate(service, other(from), None).expect("it moves");
                assert_eq!(machine.placement(service), other(from));
                use_them(&services);
                machine.check(&services);
            }
            assert!(services.table().contains("block   "), "{}", services.table());
        }
    }
}

#[test]
fn a_failure_at_each_step_is_rolled_back() {
    let mut taken = Vec::new();
    for (block, fs) in HOMES.into_iter().flat_map(|block| HOMES.map(|fs| (block, fs))) {
        for service in ["block", "fs"] {
            for step in Step::ALL {
                let (machine, services) = start(block, fs);
                machine.begin(&services);
                let from = machine.placement(service);
                match services.migrate(service, other(from), Some(step)) {
                    Err(CommandError::Move(MoveError::RolledBack { step: at, error })) => {
                        assert_eq!((at, error), (step, StepError::Injected));
                        assert_eq!(machine.placement(service), from);
                        taken.push((service, from, step));
                    }
                    Ok(()) => assert_eq!(machine.placement(service), other(from), "it has no step {step:?}"),
                    failed => panic!("{service} {step:?}: {failed:?}"),
                }
                use_them(&services);
                machine.check(&services);
                let from = machine.placement(service);
                services.migrate(service, other(from), None).expect("it still moves");
                use_them(&services);
                machine.check(&services);
            }
        }
    }
    let distinct = |service, from| {
        let steps = taken.iter().filter(|one| (one.0, one.1) == (service, from)).map(|one| one.2);
        Step::ALL.into_iter().filter(|step| steps.clone().any(|taken| taken == *step)).count()
    };
    let counts = ["block", "fs"].map(|service| HOMES.map(|from| distinct(service, from)));
    assert_eq!(counts, [[5, 5], [6, 6]], "every step of every move was made to fail");
}

#[test]
fn what_really_fails_is_rolled_back_as_well() {
    for fault in ["open", "start", "serve", "prepare", "open-disk", "retire", "info", "placed", "stop"] {
        for (service, from) in ["block", "fs"].into_iter().flat_map(|service| HOMES.map(|from| (service, from))) {
            let (machine, services) = start(from, from);
            machine.begin(&services);
            machine.fail_next(fault);
            let moved = services.migrate(service, other(from), None);
            let failed = matches!(moved, Err(CommandError::Move(MoveError::RolledBack { .. })));
            assert!(failed || moved.is_ok(), "{service} from {from:?} with {fault}: {moved:?}");
            machine.fail_next("");
            use_them(&services);
            machine.check(&services);
        }
    }
}

#[test]
fn a_server_that_dies_under_its_move_is_caught_up_with_first() {
    let (machine, services) = start(Placement::Native, Placement::Native);
    machine.begin(&services);
    machine.kill_at_next_retire();
    services.migrate("fs", Placement::Personality, None).expect("the next incarnation hands over as well");
    assert_eq!((machine.settled(), machine.caught_up()), (1, 1));
    use_them(&services);
    machine.check(&services);
}

#[test]
fn a_driver_that_dies_as_it_is_moved_to_is_asked_again_or_left() {
    for (deaths, moves) in [(1, true), (u32::MAX, false)] {
        let (machine, services) = start(Placement::Personality, Placement::Personality);
        machine.begin(&services);
        machine.kill_at_info(deaths);
        let moved = services.migrate("block", Placement::Native, None);
        let is_back = matches!(moved, Err(CommandError::Move(MoveError::RolledBack { step: Step::Ready, .. })));
        assert!(if moves { moved.is_ok() } else { is_back }, "{deaths} deaths: {moved:?}");
        use_them(&services);
        machine.check(&services);
    }
}

#[test]
fn a_gate_is_not_closed_over_requests_of_those_who_do_not_come_through_it() {
    let (machine, services) = start(Placement::Personality, Placement::Native);
    machine.begin(&services);
    machine.make_disk_busy();
    services.migrate("block", Placement::Native, None).expect("it moves");
    use_them(&services);
    machine.check(&services);
}

#[test]
fn a_driver_is_moved_while_its_device_keeps_a_caller_waiting() {
    for home in HOMES {
        let (machine, services) = start(home, Placement::Personality);
        machine.begin(&services);
        machine.set_stuck(true);
        let disk = disk_of(&services);
        let caller = std::thread::spawn(move || {
            let memory = Shared::allocate(4096).expect("memory");
            let region = disk.attach(Capability(memory.memory().slot()), 4096)?;
            disk.read(region, 0, 0, 512)
        });
        while machine.waiting() == 0 {
            std::thread::yield_now();
        }
        services.migrate("block", other(home), None).expect("it moves");
        assert!(!caller.is_finished(), "the next driver has the same device");
        machine.set_stuck(false);
        assert_eq!(caller.join().expect("no panic"), Ok(()));
        use_them(&services);
        machine.check(&services);
    }
}

#[test]
fn callers_see_nothing_of_moves() {
    let (machine, services) = start(Placement::Personality, Placement::Personality);
    machine.begin(&services);
    let (services, done) = (Arc::new(services), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (services, done) = (services.clone(), done.clone());
            std::thread::spawn(move || {
                let mut calls = 0;
                while !done.load(Ordering::Relaxed) {
                    use_them(&services);
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for round in 0..100 {
        let service = if round % 3 == 0 { "block" } else { "fs" };
        let fail_at = (round % 5 == 0).then_some(Step::ALL[round / 5 % Step::ALL.len()]);
        let moved = services.migrate(service, other(machine.placement(service)), fail_at);
        assert!(moved.is_ok() || fail_at.is_some(), "{moved:?}");
        machine.check(&services);
    }
    done.store(true, Ordering::Relaxed);
    assert!(callers.into_iter().all(|caller| caller.join().expect("no caller sees an error") > 0));
}

#[test]
fn commands_that_make_no_sense_say_so() {
    let (machine, services) = start(Placement::Personality, Placement::Personality);
    machine.begin(&services);
    assert_eq!(services.command("migrate fs personality"), Err(CommandError::State));
    assert_eq!(services.command("migrate net native"), Err(CommandError::Unknown));
    assert_eq!(services.command("kill fs"), Err(CommandError::State));
    assert_eq!(services.command("dance"), Err(CommandError::Misused));
    assert!(services.table().ends_with("last error: dance: migrate SERVICE native|personality, or kill TASK\n"));
    services.command("migrate fs native").expect("it moves");
    services.command("kill fs").expect("it dies");
    assert!(!services.table().contains("last error"));
}
