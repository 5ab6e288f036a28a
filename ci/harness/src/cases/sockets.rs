//! The small programs of `userland/legacy` about readiness and sockets.

use super::{Case, case};

macro_rules! tests {
    ($($name:literal)*) => { &[$(case(concat!("sockets: ", $name), concat!("/tests/abi-tests ", $name))),*] };
}

pub const CASES: &[Case] = tests! {
    "epoll-levels-and-edges"
    "epoll-one-shot"
    "epoll-errors"
    "epoll-of-closed-descriptors"
    "epoll-in-epoll"
    "epoll-wakes-up"
    "epoll-takes-turns"
    "eventfd"
    "timerfd"
    "descriptor-limit-is-raised"
    "tcp-connections"
    "tcp-poll-states"
    "tcp-endings"
    "tcp-addresses"
    "tcp-without-waiting"
    "tcp-options"
    "tcp-throughput"
    "tcp-and-epoll"
    "udp"
    "ipv6"
    "beyond-the-machine"
    "socket-pairs"
    "socket-errors"
    "socket-poll-states"
    "socket-names"
    "socket-connections"
    "socket-datagrams"
    "socket-descriptors"
    "socket-credentials"
    "socket-circles"
    "socket-options"
    "socket-wakes-up"
    "socket-throughput"
    "listed-listeners"
    "listed-connections"
    "listed-datagrams"
    "listed-local-sockets"
    "listed-interfaces"
};
