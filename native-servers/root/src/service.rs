//! What the root task's first thread does for ever after: everybody's faults, the machine's switch, the supervisor's
//! requests. It decides with [`supervisor::Supervisor`] and leaves to the keeper what takes long.
//!
//! Invariant: it waits for nothing but its own endpoint and the two short locks that it shares with the keeper.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::supervisor::{Placement, ServiceInfo};
use interfaces::system::StopReason;
use interfaces::{SupervisorDispatcher, SupervisorError, SupervisorHandler, SystemDispatcher};
use ipc::{Answer, Caller, Dispatch, Outcome, PendingReply, Request, Response};
use rt::thread::ThreadHandle;
use rt::time::now_ns;
use supervisor::supervisor::Death;
use supervisor::{Order, Supervisor};

use crate::fault::{FAULT_BADGE, Fault, SUPERVISOR_BADGE};
use crate::keeper::{Done, Job, Shared};
use crate::parting::{Question, Questions};
use crate::switch::Switch;

/// Requests that may wait for a task's start or end.
pub const WAITING: usize = 16;

type Answered = Result<(), SupervisorError>;

/// The supervisor's logic, as a server.
struct Requests(Supervisor<PendingReply<Answered>>);

/// The root task's service.
pub struct RootService {
    requests: SupervisorDispatcher<Requests>,
    system: SystemDispatcher<Switch>,
    shared: Arc<Shared>,
    keeper: ThreadHandle,
    questions: Arc<Questions>,
    /// Tasks to kill, and when: what the boot options say.
    kills: Vec<(u64, usize)>,
}

impl RootService {
    /// The service of a system whose tasks that start with it, by number, run now.
    #[must_use]
    pub fn new(
        supervisor: Supervisor<PendingReply<Answered>>,
        started: impl IntoIterator<Item = usize>,
        switch: Switch,
        (shared, keeper, questions): (Arc<Shared>, ThreadHandle, Arc<Questions>),
    ) -> Self {
        let requests = SupervisorDispatcher(Requests(supervisor));
        let system = SystemDispatcher(switch);
        let mut service = Self { requests, system, shared, keeper, questions, kills: Vec::new() };
        service.supervisor().started(started);
        service.carry_out();
        service
    }

    /// Has tasks killed: each by its number, so many nanoseconds from now.
    pub fn kill_later(&mut self, kills: &[(u64, usize)]) {
        let now_ns = now_ns();
        self.kills = kills.iter().map(|(after_ns, task)| (now_ns.saturating_add(*after_ns), *task)).collect();
        self.carry_out();
    }

    fn kill_due(&mut self) {
        let (due, later) = core::mem::take(&mut self.kills).into_iter().partition(|(at_ns, _)| *at_ns <= now_ns());
        let due: Vec<(u64, usize)> = due;
        self.kills = later;
        for (_, task) in due {
            let name = self.supervisor().manifest().tasks.get(task).map(|task| task.name.clone()).unwrap_or_default();
            log::warn!("task \"{name}\" is killed, as the boot options say");
            self.supervisor().died(task, Death::Killed, now_ns());
        }
    }

    fn supervisor(&mut self) -> &mut Supervisor<PendingReply<Answered>> {
        &mut self.requests.0.0
    }

    fn fault(&mut self, number: usize, fault: &Fault) {
        let Some(task) = self.shared.made(number) else { return };
        rt::log_raw(&fault.describe(&task.name));
        for address in task.trace(fault) {
            rt::log_raw(&format!("[{}]   at 0x{address:x}", task.name));
        }
        self.supervisor().died(number, Death::Fault, now_ns());
    }

