"""The shell in memory does what the machine's own shell does, script by script.

The scripts use names relative to an empty folder that is made for each of them, and nothing else.
"""
# ruff: noqa: E501  a script is one line

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.fakes import FakeEngine

from .conftest import content

EXAMPLES = int(os.environ.get("SANDBOX_SHELL_EXAMPLES", "60"))
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "A": "one",
    "B": "two  words",
    "LC_ALL": "C",
}


class Outcome(NamedTuple):
    stdout: bytes
    code: int


#: What Debian has as `sh`, and its bash.
SHELLS = {"sh": shutil.which("dash"), "bash": shutil.which("bash")}
pytestmark = pytest.mark.skipif(
    not all(SHELLS.values()), reason=f"no shells to compare with: {SHELLS}"
)


def really(shell: str, script: str, *arguments: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(SHELLS[shell]), "-c", script, "name", *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    stdout = done.stdout.replace(os.fsencode(os.path.realpath(folder)), b"/srv/here")
    return Outcome(stdout, done.returncode if done.returncode >= 0 else 128 - done.returncode)


def in_memory(shell: str, script: str, *arguments: str) -> tuple[Outcome, list[str]]:
    async def main() -> tuple[Outcome, list[str]]:
        engine = FakeEngine()
        await engine.start()
        task = await engine.create(TaskSpec(workdir="/srv/here"))
        argv = (f"/bin/{shell}", "-c", script, "name", *arguments)
        process = await task.exec(ProcessSpec(argv, env=ENVIRONMENT))
        await process.close_stdin()
        code = (await process.wait()).returncode
        output = await content(process.stdout)
        await engine.close()
        return Outcome(output, code), engine.problems

    return asyncio.run(main())


SCRIPTS = r"""
echo a b   c
echo 'single $A' "double $A" un$A$B "$B" $B
printf '<%s>' $B "$B" "" $NONE "$NONE" x$NONE; echo
printf '<%s>' "$@" x"$@"y $* "$*" $#; echo
set -- a 'b c' d; printf '<%s>' "$@"; shift; echo $# $1
set --; printf '<%s>' "$@" x; echo $#
echo ${A} ${A:-x} ${NONE:-x y} ${NONE-x} ${A:+set} ${NONE:+set} ${#A} ${NONE:=new} $NONE
x=a.b.c; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.}
x=/usr/lib/x.py; echo ${x##*/} ${x%/*} "${x%.py}"
E=; echo "${E:-empty}" "${E-unset}" "${E:+x}" "${E+x}"
echo ${NONE?gone}; echo not here
echo "a\$b\\c\"d\`e\n" a\ b \$A 'it'\''s'
echo "$(echo inner; echo)" $(echo a; echo b) `echo back` "`echo \"q\"`"
echo $(echo $(echo nested)) "$(echo "$(echo 'deep "x"')")"
echo $((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((-7/2)) $((7%3)) $((1<2)) $((1==2)) $((0x10)) $((010))
x=5; echo $((x+1)) $(($x*2)) $((x>3?10:20)) $((!x)) $((~x)) $((1<<4|3&2^1)) $((x&&0||1))
true && echo yes || echo no; false && echo yes || echo no
false || false; echo $?; ! false; echo $?; ! true; echo $?
if true; then echo a; else echo b; fi; if false; then echo a; elif true; then echo c; fi; echo $?
if false; then echo a; fi; echo $?
for i in 1 2 3; do echo $i; done; for i in; do echo none; done; echo $i
for i; do echo "<$i>"; done
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done
i=0; until test $i = 3; do i=$((i+1)); continue; echo never; done; echo $i
for i in 1 2 3; do for j in a b; do [ $i$j = 2a ] && break 2; echo $i$j; done; done
for i in 1 2 3; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
case abc in a*) echo star;; *) echo other;; esac; case x in a|x) echo or;; esac
case "a b" in "a b") echo quoted;; esac; case '*' in \*) echo literal;; esac; case b in [!a]) echo not;; esac
f() { echo "f $1 $#"; return 3; echo never; }; f x y; echo $? $1
f() { local v=in; echo $v; }; v=out; f; echo $v
f() { for i in 1 2; do [ $i = 2 ] && return; echo $i; done; }; f; echo $?
(cd /; x=inner; exit 4); echo $? $x; { x=group; }; echo $x
((echo nested; exit 2)); echo $?
(exit 3) || echo "failed $?"; (true; false); echo $?
echo one | cat; echo a b | (read x y; echo $y $x); seq 3 | while read n; do echo "<$n>"; done
false | true; echo $?; true | false; echo $?
! false | true; echo $?
echo x > f; echo y >> f; cat f; cat < f; cat f f | wc -l; rm f; ls
echo out; echo err >&2; { echo a; echo b >&2; } 2>/dev/null; (echo c >&2) 2>&1
echo x > f 2>&1 && cat f; echo z >g; cat <g; : > g; wc -c < g; > h; ls
cat <<EOF
$A $(echo sub) \$A `echo back` $((1+1)) "quoted" 'single'
EOF
cat <<'EOF'
$A \x
EOF
cat <<-EOF
	tabs
	EOF
cat <<ONE; cat <<TWO
1
ONE
2
TWO
cat <<EOF | wc -l || cat
x
EOF
x=$(cat <<EOF
in $A
EOF
); echo "$x"
x=1 y=2; echo $x$y; x=3 env | grep -F x=; echo $x; export x; env | grep -F x=
x=1 :; echo "$x"; unset x; echo "${x-gone}"
A=changed sh -c 'echo $A'; echo $A
exit 5; echo never
exit 256
sh -c 'exit 7'; echo $?
kill -15 $$; echo never
sh -c 'kill -9 $$'; echo $?
nonexistent 2>/dev/null; echo $?; ./none 2>/dev/null; echo $?; : > plain; ./plain 2>/dev/null; echo $?
printf '#!/bin/sh\necho script $1\n' > s; chmod +x s; ./s arg; sh s two; . ./s three
printf 'echo noexec $1\n' > s; chmod +x s; ./s arg
eval 'echo eval $A'; eval x=5 ';' echo '$x'
set -e; false || true; if false; then :; fi; false && true; echo here; false; echo never
set -e; (false; echo never); echo neither
set -e; ! true; echo here; { false; echo x; } || echo caught
set -e; f() { false; echo in; }; f || echo or; f; echo never
set -u; echo $A; echo $NONE; echo never
trap 'echo bye' EXIT; echo hello
trap 'echo bye; exit 3' EXIT; exit 1
trap 'echo got' TERM; kill -TERM $$; echo after
trap '' TERM; kill -TERM $$; echo survived; trap - TERM; kill -TERM $$; echo never
(trap 'echo sub' EXIT; echo in); echo out
sleep 0 & wait $!; echo $?; (exit 5) & wait $!; echo $?; wait; echo $?
read x; echo "$? <$x>"
printf 'a b c\nd\n' | { read x y; echo "$x|$y"; read z; echo "$z"; read z; echo $?; }
printf 'a\\b\\\nc\n' | { read x; echo "$x"; }; printf 'a\\b\n' | { read -r x; echo "$x"; }
IFS=:; x=a:b::c; printf '<%s>' $x; echo; set -- $x; echo $#
IFS=', '; x='a, b,c ,d'; printf '<%s>' $x; echo
x='a b'; IFS=; printf '<%s>' $x; echo
echo 'a:b c' | { IFS=: read x y; echo "$x|$y"; }
x=' lead trail '; printf '<%s>' $x "$x" a$x; printf '<%s>' $x"b"; echo
: > a.py; : > b.py; : > c.txt; : > .hidden; echo *.py * [ab].* ?.txt no*match "*.py" '*' \*.py
mkdir d e; : > d/x; : > e/x; echo */x d/* */; for f in *; do echo "$f"; done
x='*'; : > only; echo $x "$x"
cd /; pwd; cd - >/dev/null; cd /usr/lib; pwd; cd ..; pwd; cd /nonexistent 2>/dev/null; echo $?
echo ~ ~/x "~" x~ a=~; x=~/y; echo $x
echo "a
b" c\
d
echo # comment
echo a#b; echo 'x' # trailing
true;true
true &
{ echo a;echo b;}|cat
echo $0 $1 ${2} ${10} $10
echo "$?" $? $- | wc -w
test -e x || echo none; : > x; [ -f x ] && [ ! -d x ] && echo file; [ -s x ] || echo empty
[ a = a -a b = b ] && echo and; [ a = b -o b = b ] && echo or; [ ! a = b ] && echo not; [ "" ] || echo nil
[ 3 -gt 2 ] && [ 2 -le 2 ] && [ 1 -ne 2 ] && echo num; [ ]; echo $?; [ "!" ]; echo $?; test; echo $?
[ -n "$A" ] && [ -z "" ] && echo strings; [ "(" = "(" ] && echo paren; test -t 1 || echo notty
[ a ; echo $?
printf '%5s|%-5s|%05d|%x|%X|%o|%c|%%|%.2s\n' ab cd 42 255 255 8 xyz abcdef
printf '%s %d\n' a 1 b 2 c; printf 'x\n%b' 'a\tb\n'; printf '\101\n'; printf '%s\n'; printf '%d\n' "'A"
printf '%s-' 1 2 3; printf '\n'; printf 'no args %s|\n'; printf '%*d|\n' 5 42
echo a | tee f g; cat f g; echo b | tee -a f > /dev/null; cat f
seq 3; seq 2 4; seq 1 2 6; seq 3 -1 1; seq -s , 3; seq 0
seq 20 | head -n 3; seq 20 | tail -n 2; seq 5 | tail -n +4; seq 20 | head -c 5; echo; seq 5 | tail -c 4; seq 12 | head; seq 5 | head -2
printf 'c\na\nb\na\n' | sort; printf '10\n9\n2\n' | sort -n; printf '10\n9\n' | sort; printf 'a\nb\na\n' | sort -ur
printf 'a b\nc\n' | wc -l; printf 'a b\nc' | wc -w; printf abc | wc -c
printf 'one\ntwo\nOne\n' > f; grep -F one f; grep -iF one f; grep -vF one f; grep -cF one f; grep -qF two f; echo $?; grep -F zzz f; echo $?; grep -n two f; grep -xF tw f; echo $?
mkdir a; mkdir -p a/b/c; rmdir a/b/c; ls a; mkdir a 2>/dev/null; echo $?; rm -r a; ls; rm none 2>/dev/null; echo $?; rm -f none; echo $?
echo x > a; cp a b; mv a c; ls; mkdir d; mv b c d; ls d; cp -r d e; ls e; ln -s d/b l; cat l; readlink l; ln d/b h; echo more >> h; cat d/b
echo x > f; chmod 600 f; chmod u+x,g=r f; ls -l f | head -c 10; test -x f && echo x
touch -t 200102030405.06 f; touch g; test g -nt f && echo newer; ls -a | head -n 2
basename /a/b.c .c; basename /a/; dirname /a/b; dirname x; dirname /
command -v cd; command echo via; command -v nonexistent; echo $?
umask 077; : > f; ls -l f | head -c 10; umask
exec 3> f; echo to3 >&3; exec 3>&-; cat f; exec 4< f; read x <&4; echo $x
exec > f; echo hidden; exec >&2; cat f
echo a >&- 2>/dev/null; echo $?
exec 5>f; echo x 1>&5; sh -c 'echo y >&5'; cat f
yes | head -n 2; yes no | head -1
head -c 100000 /dev/zero | wc -c; cat /dev/null; echo x > /dev/null; echo $?
sleep 100 & kill $!; wait $!; echo $?
echo $(false; echo x; exit 3); x=$(exit 3); echo $?; y=$(true); echo $?
a=b; case $a in $a) echo same;; esac; x='a*'; case abc in $x) echo pat;; esac; case abc in "$x") echo no;; *) echo lit;; esac
while :; do echo once; break; done; for i in a b; do break; done; echo $i $?
if ( exit 1 ); then :; else echo else; fi
echo {a,b} {1..3}
cd /usr; echo $PWD $OLDPWD | wc -w; env | grep -F PWD=/usr; cd /; sh -c 'echo $PWD'
IFS=x sh -c 'x="axb c"; printf "<%s>" $x'; export IFS=x; sh -c 'y="axb c"; printf "<%s>" $y'
f() (cd /; pwd); f; pwd >/dev/null; g() { echo $@; } 2>/dev/null; g a b
x=$(printf 'a\n\n'); printf '<%s>' "$x"; echo
"echo" q; 'ec'ho r; ec\ho s; c=echo; $c t; $c; $NONE; echo $?
> f echo before; cat f; x=1 > g; ls; echo $x
echo "${A}" '${A}' "$A$B" "${NONE:-"quoted word"}" ${NONE:-'single q'} "${NONE:-it's}"
echo "$((  2 *  (3 + 4) ))" "$(( $(echo 4) + 1 ))" $(( 10 / 3 * 3 ))
wc -l /dev/null | head -n 1; echo a | cat - /dev/null
false; echo "$?"; true; echo "$?"; (exit 300); echo $?
""; echo $?
time_is_fine=1; echo $time_is_fine; done=1; echo done if then fi
echo }; echo a } b; echo !; echo ! a; echo {
echo a;;
echo (
if true; echo x
for in x; do :; done
'unterminated
echo $(
""".strip().split("\n")


def joined(lines: list[str]) -> list[str]:
    """Scripts of one line each, but for those with here-documents and open quotes."""
    text = "\n".join(lines)
    found, rest = [], text.split("\n")
    while rest:
        script = rest.pop(0)
        ends = re.findall(r"<<-?'?([A-Z]+)'?", script)
        for end in ends:
            while rest:
                script += "\n" + (line := rest.pop(0))
                if line.strip() == end:
                    break
        if script in ('echo "a', "echo a", 'b" c\\', "x=$(cat <<EOF\nin $A\nEOF"):
            script += "\n" + rest.pop(0)
            if script.endswith("\\"):
                script += "\n" + rest.pop(0)
        found.append(script)
    return found


@pytest.mark.parametrize("script", joined(SCRIPTS))
def test_a_script_prints_and_ends_as_in_a_real_shell(script: str) -> None:
    outcome, problems = in_memory("sh", script, "p", "q r", "")
    assert outcome == really("sh", script, "p", "q r", "")
    unknown = "unscripted command: (nonexistent|./none|'')\n"
    assert [problem for problem in problems if not re.match(unknown, problem)] == []


BASH_SCRIPTS = r"""
cat <<< "a b $A"; read x y <<< 'one two three'; echo "$y|$x"
echo $'tab\there' $'it\'s' "$'no'"; echo -e 'a\tb\c'; echo -n x; echo -en 'y\n'; echo -E 'a\tb' -n
{ echo out; echo err >&2; } &> f; cat f; echo more &>> f; wc -l < f
source /dev/null; echo $?; cd /nonexistent 2>/dev/null; echo $?
mkdir bin; echo x > bin/tool; PATH=bin:$PATH; tool; echo $?; chmod +x bin/tool; echo 'echo ran' > bin/tool; tool
mkdir one two; mkdir one/tool; echo 'echo two' > two/tool; chmod +x two/tool; PATH=one:two; tool
set -o pipefail; false | true; echo $?; set +o pipefail; false | true; echo $?
echo 'a\nb' "a\nb"; printf '%s\n' "${A}s" ${B%% *}
f() { local x=1 y; echo "$x$y"; }; y=2; f; echo "$x$y"
echo a > "$A"; ls; cat one
[[ a == a && b != a ]] && echo and; [[ a == b || -n x ]] && echo or; [[ ! -e none ]] && echo not
x='a b'; [[ $x == "a b" ]] && echo unsplit; [[ $x == a* ]] && echo star; [[ $x == "a*" ]] || echo quoted
[[ 3 -gt 2 && ( a == b || c == c ) ]] && echo grouped; [[ $NONE ]] || echo empty; [[ -f /etc/passwd ]]; echo $?
if [[ -d / && x == x ]]; then echo lines; fi; [[ "" ]]; echo $?; set -e; [[ a == b ]] || echo caught; [[ a == b ]]; echo never
""".strip().split("\n")


@pytest.mark.parametrize("script", BASH_SCRIPTS)
def test_a_script_prints_and_ends_as_in_a_real_bash(script: str) -> None:
    outcome, problems = in_memory("bash", script, "p", "q r", "")
    assert outcome == really("bash", script, "p", "q r", "")
    assert problems == []


FILE_SCRIPTS = r"""
echo x > f; mkdir d; mv f d; ls d; mv d/f d/g; mv d e; mv none x
echo a > f; echo b > g; mv f g; cat g; mkdir d; mv d g
mkdir d e; : > d/x; : > e/y; mv d e; ls e; mkdir d; : > d/z; mv d e
echo x > t; ln -s t c; mv c t; echo $?; ln -s t d; mv c d; echo $?; mv t d; echo $?; ls
echo x > a; ln a b; mv a b; ls; mv b b; echo $?; ln b c; mv b ./b; echo $?; ls
mkdir d e; ln -s d l; ln -sfn e l; readlink l; ln -sn d l; echo $?; ln -s d l; ls d
echo a > f; cp f g; cp f none/x
mkdir d; : > d/a; cp d e
mkdir d; : > d/a; cp -r d e; cp -r d e; ls e; cp d/a e/b f
echo a > f; cp f f2; ln -s f l; cp l m; test -L m; echo $?; cp -r l n; test -L n
: > a; : > b; cp a b c
rm none
mkdir d; rm d
mkdir -p d/e; : > d/f; rmdir d
mkdir -p d/e; rmdir d/e d none
rm -rf none d; mkdir -p a/b/c; : > a/b/f; ln -s a l; rm -r l; ls a; rm -r a none
mkdir d d
: > f; mkdir f
: > f; mkdir -p f
: > f; mkdir -p f/x
mkdir -p a/b a/b a/../c; mkdir -m 700 m; ls -l . | head -c 0; mkdir x/y
ln -s none l; cat l; test -e l; echo $?; test -L l; echo $?; echo made > l; cat none
ln -s l l; cat l
: > f; ln f g; ln f g
: > f; ln -s f g; ln -s f g; ln -sf d g; readlink g; ln none h
mkdir d; : > f; ln f d; ln -s ../f d/s; cat d/s; ln d e
touch a b; touch none/x
touch -c none; touch -t 200001010000 a; test a -ot /etc/passwd
chmod 644 none
: > f; chmod 000 f; cat f; chmod a=rwx,o-w f; test -x f
: > f; chmod +x f; ls -l f | head -c 10; chmod -x f; chmod u+s,g+s,+t f; ls -l f | head -c 10
cat none; : > f; cat f none f
mkdir d; cat d
mkdir d; echo x > d
head -n 1 none; : > f; wc -c < none
ls none
ls -d .; mkdir d; ls d; : > d/x; ls -d d; ls -a d; ls -A d
: > b; : > a; mkdir c; : > c/z; ls; ls a b; ls c a
cd none; cd /; cd - > /dev/null
echo x > a; echo y > b; cat a b > c; cat c; cat < a > d; cat a >> d; wc -l d
echo a > f; cat f > f; wc -c f
> a; >> b; : > c < a; echo $?; : < none
readlink none; : > f; readlink f
pwd > /dev/null; mkdir d; cd d; rmdir ../d; ls; echo x > f
mkdir d; cd d; mkdir e; cd ..; mv d f; cd f/e; cd ..; ls
head -c 70000 /dev/zero > z; wc -c z; truncate -s 5 z; wc -c < z; truncate -s 10 n; wc -c < n
printf 'a\nb' > f; head -n 1 f; tail -n 1 f; tail -c 2 f; cat f f; wc f; wc -l f f
yes a | head -n 3 > f; sort -u f; grep -c a f; grep -q b f
kill -0 $$; kill -0 99999999
sleep; sleep x
tee < /dev/null; echo x | tee none/f
env -i A=1 env; env -u A env | grep -F A=; env none_such
test a -eq 1; [ 1 -eq 1
printf '%d\n' x; printf
basename; dirname
""".strip().split("\n")


@pytest.mark.parametrize("script", FILE_SCRIPTS)
def test_files_are_left_as_a_real_shell_leaves_them(script: str) -> None:
    whole = f'umask 022; {script}; echo "= $?"; for f in .[!.]* * */*; do test -e "$f" && echo "$f"; done'
    assert in_memory("sh", whole)[0] == really("sh", whole)


inside_quotes = st.lists(
    st.sampled_from(
        ["a", " ", "$A", "$B", "${NONE}", "${B#t}", "${A:-x y}", "$(echo 'c  d')", "\\$", "\\\\",
         "\\a", "'", "*", "$((1+2))", "$*", "$@", "#", "~", "`echo e`", "${NONE:-$B}", "$"]
    ),
    max_size=4,
).map("".join)  # fmt: skip
word_parts = st.one_of(
    st.sampled_from(
        ["b", "$A", "$B", "${NONE}", "\\ ", "\\'", "\\$A", "'q  $A'", "''", '""', "$(echo 'f  g')",
         "${B%s}", "${NONE:-h  i}", '${NONE:-"j  k"}', "${B:+$B}", "$#", "$*", "$@", '"$@"', "*",
         "?", "=", "%", ":", "$((3-1))", "~", "#", "}", "{", "!", "`echo l m`", "${#B}"]
    ),
    inside_quotes.map(lambda text: f'"{text}"'),
)  # fmt: skip
words = st.lists(word_parts, min_size=1, max_size=4).map("".join)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(
    words=st.lists(words, min_size=1, max_size=4),
    arguments=st.lists(st.sampled_from(["", "x", "y  z", "*"]), max_size=3),
)
def test_words_are_expanded_as_in_a_real_shell(words: list[str], arguments: list[str]) -> None:
    script = f"printf '<%s>' {' '.join(words)}"
    assume("$$" not in script)  # the number of the process
    assume(not re.search("~[a-z]", script))  # users of the machine
    seen = in_memory("sh", script, *arguments)[0]
    # Where dash and bash differ, either will do.
    if seen != really("sh", script, *arguments):
        assert seen == really("bash", script, *arguments)


commands = st.recursive(
    st.sampled_from(["true", "false", "echo $?", "(exit 3)", "x=$(false)", "x=1", "f"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" && ", " || ", "; ", " | "]), inner).map("".join),
        inner.map(lambda c: f"( {c} )"),
        inner.map(lambda c: f"{{ {c}; }}"),
        st.tuples(inner, inner).map(lambda t: f"if {t[0]}; then {t[1]}; fi"),
        st.tuples(inner, inner, inner).map(lambda t: f"if {t[0]}; then {t[1]}; else {t[2]}; fi"),
        inner.map(lambda c: f"for i in 1 2; do {c}; done"),
        inner.map(lambda c: f"for i in 1 2; do {c} && continue; break; done"),
        inner.map(lambda c: f"! {{ {c}; }}"),
        st.tuples(inner, inner).map(lambda t: f"case $? in 0) {t[0]};; *) {t[1]};; esac"),
    ),
    max_leaves=8,
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(command=commands, options=st.sampled_from(["", "set -e; "]))
def test_commands_are_joined_as_in_a_real_shell(command: str, options: str) -> None:
    script = f"{options}f() {{ echo f; return 4; }}; {command}; echo end $?"
    assert in_memory("sh", script)[0] == really("sh", script)
