//! What the supervisor orders, event by event.

use interfaces::SupervisorError;
use interfaces::supervisor::{Placement as Place, TaskState};
use manifest::Placement;
use supervisor::life::Phase;
use supervisor::pauses::TOO_MANY;
use supervisor::supervisor::{Death, Order, Supervisor};

type Orders = Vec<Order<u32>>;

const SYSTEM: &str = r#"
    [[task]]
    name = "pci"
    program = "p"
    priority = 90
    essential = true
    serves = ["pci"]
    [[task]]
    name = "block"
    program = "p"
    priority = 80
    start = "demand"
    restart = "always"
    device_fault = "end"
    calls = [{ endpoint = "pci", badge = 2 }]
    [[task]]
    name = "fs"
    program = "p"
    priority = 70
    start = "demand"
    restart = "always"
    calls = [{ endpoint = "block", badge = 2 }]
    [[task]]
    name = "heartbeat"
    program = "p"
    priority = 60
    start = "demand"
    [[task]]
    name = "linux"
    program = "p"
    priority = 50
    essential = true
    restart = "always"
    calls = [
        { endpoint = "supervisor", badge = 7 },
        { endpoint = "pci", badge = 1 },
        { endpoint = "block", badge = 1 },
        { endpoint = "fs", badge = 1 },
    ]
    [[task]]
    name = "stranger"
    program = "p"
    priority = 40
    calls = [{ endpoint = "supervisor", badge = 8 }]
    [[service]]
    name = "block"
    native = "block"
    inside = "linux"
    [[service]]
    name = "fs"
    native = "fs"
    inside = "linux"
"#;
const PCI: usize = 0;
const BLOCK: usize = 1;
const FS: usize = 2;
const HEARTBEAT: usize = 3;
const LINUX: usize = 4;
const STRANGER: usize = 5;
const SECOND: u64 = 1_000_000_000;

/// The system, started with these placements.
fn started(places: &str) -> (Supervisor<u32>, Orders) {
    let mut manifest = manifest::parse(SYSTEM).expect("sound");
    manifest.place(places).expect("sound");
    let mut supervisor = Supervisor::new(manifest);
    supervisor.started([PCI, LINUX, STRANGER]);
    let orders = supervisor.take_orders();
    (supervisor, orders)
}

/// The system with both services native and running.
fn native() -> Supervisor<u32> {
    let (mut supervisor, orders) = started("all:native");
    assert_eq!(orders, [Order::Make(BLOCK), Order::Make(FS)]);
    supervisor.made(BLOCK, Ok(()), 0);
    supervisor.made(FS, Ok(()), 0);
    assert_eq!(supervisor.take_orders(), []);
    supervisor
}

fn state(supervisor: &Supervisor<u32>, service: usize) -> TaskState {
    supervisor.service(service).expect("it is there").state
}

#[test]
fn services_are_described() {
    let (mut supervisor, orders) = started("fs:native");
    assert_eq!(orders, [Order::Make(FS)]);
    let (block, fs) = (supervisor.service(0).expect("there"), supervisor.service(1).expect("there"));
    assert_eq!((block.name.as_str(), block.placement, block.state), ("block", Place::Personality, TaskState::Absent));
    assert_eq!((fs.name.as_str(), fs.placement, fs.state), ("fs", Place::Native, TaskState::Absent));
    assert_eq!(supervisor.service(2), None);
    supervisor.made(FS, Ok(()), 0);
    assert_eq!(state(&supervisor, 1), TaskState::Running);
    supervisor.placed(LINUX, "fs", Placement::Personality).expect("allowed");
    assert_eq!(supervisor.service(1).expect("there").placement, Place::Personality);
}

#[test]
fn starting_and_stopping_is_answered_when_it_is_done() {
    let (mut supervisor, _) = started("");
    supervisor.start(LINUX, "fs", 1).expect("allowed");
    assert_eq!(supervisor.take_orders(), [Order::Make(FS)]);
    assert_eq!(supervisor.start(LINUX, "fs", 2), Err((SupervisorError::State, 2)));
    assert_eq!(supervisor.stop(LINUX, "fs", 3), Err((SupervisorError::State, 3)));
    supervisor.made(FS, Ok(()), 0);
    assert_eq!(supervisor.take_orders(), [Order::Answer(1, Ok(()))]);
    supervisor.stop(LINUX, "fs", 4).expect("allowed");
    assert_eq!(supervisor.take_orders(), [Order::Stop(FS), Order::End(FS)]);
    assert!(!supervisor.died(FS, Death::Fault, 0), "it is ending already");
    supervisor.ended(FS, 0);
    assert_eq!(supervisor.take_orders(), [Order::Answer(4, Ok(()))]);
    assert_eq!(supervisor.stop(LINUX, "fs", 5), Err((SupervisorError::State, 5)));
}

