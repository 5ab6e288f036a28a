//! exit, exit_group. Both take effect before the program would run on.

use task::{ExitStatus, Task, begin_group_exit};

use crate::{Args, SysResult};

/// exit(2)
pub fn sys_exit(task: &Task, args: &Args) -> SysResult {
    task.request_exit(ExitStatus::Code(args.uint(0) as u8));
    Ok(0)
}

/// exit_group(2)
pub fn sys_exit_group(task: &Task, args: &Args) -> SysResult {
    begin_group_exit(&task.process, ExitStatus::Code(args.uint(0) as u8));
    task.notify_self();
    Ok(0)
}
