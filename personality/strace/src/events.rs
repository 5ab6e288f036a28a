//! epoll, eventfd and timerfd: their events and names.

use crate::calls::Context;
use crate::memory::Structure;
use crate::names::Names;
use crate::print::{self, put};
use crate::special;
use crate::structures;
use alloc::string::String;
use linux_abi::raw::general as linux;

pub(crate) const EVENTFD_FLAGS: Names = &[
    (linux::EFD_SEMAPHORE as u64, "EFD_SEMAPHORE"),
    (linux::EFD_CLOEXEC as u64, "EFD_CLOEXEC"),
    (linux::EFD_NONBLOCK as u64, "EFD_NONBLOCK"),
];

pub(crate) const EPOLL_CREATE_FLAGS: Names = &[(linux::EPOLL_CLOEXEC as u64, "EPOLL_CLOEXEC")];

pub(crate) const EPOLL_OPERATION: Names = &[
    (linux::EPOLL_CTL_ADD as u64, "EPOLL_CTL_ADD"),
    (linux::EPOLL_CTL_DEL as u64, "EPOLL_CTL_DEL"),
    (linux::EPOLL_CTL_MOD as u64, "EPOLL_CTL_MOD"),
];

/// Events of epoll_ctl(2), numbers of `linux/eventpoll.h`.
const EPOLL_EVENTS: Names = &[
    (0x1, "EPOLLIN"),
    (0x2, "EPOLLPRI"),
    (0x4, "EPOLLOUT"),
    (0x8, "EPOLLERR"),
    (0x10, "EPOLLHUP"),
    (0x20, "EPOLLNVAL"),
    (0x40, "EPOLLRDNORM"),
    (0x80, "EPOLLRDBAND"),
    (0x100, "EPOLLWRNORM"),
    (0x200, "EPOLLWRBAND"),
    (0x400, "EPOLLMSG"),
    (0x2000, "EPOLLRDHUP"),
    (1 << 28, "EPOLLEXCLUSIVE"),
    (1 << 29, "EPOLLWAKEUP"),
    (1 << 30, "EPOLLONESHOT"),
    (1 << 31, "EPOLLET"),
];

/// Of timerfd_create(2) and of timerfd_settime(2): strace has one table for both.
pub(crate) const TIMERFD_FLAGS: Names = &[
    (linux::TFD_TIMER_ABSTIME as u64, "TFD_TIMER_ABSTIME"),
    (linux::TFD_TIMER_CANCEL_ON_SET as u64, "TFD_TIMER_CANCEL_ON_SET"),
    (linux::TFD_CLOEXEC as u64, "TFD_CLOEXEC"),
    (linux::TFD_NONBLOCK as u64, "TFD_NONBLOCK"),
];

/// Size of `struct epoll_event`, which is packed on x86_64.
const EVENT: usize = 12;

fn event(out: &mut String, event: &Structure) {
    out.push_str("{events=");
    print::labelled_flags(out, EPOLL_EVENTS, u64::from(event.u32(0)), "EPOLL???");
    put!(out, ", data={{u32={}, u64={}}}}}", event.u32(4), event.u64(4));
}

/// What is asked of a descriptor; nothing is when it is taken out.
pub(crate) fn asked(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    if context.argument(1) as u32 == linux::EPOLL_CTL_DEL {
        print::address(out, at);
    } else {
        structures::show(out, context.memory, at, EVENT, event);
    }
}

/// Events that came.
pub(crate) fn happened(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let Some(count) = context.result.filter(|_| !context.failed()) else { return print::address(out, at) };
    special::array(out, count.max(0) as u64, |out, item| {
        structures::show(out, context.memory, at.wrapping_add(item * EVENT as u64), EVENT, event);
        true
    });
}