#[test]
fn what_cannot_be_made_is_an_error_and_can_be_tried_again() {
    let (mut supervisor, _) = started("");
    supervisor.start(LINUX, "block", 1).expect("allowed");
    supervisor.made(BLOCK, Err(()), 0);
    assert_eq!(supervisor.take_orders(), [Order::Make(BLOCK), Order::Answer(1, Err(SupervisorError::Failed))]);
    assert_eq!(state(&supervisor, 0), TaskState::Dead);
    supervisor.start(LINUX, "block", 2).expect("allowed");
    supervisor.made(BLOCK, Ok(()), 0);
    assert_eq!(supervisor.take_orders(), [Order::Make(BLOCK), Order::Answer(2, Ok(()))]);
}

#[test]
fn only_who_looks_after_a_service_may_move_it() {
    let (mut supervisor, _) = started("");
    let refused = |result: Result<(), (SupervisorError, u32)>| result.expect_err("refused").0;
    assert_eq!(refused(supervisor.start(STRANGER, "fs", 1)), SupervisorError::Refused);
    assert_eq!(refused(supervisor.stop(STRANGER, "fs", 1)), SupervisorError::Refused);
    assert_eq!(supervisor.placed(STRANGER, "fs", Placement::Native), Err(SupervisorError::Refused));
    assert_eq!(supervisor.kill(STRANGER, "fs", 0), Err(SupervisorError::Refused));
    assert_eq!(supervisor.kill(STRANGER, "linux", 0), Err(SupervisorError::Refused));
    assert_eq!(supervisor.kill(LINUX, "pci", 0), Err(SupervisorError::Refused));
    assert_eq!(refused(supervisor.start(LINUX, "pci", 1)), SupervisorError::Refused);
    assert_eq!(refused(supervisor.start(LINUX, "nobody", 1)), SupervisorError::Unknown);
    assert_eq!(supervisor.placed(LINUX, "heartbeat", Placement::Native), Err(SupervisorError::Unknown));
    assert_eq!(supervisor.kill(LINUX, "nobody", 0), Err(SupervisorError::Unknown));
    assert_eq!(supervisor.kill(LINUX, "fs", 0), Err(SupervisorError::State), "it does not run");
    assert_eq!(supervisor.take_orders(), []);
    supervisor.start(STRANGER, "heartbeat", 1).expect("anybody may");
    assert_eq!(supervisor.take_orders(), [Order::Make(HEARTBEAT)]);
}

#[test]
fn a_dead_driver_is_made_again_after_its_pause() {
    let mut supervisor = native();
    let mut now = 0;
    for pause in [0, SECOND / 100, SECOND / 10, SECOND] {
        assert!(supervisor.died(BLOCK, Death::Fault, now));
        assert_eq!(supervisor.take_orders(), [Order::Stop(BLOCK), Order::End(BLOCK)]);
        assert!(!supervisor.died(BLOCK, Death::Fault, now), "its other threads die once");
        assert_eq!(state(&supervisor, 0), TaskState::Restarting);
        supervisor.ended(BLOCK, now);
        if pause > 0 {
            assert_eq!(supervisor.take_orders(), []);
            assert_eq!(supervisor.next_tick(), Some(now + pause));
            supervisor.tick(now + pause - 1);
            assert_eq!(supervisor.take_orders(), []);
            now += pause;
            supervisor.tick(now);
        }
        assert_eq!(supervisor.take_orders(), [Order::Make(BLOCK)]);
        assert_eq!(supervisor.next_tick(), None);
        supervisor.made(BLOCK, Ok(()), 0);
        assert_eq!(state(&supervisor, 0), TaskState::Running);
    }
    assert_eq!(supervisor.service(0).expect("there").restarts, 4);
}

