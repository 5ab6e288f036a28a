//! The shell's own features.

use super::{Case, case, with_input};

pub const CASES: &[Case] = &[
    case("sh pipeline upper-cases hello", "echo hello | tr a-z A-Z"),
    case("sh exit status is passed on", "exit 7"),
    case("sh status of a pipeline is the last one's", "false | true; echo $?; true | false; echo $?"),
    case("sh dies by SIGSEGV", "kill -SEGV $$"),
    case("sh reports a child's signal", "sh -c 'kill -TERM $$'; echo $?"),
    case("sh functions", "f() { local x=$1; [ $x -le 1 ] && echo 1 || echo $((x * $(f $((x - 1))))); }; f 6"),
    case("sh function return", "f() { return 3; }; f; echo $?"),
    case(
        "sh here-document",
        "x=5; cat <<END\nvalue $x $((x+1)) $(echo sub)\nEND\ncat <<'END'\nraw $x\nEND\ncat <<-END\n\tindented\n\tEND",
    ),
    case("sh trap EXIT", "trap 'echo bye' EXIT; echo hi; exit 4"),
    case("sh trap of a signal", "trap 'echo got' USR1; kill -USR1 $$; echo after"),
    case("sh trap ignores", "trap '' TERM; kill -TERM $$; echo alive; sh -c 'kill -TERM $$; echo child too'"),
    case(
        "sh command substitution",
        "a=$(echo one; echo two); echo \"$a\"; echo `echo old`; echo $(echo $(echo nested))",
    ),
    case(
        "sh arithmetic",
        "echo $((2**10)) $((7/2)) $((-7%3)) $((1<<4|3)) $((5>3&&2>1)) $((0x1f)); i=5; echo $((i++ + ++i)) $i",
    ),
    case(
        "sh parameter expansion",
        "v=/usr/lib/a.tar.gz; echo ${v##*/} ${v%.*} ${v%%.*} ${v#/usr} ${#v} ${n:-def} ${v:+set}; : ${w:=new}; echo $w ${v/usr/opt} ${v:5:3}",
    ),
    case(
        "sh globs",
        "touch a.c b.c c.h .hid; echo *.c ?.h [ab].* .h* *none*; case foo.c in *.h) echo h;; *.c) echo c;; esac",
    ),
    case("sh background jobs and wait", "(exit 3) & p=$!; wait $p; echo $?; sleep 0 & wait; echo $?"),
    case("sh 200 background jobs", "for i in $(seq 1 200); do (echo $i | wc -c) & done | sort -n | uniq -c; wait"),
    case(
        "sh loops",
        "for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; while read l; do echo [$l]; done <<E\na b\n c\nE\nuntil true; do :; done; i=0; while :; do i=$((i+1)); [ $i = 4 ] && break; done; echo $i",
    ),
    case(
        "sh redirections",
        "echo out >o; echo err >&2 2>e; ls nofile 2>&1 >/dev/null | wc -l; exec 3>f; echo three >&3; exec 3>&-; cat <f; echo more >>f; cat f; (echo a; echo b >&2) 2>&1 | sort",
    ),
    case(
        "sh positional parameters",
        "set -- a 'b c' d; echo $# \"$2\"; shift; echo \"$*\"; for x in \"$@\"; do echo \"<$x>\"; done",
    ),
    case("sh set -e", "set -e; true; echo one; false; echo two"),
    case("sh set -u", "set -u; echo $undefined_variable; echo not reached"),
    case("sh set -x", "set -x; a=1; echo $a >/dev/null"),
    case("sh pipefail", "set -o pipefail; false | true; echo $?"),
    case("sh subshell keeps the parent's variables", "x=1; (x=2; cd /; echo $x $PWD); echo $x"),
    case(
        "sh getopts",
        "set -- -a -b val rest; while getopts ab: o; do echo $o $OPTARG; done; shift $((OPTIND-1)); echo $1",
    ),
    case(
        "sh eval and quoting",
        "x='a  b'; eval \"y=\\$x\"; echo \"$y\"; echo 'single'\\''quote' \"dq\\\"\" $'tab\\tx'",
    ),
    case("sh command not found", "no_such_command_here; echo $?"),
    case("sh permission denied", "echo hi >f; ./f; echo $?; chmod +x f; ./f; echo $?"),
    case(
        "sh script with an interpreter line",
        "printf '#!/bin/sh\\necho script $0 $1\\n' >s; chmod +x s; ./s arg; printf '#!/usr/bin/awk -f\\nBEGIN { print \"awk\" }\\n' >a; chmod +x a; ./a",
    ),
    case("sh exec replaces the shell", "exec echo replaced; echo never"),
    case(
        "sh read",
        "echo 'a b c' | { read x y; echo \"$y-$x\"; }; printf 'l1\\nl2\\n' | while read l; do echo \"<$l>\"; done; echo x:y | { IFS=: read a b; echo $b$a; }",
    ),
    case(
        "sh test operators",
        "[ 3 -gt 2 ] && [ abc = abc ] && [ -d / ] && [ ! -e nope ] && [ -z '' ] && echo yes; [ a -a '' ] || echo no",
    ),
    case("sh ulimit", "ulimit -n 64; ulimit -n; ulimit -c 0; ulimit -c"),
    case("sh umask", "umask 077; touch f; stat -c %a f; umask"),
    case("sh type and command", "type echo; command -v cat; type no_such_thing"),
    case(
        "sh printf",
        "printf '%s-%d-%x-%05.1f|%-5s|%c\\n' str 42 255 3.14159 ab xyz; printf '%b\\n' 'a\\tb'; printf '%s\\n' a b c",
    ),
    case("sh echo options", "echo -n no newline; echo; echo -e 'a\\tb\\n\\x41'; echo '-n'"),
    with_input("sh reads a script from standard input", "sh -s arg", "echo got $1\nexit 5\n"),
    with_input("sh passes standard input on", "cat; echo end", "line one\nline two"),
    case("sh kill of a background process", "sleep 100 & p=$!; kill $p; wait $p; echo $?"),
    case("sh process group of a pipeline", "sleep 2 | cat & kill $!; wait $!; echo $?; kill %1 2>/dev/null; true"),
    case(
        "sh deep recursion of processes",
        "f() { [ $1 = 0 ] && echo deep || sh -c \"$(printf 'echo level')\" >/dev/null; [ $1 = 0 ] || (f $(($1 - 1))); }; f 30",
    ),
    case("sh large variable", "x=$(seq 1 20000); echo ${#x}; echo \"$x\" | tail -n 1"),
    case(
        "sh argument list too long",
        "x=$(head -c 200000 /dev/zero | tr '\\0' a); /bin/echo $x 2>&1 | wc -c; /bin/true $x; echo $?",
    ),
    case("sh broken pipe", "yes | head -n 2; (while echo y; do :; done) 2>/dev/null | head -n 1"),
];
