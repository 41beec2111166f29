"""Corners of the shells: where dash and bash differ, and what is easily got wrong.

Each script runs in both, as in `test_shell_against_real.py`; what one of them does not read in
memory is refused by name.
"""
# ruff: noqa: E501  a script is one line

import pytest

from .test_shell_against_real import SHELLS, in_memory, really

pytestmark = pytest.mark.skipif(
    not all(SHELLS.values()), reason=f"no shells to compare with: {SHELLS}"
)
REFUSED = "is not supported by the engine in memory"
SCRIPTS = r"""
a=1 b=$a; echo "$b"; x=y z=$x; echo $z
---
a=1; a=2 b=$a sh -c 'echo $a $b'
---
HOME=; echo ~ x; unset HOME; echo ~
---
echo ${x:-~} ${x:-~/a} "${x:-~}" ${x:=~}; echo $x
---
echo a &> f; wait; cat f
---
cat <<< x
---
source /dev/null; echo $?
---
IFS=-; set -- a b c; echo "$*" $* "$@" "${*}" ; x=$*; echo "$x"; x="$@"; echo "$x"
---
IFS=; set -- a b c; echo "$*"; printf '<%s>' $*; printf '<%s>' $@; x=$*; echo "$x"
---
x=abcabc; echo ${x%b*} ${x%%b*} ${x#*b} ${x##*b} ${x%"b"*} ${x%'*'} ${x#\*} "${x%c}" "${x%'c'}" ${x%$NONE}
---
x='a*b'; echo ${x%'*'b} "${x%'*'b}" "${x%"*"b}" ${x%\*b} "${x#a\*}"
---
x=foo.tar.gz; y='.*'; echo ${x%$y} "${x%$y}" "${x%"$y"}" ${x%%$y}
---
x=aXb; echo ${#x} ${#NONE} "${#x}"; x=日本; echo ${#x}
---
echo $(()) ; echo after
---
echo $(( 0 && 1/0 )) $(( 1 || 1/0 )) $(( 1 ? 2 : 1/0 )); echo after
---
echo $((99999999999999999999)) $((0xffffffffffffffff)); echo after
---
break; echo $?; continue; echo $?
---
for i in 1 2; do break 5; done; echo $?; for i in 1 2; do continue 5; echo no; done; echo $?; break 0; echo $?
---
f() { break; }; for i in 1 2; do echo $i; f; done
---
case a in [[:alpha:]]) echo alpha;; esac; case 5 in [[:digit:]]*) echo digit;; esac; case A in [[:lower:]]) echo lo;; *) echo up;; esac
---
x='\*'; case '*' in $x) echo m1;; esac; case '\*' in $x) echo m2;; esac; case '\*' in "$x") echo m3;; esac
---
x=1 > d/x; echo "$? $x"
---
cat <<A
no end
---
set -u; echo ${#x}; echo never
---
set -u; (echo $x); echo "after $?"; echo ${x%y}; echo never
---
set -eu; echo $-; set +e; case $- in *u*) echo u;; esac; case $- in *e*) echo e;; esac
---
set -- -a b; echo "$@"; set -; echo "$@"; set - x; echo "$@"; set +; echo "$@"
---
set -o pipefail; false | true; echo $?
---
printf 'a:b:\n' | { IFS=: read x y; echo "[$x][$y]"; }; printf 'a:\n' | { IFS=: read x y; echo "[$x][$y]"; }; printf 'a: b :\n' | { IFS=': ' read x y; echo "[$x][$y]"; }; printf 'a:b::\n' | { IFS=: read x y; echo "[$x][$y]"; }
---
printf 'a\\ b c\n' | { read x y; echo "[$x][$y]"; }; printf 'a\\ b c\n' | { read -r x y; echo "[$x][$y]"; }
---
printf 'no newline' | { read x; echo "$? [$x]"; }; printf '' | { read x; echo "$? [$x]"; }; printf 'a\n' | { read; echo $?; }
---
trap 'echo t' EXIT; exec true
---
: > .h; : > a; : > b.c; mkdir d; : > d/x; : > d/.y; echo *; echo .*; echo */*; echo d/*; echo ./*; echo d/.*; echo ?; echo [ab]*; echo [!a]*; echo *.c; echo */; echo .h*
---
: > B; : > a; : > C; : > _x; : > 1; echo *; echo [A-Z]; echo [a-z]; echo [[:upper:]]; echo [!A-Z]*
---
command -v sh; command -v echo; command -v if; command -v f; f() { :; }; command -v f; command -v nosuch; echo $?; command -v ls; command -v ./x; command -v :
---
echo 'echo in $1; x=5; return 4; echo no' > s; . ./s; echo $? $x; . s; echo never
---
echo 'if' > s; . ./s; echo never
---
eval; echo $?; eval ''; echo $?; false; eval; echo $?; eval 'if'; echo never
---
f() { local x; echo "[$x]"; x=2; echo $x; }; x=1; f; echo $x
---
f() { local x=$1 y=$x; echo "$x $y"; }; x=o; f i; echo $x; f() { local x="a b" y=$*; echo "$x|$y"; }; f p q
---
sleep 0 & p=$!; wait $p; echo $?; wait $p; echo $?; wait 99999; echo $?; wait; echo $?
---
f () { echo sp; }; f; f(){ echo ns;}; f; f()
{ echo nl; }
f; f-g() { echo dash; }; f-g
---
true() { echo mine; }; true; unset -f true; true; echo $?; cd() { echo mycd; }; cd; exit() { echo x; }; exit 3
---
echo a \
  b; ec\
ho c; echo "d\
e" 'f\
g'; x=1\
2; echo $x; echo $\
x; ech\o h
---
! true; echo $?; ! ! true; echo $?; ! false && echo a; ! (exit 3); echo $?; ! { true; } || echo b
---
! true | false; echo $?; true | ! false; echo never
---
echo a &; echo b
---
echo ok
if
---
echo a
echo )
echo b
---
unset PATH; ls; echo $?
---
echo a>f;cat<f;cat f>g;echo b>>g;cat g;echo 1>h;cat h;echo x 2>&1>i;cat i
---
x='\*'; case '*' in $x) echo m1;; esac; case b in [^a]) echo neg;; esac; case a in [^a]) echo neg;; esac; case '^' in [a^]) echo c;; esac
---
set -eu; echo $-; set -x 2>/dev/null; echo $-; set -a; echo $-
---
a=1; a=2 b=$a sh -c 'echo $a $b'; x=1 > d/x; echo "$? $x"
---
eval 'if'; echo "never $?"
---
break; echo $?; f() { break; }; for i in 1 2; do echo $i; f; done; for i in 1 2; do break 0; echo no; done; echo $?
---
echo 'echo $# $1' > s; set -- p q; . ./s a b; echo $1; . s; echo $?; . ./none; echo $?
---
f() { local x; echo "[$x]"; }; x=1; f; sleep 0 & p=$!; wait $p; echo $?; wait $p; echo $?
---
set -u; echo ${x%y}; echo never
---
x=a; export y=~/b z=$x$x; echo $y $z; export w=$(echo a b); echo "$w"
---
read x y <<< 'a\ b c'; echo "$x|$y"; IFS=: read x y <<< 'a:b:'; echo "$x|$y"; IFS=: read x y <<< 'a:b::'; echo "$x|$y"; read <<< '  a b '; echo "[$REPLY]"
---
x=日本; echo ${#x}; case 日 in ?) echo one;; ???) echo three;; esac; echo ${x#?} | wc -c
---
HOME=; echo ~ x; cd; pwd; cd ''; echo $?; cd a b; echo $?
---
! ! true; echo $?; set -; echo $*; set +; echo $#
---
mkdir -p a/b; ln -s a/b l; cd l; pwd; pwd -P; cd ..; pwd; cd l/..; pwd; cd -P l; pwd; cd //; pwd
---
mkdir d; cd d; rmdir ../d; pwd; cd .; echo $?; cd ..; pwd
---
x=abcabc; echo "${x%'c'}"; y='*'; echo "${x%$y}" "${x%%b$y}" "${x#"$y"}"; echo "${x:-'a'}" "${x+'b'}"
---
IFS=-; set -- a b c; x=$*; echo "$x"; x="$@"; echo "$x"; x=$@; echo "$x"
---
false & p=$!; : ; true & q=$!; wait $q; wait $p; echo $?; wait $p; echo $?
---
cd none/..; echo $?; : > f; cd f/..; echo $?; mkdir d; cd d/../d/./..; pwd; cd ./d; pwd; cd ../; pwd
---
echo 'echo $-' | sh; echo 'echo $-' > s; sh s; sh -c 'echo "[$-]"'
---
cd '' ; echo $OLDPWD; cd .; echo $OLDPWD; cd /; echo $OLDPWD $PWD
---
set -- a b c; echo "$#" "${#}" "${#@}" "${#*}" $#a; echo ${#1}
---
set -- a b c; shift 2; echo $*; shift 5; echo never
---
echo ${x:?}; echo after
---
echo ${x:?my msg}; echo after
---
(echo ${x:?m}); echo $?; x=1; echo ${x:?m}
---
for i in 1 2; do (break; echo in); echo $i; done
---
echo x > 'a b'; cat 'a b'; f='c d'; echo y > $f; ls; cat "$f"; echo z > *; ls
---
echo x > d/f; echo $?; : > d/f; echo never
---
exec < nofile; echo never
---
exec 3< nofile || echo or; echo never
---
: > d/x || echo or; echo never
---
eval 'echo x > d/x'; echo $?; eval ': > d/x'; echo never
---
set -e; eval 'false || true'; echo a; eval 'false; echo in' || echo or; . ./nofile || echo x; echo never
---
set -e; x=$(f() { false; echo in; }; f || echo or); echo "$x"; y=$(false; echo in); echo never
---
set -u; echo ${x:-d} ${x-d} "$*" "$@" $#; echo ${x+s}; echo $1; echo $x; echo never
---
set -u; set --; echo "$@"; echo $1; echo never
---
set -x 2>/dev/null; echo a; set +x; echo $-
---
. ./none; echo never
---
echo 'echo $# $1' > s; set -- p q; . ./s a b; echo $1
---
x=1; unset x y; echo "${x-u}" $?; f() { echo f; }; unset f; f; unset -f f; f; echo $?; unset -v x; echo $?
---
echo $(()) $((0 && 1/0)); : > .a; echo .*
---
x=${y:?no}; echo never
---
echo ${y?}
echo after
---
set -u
echo $y
echo after
---
printf '%b|' '\101\x41' '\0101' '\1' '\0' 'a\cb' x; echo
---
printf '\x41\u00e9\c|'; echo
---
printf '%s\c' a; echo end
---
printf 'a\cb' x; echo
---
printf '\0101\08\777'
---
printf '%b' '\777\0777\07777'
---
echo '\0101\101\x41\e[0m\c'x
---
printf %5d 3; printf '%+d % d %i\n' 3 4 5; printf '%u\n' -1
---
printf '%x %o %X\n' -1 -1 -1
---
printf '%d\n' 0x1f 010 -0x1f +5 ' 7' '7 ' 7x 99999999999999999999
---
printf '%d %s\n' ; printf '%c%c\n' ab ''; printf '%5c|%-5c|\n' a b
---
printf '%.3d|%5.3d|%-6.2x|%#x|%#o\n' 1 2 3 255 8
---
printf '%*d|%-*d|%.*s\n' 5 1 5 2 2 abc
---
printf '%s\n' "$(printf 'a\0b')"
---
printf "%d" "'A" "\"B" "'"; echo $?
---
printf '%10b|%-10b|%.2b|' 'a\tb' 'c\n' 'xyz'
---
---
cp -r . x; ls x
---
[ a == a ]; echo $?
---
[ a \< b ]; echo $?; [ b \> a ]; echo $?
---
[ none -nt a ]; echo $?; : > a; [ a -nt none ]; echo $?; [ none -ot a ]; echo $?; [ 99999999999999999999 -gt 1 ]; echo $?; [ 1_0 -eq 10 ]; echo $?
---
command echo 'a\tb'; command printf '%b' '\101\x41'; env printf '%b\x41' '\101'; env echo -e '\101'; /usr/bin/test a == a; echo $?
""".strip("\n").split("\n---\n")


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_each_shell_has_its_own_corners(script: str, shell: str) -> None:
    outcome, problems = in_memory(shell, script, "p", "q r", "")
    if not any(REFUSED in problem for problem in problems):
        assert outcome == really(shell, script, "p", "q r", "")


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("echo $RANDOM", "the variable RANDOM"),
        ("echo $[1+1]", "the arithmetic $[...]"),
        ("echo $((2**3))", "the expression '2**3' in $((...))"),
        ("echo $((1/0))", "the expression '1/0' in $((...))"),
        ("case x in x) echo a;& y) echo b;; esac", "the end ;& of a case"),
        ("return 3", "return outside a function"),
        ("cat <<$x\na\n$x", "an expansion in the delimiter of a here-document"),
        ("LC_ALL=C.UTF-8; x=\u00e9; echo ${#x}", "length of a text that is not ASCII"),
    ],
)
def test_what_only_bash_has_is_refused_by_name(script: str, named: str) -> None:
    outcome, problems = in_memory("bash", script)
    assert outcome == (b"", 2)
    assert named in problems[0]
    assert REFUSED in problems[0]