#[test]
fn a_task_that_dies_while_it_starts_is_made_again_or_given_up_before_that_is_answered() {
    for needed in [3, TOO_MANY] {
        let (mut supervisor, _) = started("");
        supervisor.start(LINUX, "block", 1).expect("allowed");
        supervisor.take_orders();
        for death in 1..=needed {
            assert!(supervisor.died(BLOCK, Death::Fault, 0));
            assert!(!supervisor.died(BLOCK, Death::Fault, 0));
            supervisor.made(BLOCK, Ok(()), 0);
            let ends = [Order::Stop(BLOCK), Order::Stop(BLOCK), Order::End(BLOCK)];
            assert_eq!(supervisor.take_orders(), ends, "who failed to start it must find nothing of it");
            supervisor.ended(BLOCK, 0);
            supervisor.tick(2 * SECOND);
            let given_up = [Order::Answer(1, Err(SupervisorError::Failed))];
            let made_again = [Order::Make(BLOCK)];
            assert_eq!(supervisor.take_orders(), if death == TOO_MANY { given_up } else { made_again });
        }
        if needed == TOO_MANY {
            assert_eq!(state(&supervisor, 0), TaskState::Dead);
            supervisor.start(LINUX, "block", 2).expect("whoever asks gets a new chance");
            assert_eq!(supervisor.take_orders(), [Order::Make(BLOCK)]);
        } else {
            supervisor.made(BLOCK, Ok(()), 0);
            assert_eq!(supervisor.take_orders(), [Order::Answer(1, Ok(()))]);
        }
    }
}

#[test]
fn whoever_waits_for_a_start_learns_of_a_stop() {
    let (mut supervisor, _) = started("");
    supervisor.start(LINUX, "block", 1).expect("allowed");
    for _ in 0..2 {
        supervisor.died(BLOCK, Death::Fault, 0);
        supervisor.made(BLOCK, Ok(()), 0);
        supervisor.ended(BLOCK, 0);
    }
    supervisor.take_orders();
    supervisor.stop(LINUX, "block", 2).expect("it is to be made later");
    assert_eq!(supervisor.take_orders(), [Order::Answer(1, Err(SupervisorError::Failed)), Order::Answer(2, Ok(()))]);
}

#[test]
fn kills_are_not_held_against_a_task() {
    let mut supervisor = native();
    for _ in 0..1000 {
        supervisor.kill(LINUX, "block", 5).expect("allowed");
        supervisor.ended(BLOCK, 5);
        supervisor.made(BLOCK, Ok(()), 0);
        assert_eq!(supervisor.take_orders(), [Order::Stop(BLOCK), Order::End(BLOCK), Order::Make(BLOCK)]);
    }
    assert_eq!(supervisor.service(0).expect("there").restarts, 1000);
}

#[test]
fn a_driver_that_writes_into_a_dying_tasks_memory_ends_first() {
    let mut supervisor = native();
    supervisor.kill(LINUX, "fs", 0).expect("allowed");
    let orders = supervisor.take_orders();
    assert_eq!(orders, [Order::Stop(FS), Order::Stop(BLOCK), Order::End(BLOCK), Order::End(FS)]);
    supervisor.ended(BLOCK, 0);
    supervisor.ended(FS, 0);
    assert_eq!(supervisor.take_orders(), [Order::Make(BLOCK), Order::Make(FS)]);
    // While it is being made it has done nothing yet, but it may have by the time it is there.
    supervisor.made(FS, Ok(()), 0);
    supervisor.kill(LINUX, "fs", 0).expect("allowed");
    assert_eq!(supervisor.take_orders(), [Order::Stop(FS), Order::Stop(BLOCK), Order::End(FS)]);
    supervisor.made(BLOCK, Ok(()), 0);
    assert_eq!(supervisor.take_orders(), [Order::Stop(BLOCK), Order::End(BLOCK)]);
}

#[test]
fn stopping_an_ended_pause_or_a_given_up_task_is_done_at_once() {
    let mut supervisor = native();
    for now in [0, 1] {
        supervisor.died(BLOCK, Death::Fault, now);
        supervisor.ended(BLOCK, now);
        supervisor.made(BLOCK, Ok(()), 0);
    }
    supervisor.take_orders();
    assert_eq!(supervisor.next_tick(), Some(1 + SECOND / 100));
    supervisor.stop(LINUX, "block", 1).expect("allowed");
    assert_eq!(supervisor.take_orders(), [Order::Answer(1, Ok(()))]);
    supervisor.tick(10 * SECOND);
    assert_eq!(supervisor.take_orders(), []);
    assert_eq!(supervisor.phase(BLOCK), Some(Phase::Absent));
}

