//! Foreign execution, by a Vcpu and as messages.

use ukernel_abi::Error;
use ukernel_user::Cap;

use super::meter::Meter;
use crate::foreign_thread::ForeignThread;
use crate::machine::foreign_code;
use crate::master::Master;
use crate::world::World;

const CODE: u64 = 0x40_0000;

/// Both mechanisms, with the same code.
pub fn both(world: &mut World, meter: Meter) -> Result<(), Error> {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    master.enter(world)?;
    // One order makes the master enter many times; what the order itself takes is in it, but not its events.
    let totals = meter.span(|| master.enter_many(meter.rounds))?;
    let [one, eleven] = [meter.events(|| master.enter_many(1))?, meter.events(|| master.enter_many(11))?];
    meter.print("vcpu_exit_enter", totals, Some((eleven - one) / 10));

    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start().map_err(|_| Error::InvalidState)?;
    meter.measure("exception_ipc_round_trip", || {
        state = foreign.run(&state).map_err(|_| Error::InvalidState)?;
        Ok(())
    })
}