    /// Carries the supervisor's orders out.
    fn carry_out(&mut self) {
        for order in self.supervisor().take_orders() {
            match order {
                Order::Stop(number) => self.stop(number),
                Order::Part(number, parting) => self.questions.ask(Question::Part(number, parting)),
                Order::Admit(number) => self.questions.ask(Question::Admit(number)),
                Order::End(number) => self.shared.ask(Job::End(number)),
                Order::Make(number) => self.shared.ask(Job::Make(number)),
                Order::Answer(ticket, result) => ticket.complete(result),
                Order::Halt(_) => self.system.0.stop(StopReason::Failure),
            }
        }
        let next = self.supervisor().next_tick();
        let kill = self.kills.iter().map(|(at_ns, _)| *at_ns).min();
        self.shared.set_alarm(next.into_iter().chain(kill).min());
        self.keeper.unpark();
    }

    fn stop(&self, number: usize) {
        let Some(task) = self.shared.made(number) else { return };
        if let Err(error) = task.stop() {
            log::error!("the threads of task \"{}\" cannot be stopped: {error:?}", task.name);
        }
    }
}

impl SupervisorHandler for Requests {
    fn service(
        &mut self,
        _: Caller<'_, Result<ServiceInfo, SupervisorError>>,
        number: u32,
    ) -> Answer<Result<ServiceInfo, SupervisorError>> {
        self.0.service(number as usize).ok_or(SupervisorError::Unknown).into()
    }

    fn start(&mut self, caller: Caller<'_, Answered>, name: &str) -> Answer<Answered> {
        let (by, Some(ticket)) = (number(&caller), caller.defer()) else {
            return Answer::Now(Err(SupervisorError::Failed));
        };
        if let Err((refusal, ticket)) = self.0.start(by, name, ticket) {
            ticket.complete(Err(refusal));
        }
        Answer::Later
    }

    fn stop(&mut self, caller: Caller<'_, Answered>, name: &str) -> Answer<Answered> {
        let (by, Some(ticket)) = (number(&caller), caller.defer()) else {
            return Answer::Now(Err(SupervisorError::Failed));
        };
        if let Err((refusal, ticket)) = self.0.stop(by, name, ticket) {
            ticket.complete(Err(refusal));
        }
        Answer::Later
    }

    fn placed(&mut self, caller: Caller<'_, Answered>, name: &str, placement: Placement) -> Answer<Answered> {
        let placement = match placement {
            Placement::Personality => manifest::Placement::Personality,
            Placement::Native => manifest::Placement::Native,
        };
        self.0.placed(number(&caller), name, placement).into()
    }

    fn kill(&mut self, caller: Caller<'_, Answered>, task: &str) -> Answer<Answered> {
        self.0.kill(number(&caller), task, now_ns()).into()
    }

    fn device_fault(&mut self, caller: Caller<'_, Answered>, driver: u64) -> Answer<Answered> {
        self.0.device_fault(number(&caller), driver, now_ns()).into()
    }
}

/// The number of the task that calls the supervisor.
fn number<T: ipc::Encode>(caller: &Caller<'_, T>) -> usize {
    (caller.badge() & !(FAULT_BADGE | SUPERVISOR_BADGE)) as usize
}

impl Dispatch for RootService {
    const CAPS: usize = 0;

    fn dispatch(&mut self, request: Request<'_>, response: &mut Response) -> Outcome {
        let badge = request.badge;
        if badge & FAULT_BADGE == 0 {
            return self.system.dispatch(request, response);
        }
        let outcome = if badge & SUPERVISOR_BADGE != 0 {
            self.requests.dispatch(request, response)
        } else {
            if let Some(fault) = Fault::from_message(request.label, request.words()) {
                self.fault((badge & !FAULT_BADGE) as usize, &fault);
            }
            // Any answer but "resume" leaves the thread suspended.
            response.refuse(ipc::status::ABANDONED)
        };
        self.carry_out();
        outcome
    }

    fn notified(&mut self, _: u64) {
        for done in self.shared.take_done() {
            match done {
                Done::Ended(number) => self.supervisor().ended(number, now_ns()),
                Done::Made(number, result) => self.supervisor().made(number, result, now_ns()),
                Done::Parted(number, parting) => self.supervisor().parted(number, parting),
            }
        }
        self.supervisor().tick(now_ns());
        self.kill_due();
        self.carry_out();
    }
}
