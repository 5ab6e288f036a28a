//! Processes, signals and who runs as what.

use super::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "ps shows a process",
        "sleep 77 & until grep -q '^sleep' /proc/$!/cmdline; do :; done; ps -o args | grep '^sleep 77'; ps | head -n 1; kill $!",
    ),
    case("top -b -n1", "top -b -n1 | sed -n '1p;2p;4p' | sed -E 's/ *[0-9.]+/ N/g'"),
    case("free", "free | awk '{ print $1, NF }'; free | awk '/Mem/ { print ($2 > 100000), ($3 + $4 <= $2) }'"),
    case(
        "kill",
        "sleep 100 & p=$!; kill -0 $p; echo $?; kill -STOP $p; kill -CONT $p; kill $p; wait $p; echo $?; kill -0 $p 2>/dev/null; echo $?; kill -l 9; kill -l | head -n 3; kill -9 999999; echo $?",
    ),
    case(
        "kill of a process group",
        "setsid sh -c 'sleep 100 & sleep 100 & echo $$; wait' >p & until [ -s p ]; do sleep 0.1; done; kill -TERM -$(cat p); wait $!; echo $?",
    ),
    case(
        "killall and pidof",
        "cp /bin/busybox ./mysleeper 2>/dev/null; ln -s /bin/busybox sleep; ./sleep 55 & p=$!; until grep -q '^./sleep' /proc/$p/cmdline; do :; done; [ \"$(pidof sleep | tr ' ' '\\n' | grep -c \"^$p$\")\" = 1 ] && echo found; killall nothing_here; echo $?; kill $p; wait $p; echo $?; pidof nothing_here; echo $?",
    ),
    case("nice", "nice; nice -n 5 nice; nice -n 5 nice -n 3 nice; renice -n 2 -p $$; nice"),
    case(
        "env",
        "env -i A=1 B=2 env; env -i sh -c 'echo ${PATH:+path}'; env -u HOME sh -c 'echo [$HOME]'; X=5 env | grep '^X='; env no_such_program; echo $?",
    ),
    case("id", "id; id -u; id -un; id -G; busybox su -s /bin/sh nobody -c 'id'; whoami; groups; logname; echo $?"),
    case("sleep", "sleep 0; echo $?; sleep 0.01; echo $?; sleep x; echo $?"),
    case(
        "timeout",
        "timeout 1 sleep 100; echo $?; timeout 10 true; echo $?; timeout -s KILL 1 sleep 100; echo $?; timeout 5 sh -c 'exit 3'; echo $?",
    ),
    case("stress: all kinds of work at once, for a second", "/tests/stress 1 7 $PWD >out || cat out; wc -l <out"),
    case("time", "time true 2>&1 | sed 's/[0-9.]\\+/N/g'; (time sleep 0) 2>&1 | grep -c real"),
    case("nohup", "nohup sh -c 'trap | cat; kill -HUP $$; echo survived' 2>/dev/null"),
    case(
        "setsid",
        "setsid sh -c 'echo in session'; echo $?; setsid sh -c 'set -- $(cat /proc/self/stat); [ $6 = $1 ] || echo member'",
    ),
    case(
        "script makes a terminal",
        "script -q -c 'tty | sed s/[0-9]*$/N/; test -t 0 && echo terminal' out </dev/null >/dev/null; tr -d '\\r' <out | grep -v '^Script '",
    ),
    case(
        "wait statuses",
        "sh -c 'exit 300'; echo $?; sh -c 'kill -9 $$'; echo $?; sh -c 'kill -ABRT $$' 2>/dev/null; echo $?; (exit 256); echo $?",
    ),
    case(
        "orphans are reaped",
        "sh -c '(sleep 1; echo orphan >f) &'; until [ -s f ]; do sleep 0.1; done; cat f; ps -o stat,args | grep -c '^Z' ",
    ),
    case(
        "stop and continue",
        "sleep 300 & p=$!; s() { until grep -q \"State:.$1\" /proc/$p/status; do sleep 0.1; done; }; s S; kill -STOP $p; s T; awk '{ print $3 }' /proc/$p/stat; kill -CONT $p; s S; awk '{ print $3 }' /proc/$p/stat; kill $p; wait $p; echo $?",
    ),
    case(
        "a stopped process keeps its signals",
        "sh -c 'trap \"echo term; exit 6\" TERM; echo ready >r; while :; do sleep 1; done' & p=$!; while [ ! -e r ]; do sleep 0.1; done; kill -STOP $p; kill -TERM $p; sleep 1; kill -CONT $p; wait $p; echo $?",
    ),
    case("signals to a shell in wait", "trap 'echo usr1' USR1; (sleep 1; kill -USR1 $$) & wait; echo woken; wait"),
    case(
        "signal names by the shell",
        "for s in HUP INT QUIT PIPE ALRM TERM USR2; do sh -c \"kill -$s \\$\\$\" ; echo $s $?; done",
    ),
    case(
        "ignored signals are inherited",
        "trap '' INT; sh -c 'kill -INT $$; echo alive'; sh -c 'grep SigIgn /proc/self/status' | cut -f2",
    ),
    case("nested shells", "sh -c 'sh -c \"sh -c \\\"echo inner\\\"\"'; echo 'echo piped' | sh | cat"),
    case(
        "start-stop-daemon",
        "start-stop-daemon -S -b -m -p f.pid -x /bin/sleep -- 66; until ps -o args | grep '^/bin/sleep 66'; do sleep 0.1; done; start-stop-daemon -K -p f.pid >/dev/null; while ps -o args | grep -q '^/bin/sleep 66'; do sleep 0.1; done; ps -o args | grep -c '^/bin/sleep 66'",
    ),
    case("chrt and taskset", "taskset -p $$ | sed 's/.*: //'"),
    case(
        "exec of a folder, of nothing, of junk",
        "mkdir d; ./d; echo $?; ./none; echo $?; printf '\\177ELF\\2\\1\\1' >t; chmod +x t; ./t; echo $?; head -c 300 /bin/busybox >h; chmod +x h; ./h 2>/dev/null; echo $?",
    ),
    case("an empty executable runs as an empty script", ": >e; chmod +x e; ./e; echo $?"),
    case("uptime", "uptime | grep -c 'load average'; [ $(cut -d. -f1 /proc/uptime) -ge 0 ] && echo positive"),
    case(
        "process tree in /proc",
        "sh -c 'sh -c \"grep PPid /proc/self/status >/dev/null && echo has parent\"'; ls /proc/self/fd | head -n 3 | wc -l; readlink /proc/self/exe; cat /proc/$$/comm; [ -d /proc/1 ] && echo init",
    ),
    case(
        "environment and maps in /proc",
        "env -i A=b cat /proc/self/environ | tr '\\0' ,; echo; grep -c stack /proc/self/maps; cd /tmp; readlink /proc/self/cwd; readlink /proc/self/root; awk '/^Uid/ { print $2, $3 }' /proc/self/status",
    ),
];