#[test]
fn the_personality_takes_its_services_with_it() {
    let (mut supervisor, _) = started("fs:native");
    supervisor.made(FS, Ok(()), 0);
    supervisor.start(LINUX, "block", 1).expect("allowed");
    supervisor.made(BLOCK, Ok(()), 0);
    supervisor.placed(LINUX, "block", Placement::Native).expect("allowed");
    supervisor.take_orders();
    assert!(supervisor.died(LINUX, Death::Fault, 0));
    let orders = supervisor.take_orders();
    let expected = [Order::Stop(LINUX), Order::Stop(BLOCK), Order::End(BLOCK), Order::Stop(FS), Order::End(FS)];
    assert_eq!(orders[..5], expected);
    assert_eq!(orders[5..], [Order::End(LINUX)], "its own memory comes last: the driver's device wrote there");
    let places = [0, 1].map(|number| supervisor.service(number).expect("there").placement);
    assert_eq!(places, [Place::Personality, Place::Native], "as at boot");
    supervisor.ended(BLOCK, 0);
    supervisor.ended(FS, 0);
    supervisor.ended(LINUX, 0);
    assert_eq!(supervisor.take_orders(), [Order::Make(FS), Order::Make(LINUX)]);
    assert_eq!(supervisor.phase(BLOCK), Some(Phase::Absent));
}

#[test]
fn what_was_under_way_when_the_personality_died_comes_out_as_at_boot() {
    let mut supervisor = native();
    supervisor.stop(LINUX, "fs", 1).expect("allowed");
    supervisor.died(LINUX, Death::Fault, 0);
    supervisor.take_orders();
    supervisor.ended(FS, 0);
    assert_eq!(supervisor.take_orders(), [Order::Make(FS)], "it is native at boot");

    let (mut supervisor, _) = started("");
    supervisor.start(LINUX, "fs", 1).expect("allowed");
    supervisor.died(LINUX, Death::Fault, 0);
    supervisor.take_orders();
    supervisor.made(FS, Ok(()), 0);
    let orders = supervisor.take_orders();
    assert_eq!(orders, [Order::Answer(1, Err(SupervisorError::Failed)), Order::Stop(FS), Order::End(FS)]);
    supervisor.ended(FS, 0);
    assert_eq!(supervisor.take_orders(), []);
    assert_eq!(supervisor.phase(FS), Some(Phase::Absent));
}

#[test]
fn the_system_halts_with_what_is_essential() {
    let (mut supervisor, _) = started("");
    assert!(supervisor.died(PCI, Death::Fault, 0));
    assert_eq!(supervisor.take_orders(), [Order::Stop(PCI), Order::Halt(PCI)]);
    for _ in 1..TOO_MANY {
        assert!(supervisor.died(LINUX, Death::Fault, 0));
        supervisor.ended(LINUX, 2 * SECOND);
        supervisor.made(LINUX, Ok(()), 0);
        let halts = supervisor.take_orders().contains(&Order::Halt(LINUX));
        assert!(!halts, "it is made anew");
    }
    assert!(supervisor.died(LINUX, Death::Fault, 0));
    assert!(supervisor.take_orders().contains(&Order::Halt(LINUX)), "it died too often");
    assert!(supervisor.died(STRANGER, Death::Fault, 0));
    assert_eq!(supervisor.take_orders(), [Order::Stop(STRANGER), Order::End(STRANGER)], "nobody needs it");
}

/// The system with `block` inside `linux`, and `fs` native and running.
fn fs_native() -> Supervisor<u32> {
    let (mut supervisor, _) = started("fs:native");
    supervisor.made(FS, Ok(()), 0);
    supervisor.take_orders();
    supervisor
}

