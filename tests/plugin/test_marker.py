"""The `sandbox` marker."""

from typing import Any

import pytest

from pytest_sandbox.plugin.marker import merged_spec


def spec(pytester: pytest.Pytester, source: str) -> dict[str, Any]:
    return merged_spec(pytester.getitem(f"import pytest\nsandbox = pytest.mark.sandbox\n{source}"))


def test_without_a_marker_nothing_is_asked_for(pytester: pytest.Pytester) -> None:
    assert spec(pytester, "def test_func(): ...") == {}


def test_the_closest_wins_key_by_key(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.sandbox(timeout=1, memory=1, cpu=1)

        @pytest.mark.sandbox(timeout=2, memory=2)
        class TestIt:
            @pytest.mark.sandbox(timeout=3)
            def test_it(self): ...
        """
    )
    (item,), _ = pytester.inline_genitems()

    assert merged_spec(item) == {"timeout": 3, "memory": 2, "cpu": 1}


def test_of_stacked_markers_the_one_nearest_to_the_function_wins(pytester: pytest.Pytester) -> None:
    source = "@sandbox(timeout=1, cpu=1)\n@sandbox(timeout=2)\ndef test_func(): ..."

    assert spec(pytester, source) == {"timeout": 2, "cpu": 1}


def test_a_parameter_set_has_the_last_word(pytester: pytest.Pytester) -> None:
    source = """
@sandbox(timeout=1)
@pytest.mark.parametrize("x", [pytest.param(1, marks=sandbox(timeout=5))])
def test_func(x): ...
"""
    pytester.makepyfile(f"import pytest\nsandbox = pytest.mark.sandbox\n{source}")
    (item,), _ = pytester.inline_genitems()

    assert merged_spec(item) == {"timeout": 5}


def test_none_undoes_what_a_farther_marker_asked_for(pytester: pytest.Pytester) -> None:
    assert spec(pytester, "@sandbox(cpu=None)\n@sandbox()\ndef test_func(): ...") == {"cpu": None}


GOOD = [
    "readiness_probe=__import__('pytest_sandbox').Probe.with_tcp(80)",
    "block_network=True",
    "cidr_allowlist=['192.0.2.0/24', '::/0']",
    "cpu=0.5",
    "cpu=(1, 2.5)",
    "encrypted_ports=[443, 8443]",
    "env={'A': 'b', 'C': None}",
    "gpu='H100:2'",
    "h2_ports=(50051,)",
    "idle_timeout=10",
    "inbound_cidr_allowlist=['127.0.0.0/8']",
    "image='host'",
    "image='alpine:3.21'",
    "memory=512",
    "memory=(256, 512)",
    "name='box'",
    "network='open'",
    "outbound_cidr_allowlist=()",
    "outbound_domain_allowlist=['example.com', '*.example.org']",
    "pty=True",
    "secrets=[]",
    "timeout=60",
    "unencrypted_ports={8000}",
    "verbose=True",
    "volumes={'/data': __import__('pytest_sandbox').Volume.from_name('data')}",
    "workdir='/srv'",
]


def test_every_key_is_accepted(pytester: pytest.Pytester) -> None:
    tests = [f"@sandbox({each})\ndef test_{n}(): ..." for n, each in enumerate(GOOD)]
    pytester.makepyfile("\n".join(["import pytest", "sandbox = pytest.mark.sandbox", *tests]))

    items, _ = pytester.inline_genitems()

    assert [list(merged_spec(item)) for item in items] == [[good.split("=")[0]] for good in GOOD]


BAD = {
    "memroy=512": "there is no key 'memroy'; did you mean 'memory'?",
    "cwd='/'": "there is no key 'cwd'; did you mean 'workdir'?",
    "enviroment={}": "there is no key 'enviroment'; did you mean 'env'?",
    "zzz=1": "there is no key 'zzz'; there are alias, block_network, *",
    "cloud='aws'": "cloud is not available yet",
    "isolation='some'": "isolation must be 'full', not str 'some'",
    "gpu=2": "gpu must be a kind of GPU, as in 'H100' or 'H100:2', or a list of such, not int 2",
    "cidr_allowlist=['10.0.0.1/8']": "*must be a list of networks such as *; *'10.0.0.0/8'?",
    "cidr_allowlist='10.0.0.0/8'": "*, not str '10.0.0.0/8'; did you mean ['10.0.0.0/8']?",
    "cidr_allowlist=['a.example']": "*; 'a.example' is for outbound_domain_allowlist",
    "outbound_domain_allowlist=['https://a.example/b']": "*; did you mean 'a.example'?",
    "outbound_domain_allowlist=['a.example:443']": "*; did you mean 'a.example'?",
    "outbound_domain_allowlist=['.a.example']": "*; did you mean '*.a.example'?",
    "outbound_domain_allowlist=['10.0.0.1']": "*; '10.0.0.1' is for cidr_allowlist",
    "gpu='H100:0'": "*, not str 'H100:0'; '0' is not a number of GPUs, as in 'H100:2'",
    "domains=['a.example']": "*; did you mean 'outbound_domain_allowlist'?",
    "network='opne'": "network must be 'none', *, not str 'opne'; did you mean 'open' or 'none'?",
    "outbound_domain_allowlist=['a b']": "outbound_domain_allowlist must be a list of names *",
    "network='lan'": "network must be 'none', 'open', 'test' or a SandboxNetwork, not str 'lan'",
    "encrypted_ports=443": "encrypted_ports must be a list of ports from 1 to 65535, not int 443",
    "readiness_probe=80": "readiness_probe must be a Probe, as in Probe.with_tcp(8000), not int 80",
    "h2_ports=[0]": "h2_ports must be a list of ports from 1 to 65535, not list [0]",
    "unencrypted_ports=['80']": "unencrypted_ports must be a list of ports*, not list ['80']",
    "volumes={'data': 1}": "volumes must be a dict of volumes*, not dict {'data': 1}",
    "timeout=0": "timeout must be a whole number of seconds above 0, not int 0",
    "timeout=True": "timeout must be a whole number of seconds above 0, not bool True",
    "timeout=None": "timeout must be a whole number of seconds above 0, not NoneType None",
    "timeout='60'": "timeout must be a whole number of seconds above 0, not str '60'",
    "idle_timeout=1.5": "idle_timeout must be a whole number of seconds above 0, not float 1.5",
    "memory=0.5": "memory must be a whole number of MiB above 0*, not float 0.5",
    "cpu=(1,)": "cpu must be a number of cores above 0*, not tuple (1,)",
    "env={'A': 1}": "env must be a dict of strings, not dict {'A': 1}",
    "secrets='x'": "secrets must be a list of secrets, not str 'x'",
    "workdir='srv'": "workdir must be an absolute path, not str 'srv'",
    "name=''": "name must be a string, not str ''",
    "image='a b'": "image must be an image, a snapshot, 'host', or a name such as 'alpine:3.21', "
    "not str 'a b'",
    "image=1": "image must be an image, a snapshot, 'host', or a name such as 'alpine:3.21', "
    "not int 1",
    "pty=1": "pty must be True or False, not int 1",
    "block_network=None": "block_network must be True or False, not NoneType None",
}


def test_what_cannot_be_meant_is_a_collection_error_that_names_the_tests(
    pytester: pytest.Pytester,
) -> None:
    fine = "import pytest\ndef test_fine(): ..."
    bad = [f"@pytest.mark.sandbox({each})\ndef test_{n}(): ..." for n, each in enumerate(BAD)]
    pytester.makepyfile(test_it="\n".join([fine, *bad]))

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=1)
    told = [f"@pytest.mark.sandbox({each}): {message}" for each, message in BAD.items()]
    lines = [f"test_it.py::test_{n}: {line.replace('[', '[[]')}" for n, line in enumerate(told)]
    result.stdout.fnmatch_lines(lines, consecutive=True)


def test_arguments_without_a_name_are_refused_with_what_to_do(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.sandbox("sleep", "60")
        def test_bad(): ...
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(
        "*::test_bad: @pytest.mark.sandbox takes keywords only, not ('sleep', '60'); "
        "to start a command of your own, call sandbox_factory"
    )


def test_every_bad_test_gets_its_line_also_in_a_class_and_under_xdist(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        class TestIt:
            @pytest.mark.sandbox(tiemout=1)
            def test_a(self): ...
            @pytest.mark.sandbox(memmory=1)
            def test_b(self): ...
        """
    )

    result = pytester.runpytest_inprocess("-n1")

    assert result.ret != 0
    result.stdout.fnmatch_lines(
        [
            "test_it.py::TestIt::test_a: *did you mean 'timeout'*",
            "test_it.py::TestIt::test_b: *did you mean 'memory'?",
        ]
    )


def test_a_marker_added_after_the_collection_is_checked_all_the_same(
    pytester: pytest.Pytester,
) -> None:
    item = pytester.getitem("def test_func(): ...")
    item.add_marker(pytest.mark.sandbox(tiemout=1))

    with pytest.raises(pytest.fail.Exception, match="did you mean 'timeout'"):
        merged_spec(item)


def test_the_marker_is_declared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.sandbox(timeout=1)\ndef test(): ...")

    pytester.runpytest("--strict-markers").assert_outcomes(passed=1)
    pytester.runpytest("--markers").stdout.fnmatch_lines(
        "@pytest.mark.sandbox(alias=..., block_network=..., *"
    )
