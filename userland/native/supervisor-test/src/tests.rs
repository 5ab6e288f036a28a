//! The tests.

use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use interfaces::supervisor::{Placement, TaskState};
use interfaces::{Supervisor, SupervisorError};
use ipc::{Capability, Failure};
use rt::time::now_ns;
use ukernel_user::{Cap, Error, Memory, Rights};

use crate::contract::{Victim, VictimError};
use crate::tester::{Outcome, World};
use crate::victim::COUNTERS;

type Test = (&'static str, fn(&World) -> Outcome);

/// Before the tester kills itself.
pub const FIRST_LIFE: &[Test] = &[
    ("urgent_threads_end_while_they_are_joined", urgent_threads_end_while_they_are_joined),
    ("services_are_described", services_are_described),
    ("a_started_server_answers", a_started_server_answers),
    ("a_call_under_way_ends_with_its_server", a_call_under_way_ends_with_its_server),
    ("all_threads_of_a_dead_task_stop", all_threads_of_a_dead_task_stop),
    ("what_a_dead_task_gave_away_is_gone", what_a_dead_task_gave_away_is_gone),
    ("a_panic_is_survived", a_panic_is_survived),
    ("a_stopped_server_starts_again", a_stopped_server_starts_again),
    ("a_task_that_dies_at_once_is_given_up", a_task_that_dies_at_once_is_given_up),
    ("a_program_that_is_missing_is_an_error", a_program_that_is_missing_is_an_error),
    ("what_is_not_the_callers_is_refused", what_is_not_the_callers_is_refused),
    ("a_thousand_restarts_leave_nothing_behind", a_thousand_restarts_leave_nothing_behind),
    ("placements_are_noted", placements_are_noted),
];

/// After that.
pub const SECOND_LIFE: &[Test] = &[
    ("services_of_a_dead_task_are_as_at_boot", services_of_a_dead_task_are_as_at_boot),
    ("the_next_life_has_everything_again", a_started_server_answers),
];

fn check(condition: bool, what: &str) -> Outcome {
    if condition { Ok(()) } else { Err(what.into()) }
}

fn asked(result: Result<(), SupervisorError>) -> Outcome {
    result.map_err(|error| format!("the supervisor: {error:?}"))
}

fn victim<T>(result: Result<T, VictimError>) -> Result<T, alloc::string::String> {
    result.map_err(|error| format!("the victim: {error:?}"))
}

/// Among so many some thread ends while its lower joiner holds the lock that it takes for its end, and has to wait.
fn urgent_threads_end_while_they_are_joined(_world: &World) -> Outcome {
    for ahead in 0..2000 {
        let ends_at = now_ns() + 50_000;
        let end = move || rt::thread::sleep_until(ends_at);
        let thread =
            rt::thread::spawn_raised("urgent", 16 << 10, end).map_err(|error| format!("no thread: {error:?}"))?;
        while now_ns() + ahead < ends_at {
            core::hint::spin_loop();
        }
        thread.join();
    }
    Ok(())
}

fn services_are_described(world: &World) -> Outcome {
    let service = world.service("victim")?;
    check(service.placement == Placement::Personality, "it is not where the manifest says")?;
    check(service.state == TaskState::Absent && service.restarts == 0, "there is a task before one was started")?;
    check(world.supervisor.service(99) == Err(SupervisorError::Unknown), "there are services without end")
}

fn a_started_server_answers(world: &World) -> Outcome {
    asked(world.supervisor.start("victim"))?;
    check(world.service("victim")?.state == TaskState::Running, "it does not run")?;
    check(world.supervisor.start("victim") == Err(SupervisorError::State), "it was started twice")?;
    check(victim(world.victim.incarnation())? <= now_ns(), "its start is in the future")
}

fn a_call_under_way_ends_with_its_server(world: &World) -> Outcome {
    let (client, answer) = (world.victim, Arc::new(rt::sync::Mutex::new(None)));
    let result = answer.clone();
    let thread = rt::thread::spawn("caller", 16 << 10, move || *result.lock() = Some(client.hang()));
    let thread = thread.map_err(|error| format!("no thread: {error:?}"))?;
    rt::thread::sleep_until(now_ns() + 5_000_000);
    check(answer.lock().is_none(), "the call was answered")?;
    world.kill_victim()?;
    thread.join();
    let answer = answer.lock().take();
    let died = Err(VictimError::Call(Failure::Kernel(Error::ServerDied)));
    check(answer == Some(died), &format!("the call ended with {answer:?}"))
}

fn all_threads_of_a_dead_task_stop(world: &World) -> Outcome {
    let memory: Cap<Memory> = rt::object::create(4096).map_err(|error| format!("no memory: {error:?}"))?;
    victim(world.victim.count(Capability(memory.slot())))?;
    let counters = || {
        rt::thread::sleep_until(now_ns() + 20_000_000);
        let mut bytes = [0; COUNTERS as usize * 8];
        rt::memory::read(memory, 0, &mut bytes).map(|()| bytes).map_err(|error| format!("cannot read: {error:?}"))
    };
    let (first, second) = (counters()?, counters()?);
    let all_count = first.chunks(8).zip(second.chunks(8)).all(|(first, second)| first != second);
    check(all_count, "some thread did not count")?;
    world.kill_victim()?;
    let (first, second) = (counters()?, counters()?);
    rt::cap::delete(memory.slot());
    check(first == second, "some thread goes on after its task's death")
}

fn what_a_dead_task_gave_away_is_gone(world: &World) -> Outcome {
    let memory: Cap<Memory> = Cap::new(victim(world.victim.memory())?.0);
    check(memory.size() == Ok(4096), "it gave no memory")?;
    let copy = rt::cap::copy(memory, Rights::READ).map_err(|error| format!("no copy: {error:?}"))?;
    world.kill_victim()?;
    check(memory.size().is_err() && copy.size().is_err(), "memory of a dead task is still there")?;
    rt::cap::free_slot(memory.slot());
    rt::cap::free_slot(copy.slot());
    Ok(())
}

fn a_panic_is_survived(world: &World) -> Outcome {
    let (before, restarts) = (victim(world.victim.incarnation())?, world.service("victim")?.restarts);
    let answer = world.victim.panic();
    let died = Err(VictimError::Call(Failure::Kernel(Error::ServerDied)));
    check(answer == died, &format!("the call ended with {answer:?}"))?;
    check(victim(world.victim.incarnation())? > before, "it did not die")?;
    check(world.service("victim")?.restarts == restarts + 1, "its restart was not counted")
}

fn a_stopped_server_starts_again(world: &World) -> Outcome {
    let before = victim(world.victim.incarnation())?;
    asked(world.supervisor.stop("victim"))?;
    check(world.service("victim")?.state == TaskState::Absent, "it is still there")?;
    check(world.supervisor.stop("victim") == Err(SupervisorError::State), "it was stopped twice")?;
    check(world.supervisor.kill("victim") == Err(SupervisorError::State), "it was killed though there is none")?;
    // The endpoint stays, and holds a call until there is a server again.
    let (client, is_answered) = (world.victim, Arc::new(AtomicBool::new(false)));
    let seen = is_answered.clone();
    let thread = rt::thread::spawn("caller", 16 << 10, move || {
        seen.store(client.incarnation().is_ok_and(|incarnation| incarnation > before), Ordering::SeqCst);
    });
    let thread = thread.map_err(|error| format!("no thread: {error:?}"))?;
    rt::thread::sleep_until(now_ns() + 5_000_000);
    check(!is_answered.load(Ordering::SeqCst), "somebody answered")?;
    asked(world.supervisor.start("victim"))?;
    thread.join();
    check(is_answered.load(Ordering::SeqCst), "the call did not reach the next incarnation")
}

fn a_task_that_dies_at_once_is_given_up(world: &World) -> Outcome {
    // It lives long enough to have been started, or does not: both are right.
    let started = world.supervisor.start("crasher");
    check(matches!(started, Ok(()) | Err(SupervisorError::Failed)), &format!("it was not tried: {started:?}"))?;
    let start_ns = now_ns();
    let service = world.wait_for("crasher", TaskState::Dead, 20_000)?;
    check(service.restarts == 7, &format!("it was made anew {} times", service.restarts))?;
    let waited_ms = (now_ns() - start_ns) / 1_000_000;
    check(waited_ms > 4000, &format!("the pauses were {waited_ms} ms in all"))
}

fn a_program_that_is_missing_is_an_error(world: &World) -> Outcome {
    check(world.supervisor.start("ghost") == Err(SupervisorError::Failed), "it was started")?;
    check(world.supervisor.start("ghost") == Err(SupervisorError::Failed), "it was started the second time")
}

fn what_is_not_the_callers_is_refused(world: &World) -> Outcome {
    let supervisor = &world.supervisor;
    check(supervisor.kill("bystander") == Err(SupervisorError::Refused), "the bystander was killed")?;
    check(supervisor.start("bystander") == Err(SupervisorError::Refused), "the bystander was started")?;
    check(supervisor.kill("nobody") == Err(SupervisorError::Unknown), "nobody was killed")?;
    check(supervisor.start("root") == Err(SupervisorError::Unknown), "there is a root task in the manifest")
}

fn a_thousand_restarts_leave_nothing_behind(world: &World) -> Outcome {
    let start_ns = now_ns();
    for number in 0..1000 {
        world.kill_victim().map_err(|error| format!("restart {number}: {error}"))?;
    }
    log::info!("bench restart_us {}", (now_ns() - start_ns) / 1_000_000);
    check(world.service("victim")?.restarts >= 1000, "they were not counted")
}

fn placements_are_noted(world: &World) -> Outcome {
    asked(world.supervisor.placed("victim", Placement::Native))?;
    check(world.service("victim")?.placement == Placement::Native, "it was not noted")
}

fn services_of_a_dead_task_are_as_at_boot(world: &World) -> Outcome {
    let service = world.service("victim")?;
    check(service.placement == Placement::Personality, "its placement is not as at boot")?;
    check(service.state == TaskState::Absent, "its task is still there")
}