#[test]
fn a_dead_client_of_a_driver_inside_another_task_is_let_go_of_before_its_memory_is_taken_back() {
    let mut supervisor = fs_native();
    assert!(supervisor.died(FS, Death::Killed, 5));
    assert_eq!(supervisor.take_orders(), [Order::Stop(FS), Order::Part(FS, 1)]);
    assert_eq!(state(&supervisor, 1), TaskState::Restarting);
    supervisor.parted(FS, 7);
    assert_eq!(supervisor.take_orders(), [], "that is the answer to something else");
    supervisor.parted(FS, 1);
    assert_eq!(supervisor.take_orders(), [Order::End(FS)]);
    supervisor.parted(FS, 1);
    assert_eq!(supervisor.take_orders(), [], "once");
    supervisor.ended(FS, 6);
    assert_eq!(supervisor.take_orders(), [Order::Admit(FS), Order::Make(FS)]);
    // It dies at its first instruction, before it is said that it was made.
    assert!(supervisor.died(FS, Death::Killed, 7));
    supervisor.made(FS, Ok(()), 8);
    assert_eq!(supervisor.take_orders(), [Order::Stop(FS), Order::Stop(FS), Order::Part(FS, 2)]);
}

#[test]
fn a_task_that_does_not_let_go_of_a_dead_client_is_ended_first() {
    let mut supervisor = fs_native();
    supervisor.died(FS, Death::Killed, 5);
    supervisor.take_orders();
    let until = supervisor.next_tick().expect("somebody is waited for");
    supervisor.tick(until - 1);
    assert_eq!(supervisor.take_orders(), []);
    supervisor.tick(until);
    assert_eq!(supervisor.take_orders(), [Order::Stop(LINUX), Order::End(LINUX), Order::End(FS)]);
    // The answer of a task that is gone.
    supervisor.parted(FS, 1);
    assert_eq!(supervisor.take_orders(), []);
    supervisor.ended(LINUX, until);
    supervisor.ended(FS, until);
    assert_eq!(supervisor.take_orders(), [Order::Make(LINUX), Order::Make(FS)]);
    assert_eq!(supervisor.next_tick(), None);
}

#[test]
fn nobody_waits_for_a_task_that_died_itself() {
    let mut supervisor = fs_native();
    supervisor.died(FS, Death::Killed, 5);
    supervisor.died(LINUX, Death::Fault, 6);
    let orders = supervisor.take_orders();
    assert_eq!(orders, [Order::Stop(FS), Order::Part(FS, 1), Order::Stop(LINUX), Order::End(LINUX), Order::End(FS)]);
    assert_eq!(supervisor.next_tick(), None);
}

#[test]
fn a_client_that_is_stopped_and_one_of_a_native_driver_are_not_parted() {
    let mut supervisor = fs_native();
    supervisor.stop(LINUX, "fs", 1).expect("allowed");
    assert_eq!(supervisor.take_orders(), [Order::Stop(FS), Order::End(FS)], "it has retired");
    let mut supervisor = native();
    supervisor.died(FS, Death::Killed, 5);
    let orders = supervisor.take_orders();
    assert!(orders.contains(&Order::End(BLOCK)) && !orders.iter().any(|order| matches!(order, Order::Part(..))));
}

#[test]
fn a_driver_ends_with_its_devices_fault_where_its_manifest_says_so() {
    let (mut supervisor, _) = started("");
    for caller in [LINUX, BLOCK, STRANGER, 99] {
        assert_eq!(supervisor.device_fault(caller, 2, 0), Err(SupervisorError::Refused));
    }
    assert_eq!(supervisor.device_fault(PCI, 3, 0), Err(SupervisorError::Unknown));
    // The personality's manifest wants it noted only.
    assert_eq!(supervisor.device_fault(PCI, 1, 0), Ok(()));
    assert_eq!(supervisor.phase(LINUX), Some(Phase::Running));
    // A driver that does not run has no device.
    assert_eq!(supervisor.device_fault(PCI, 2, 0), Ok(()));
    assert_eq!(supervisor.take_orders(), []);
    supervisor.start(LINUX, "block", 1).expect("allowed");
    supervisor.made(BLOCK, Ok(()), 0);
    supervisor.take_orders();
    assert_eq!(supervisor.device_fault(PCI, 2, 0), Ok(()));
    assert!(supervisor.take_orders().contains(&Order::Stop(BLOCK)));
    assert_ne!(supervisor.phase(BLOCK), Some(Phase::Running));
}
