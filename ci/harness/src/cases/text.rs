//! Applets that work on text.

use super::{Case, case, with_input};

pub const CASES: &[Case] = &[
    with_input("grep", "grep -n b; echo $?", "abc\nxyz\nb\n"),
    case(
        "grep options",
        "printf 'Foo\\nbar\\nfoobar\\n' >f; grep -i foo f; grep -v foo f; grep -c o f; grep -E '^(foo|bar)$' f; grep -o 'o*b' f; grep -w bar f; grep -l bar f; grep -q none f; echo $?; grep -F . f; grep -A1 Foo f; mkdir d; cp f d; grep -r foob d; grep x nofile; echo $?",
    ),
    case(
        "sed",
        "printf 'one\\ntwo\\nthree\\n' >f; sed 's/o/0/g' f; sed -n '2p' f; sed '2d' f; sed -e '1i\\' -e top -e '$a\\' -e end f; sed -E 's/(t)(.)/\\2\\1/' f; sed 'y/abc/xyz/;/t/!d' f; sed -i 's/two/2/' f; cat f; sed -n '/one/,/2/{=;p}' f; seq 5 | sed 'N;N;s/\\n/+/g'",
    ),
    case(
        "awk",
        "printf 'a 1\\nb 2\\nc 3\\n' >f; awk '{ s += $2 } END { print s, NR, s / NR }' f; awk -F' ' '$2 > 1 { print $1 }' f; awk 'BEGIN { printf \"%5.2f|%-4s|%x\\n\", 3.14159, \"ab\", 255; n = split(\"x:y:z\", p, \":\"); print n, p[2], length(\"hello\"), substr(\"hello\", 2, 3), toupper(\"up\"), index(\"abc\", \"c\") }'; awk '{ c[$2 % 2]++ } END { for (k = 0; k < 2; k++) print k, c[k] }' f; echo 'a,b' | awk -F, -v OFS=- '{ $1 = $1; print }'; awk 'function f(x) { return x * 2 } BEGIN { print f(21); \"echo sub\" | getline l; print l; gsub(/o/, \"0\", l); exit 3 }'; echo $?",
    ),
    with_input("sort", "sort; echo", "pear\napple\nfig\n"),
    case(
        "sort options",
        "printf '10 b\\n9 a\\n100 c\\n9 z\\n' >f; sort f; sort -n f; sort -rn f; sort -k2 f; sort -u -k1,1n f; sort -t' ' -k2,2r f; sort -c f; echo $?; printf 'a\\0b\\0' | sort -z | tr '\\0' ,; echo",
    ),
    with_input("uniq", "uniq -c; echo", "a\na\nb\na\n"),
    case("uniq options", "printf 'a\\na\\nb\\nc\\nc\\n' >f; uniq f; uniq -d f; uniq -u f; printf 'A\\na\\n' | uniq -i"),
    with_input("cut", "cut -d: -f2,3", "a:b:c:d\nx:y:z\nnodelim\n"),
    case(
        "cut characters",
        "echo abcdef | cut -c2-4; echo abcdef | cut -b-2,5-; echo 'a b' | cut -d' ' -f1; echo nodelim | cut -d: -s -f1",
    ),
    with_input("tr", "tr -d aeiou | tr -s l | tr '[:lower:]' '[:upper:]'", "hello world balloon\n"),
    case(
        "tr sets",
        "echo abc | tr a-c x-z; echo 'a  b' | tr -s ' '; echo a1b2 | tr -cd 0-9; echo; printf 'a\\nb\\n' | tr '\\n' ' '; echo",
    ),
    with_input("wc", "wc; echo", "one two\nthree\n"),
    case("wc options", "printf 'a b\\nc\\n' >f; wc f; wc -l f; wc -w f; wc -c f f; wc -L f"),
    case(
        "head",
        "seq 1 20 >f; head f; head -n 3 f; head -c 5 f; head -n -17 f; head -n 1 f f; seq 1 100000 | head -n 1",
    ),
    case("tail", "seq 1 20 >f; tail f; tail -n 3 f; tail -c 5 f; tail -n +18 f; seq 5 | tail -n 2"),
    case(
        "tail -f follows a file",
        "echo a >f; tail -f f >o & until [ -s o ]; do sleep 0.1; done; echo b >>f; echo c >>f; until grep -q c o; do sleep 0.1; done; kill $!; cat o",
    ),
    case("tee", "echo x | tee a b; cat a b; echo y | tee -a a >/dev/null; cat a"),
    case(
        "xargs",
        "printf 'a b\\nc\\n' | xargs echo; printf 'a b\\nc\\n' | xargs -n 1 echo -; printf 'x y\\0z\\0' | xargs -0 -n 1 echo; echo a | xargs -I{} echo pre{}post; echo | xargs -r echo none; echo 1 | xargs false; echo $?",
    ),
    case("xargs -P runs in parallel", "seq 1 20 | xargs -n 1 -P 4 sh -c 'echo job $0' | sort -k2n"),
    case(
        "diff",
        "seq 1 10 >a; seq 1 10 | sed 's/5/five/;3d' >b; diff a b; echo $?; diff -u a b | tail -n +3; diff a a; echo $?; diff -q a b; mkdir x y; echo 1 >x/f; echo 2 >y/f; touch x/only; diff -r x y",
    ),
    case(
        "patch",
        "seq 1 10 >a; sed 's/5/five/' a >b; diff -u a b >p; patch a p; cmp a b && echo same; patch -R a p; sed -n 5p a; echo garbage | patch a; echo $?",
    ),
    case("ed", "printf 'a\\nline1\\nline2\\n.\\n1s/line/LINE/\\n,p\\nw f\\nq\\n' | ed; cat f"),
    case(
        "bc",
        "echo '2^64; scale=5; 10/3; sqrt(2); 7%3' | bc; echo 'define f(n) { if (n <= 1) return (1); return (n * f(n - 1)); }\nf(20)' | bc; echo 'obase=16; 255' | bc",
    ),
    case("dc", "echo '2 3 + p 5 k 22 7 / p 16 o 255 p' | dc; dc -e '2 100 ^ p'"),
    case(
        "expr",
        "expr 2 + 3 \\* 4; expr length hello; expr substr hello 2 3; expr abc : 'a\\(.\\)c'; expr 5 \\> 3; expr 1 = 2; echo $?; expr 1 / 0; echo $?",
    ),
    case("test", "test 1 -eq 1; echo $?; test a; echo $?; test; echo $?; test 1 -eq x; echo $?; test ! a = b; echo $?"),
    case(
        "printf applet",
        "/usr/bin/printf '%s %5d %-5d| %o %e\\n' a 42 7 8 12345.678; /usr/bin/printf '%q\\n' 'a b' 2>/dev/null; /usr/bin/printf '\\101\\n'",
    ),
    case("seq", "seq 3; seq 2 4; seq 1 2 7; seq 5 -2 1; seq -w 8 10; seq -s, 3; seq 0.5 0.5 2"),
    case("which", "which sh cat; which nothing_here; echo $?"),
    case(
        "od",
        "printf 'abc\\0\\377' >f; od f; od -c f; od -x f; od -A d -t x1 f; od -An -tu1 f; seq 1 100 | od -c | tail -n 2",
    ),
    case(
        "hexdump",
        "printf 'hello world 1234\\n' >f; hexdump f; hexdump -C f; hexdump -n 4 -s 2 -C f; xxd f; xxd -p f; xxd -p f | xxd -r -p",
    ),
    case(
        "sha256sum and md5sum",
        "seq 1 10000 >f; sha256sum f; md5sum f; sha1sum f; sha512sum <f; sha256sum f >s; sha256sum -c s; echo x >>f; sha256sum -c s; echo $?; cksum f",
    ),
    case("base64", "seq 1 30 | base64; echo aGVsbG8= | base64 -d; echo; printf x | uuencode n"),
    case(
        "fold, nl, rev, tac, paste, expand",
        "echo abcdefghij | fold -w 4; seq 2 | nl; echo abc | rev; seq 3 | tac; seq 3 >a; seq 4 6 >b; paste a b; paste -s -d, a; printf 'a\\tb\\n' | expand; printf '        x\\n' | unexpand | od -c | head -n 1",
    ),
    case("less without a terminal", "seq 1 50 >f; less f | tail -n 2; more f </dev/null | head -n 1"),
    case("strings and cal", "printf 'ab\\0longer text\\0\\1x' | strings; cal 2 2024"),
    case("factor and shuf", "factor 97 60 1000003; seq 1 50 | shuf | sort -n | cksum"),
];
