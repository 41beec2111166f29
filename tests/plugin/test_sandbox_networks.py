"""Networks of sandboxes in tests: the fixture, the marker, templates, errors, the report."""

import pytest

pytestmark = pytest.mark.usefixtures("shared_engine")

HEAD = """
    import pytest
    from pytest_sandbox import Sandbox, SandboxNetwork, SandboxSnapshot, exceptions
    from pytest_sandbox import sandbox_template

    SERVE = '''
    import socket
    server = socket.create_server(("127.0.0.1", 5432))
    print("ready", flush=True)
    while True:
        server.accept()[0].sendall(b"served")
    '''
    ASK = '''
    import socket, sys
    try:
        print(socket.create_connection((sys.argv[1], int(sys.argv[2]))).recv(6).decode())
    except OSError as error:
        print(type(error).__name__)
    '''

    def serve(sandbox):
        process = sandbox.exec("python3", "-c", SERVE)
        assert next(iter(process.stdout)) == "ready\\n"

    def ask(sandbox, host, port=5432):
        return sandbox.run("python3", "-c", ASK, host, str(port), check=True).stdout.strip()
"""


def test_members_of_networks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD
        + """
    def test_the_fixture(sandbox_network, sandbox_factory, sandbox_network_log):
        here, there = sandbox_network(), sandbox_network()
        assert here != there
        serve(sandbox_factory(network=here, alias=["db", "api.example.com"]))
        client = sandbox_factory(network=SandboxNetwork(here.object_id))
        assert [ask(client, host) for host in ("db", "api.example.com")] == ["served"] * 2
        stranger = sandbox_factory(network=there)
        assert ask(stranger, "db") == "gaierror"
        seen = [(one.name, one.verdict) for one in sandbox_network_log.connections()]
        assert seen == [("db", "allowed"), ("api.example.com", "allowed"), ("db", "denied")]

    @sandbox_template(network="test", alias="app")
    def app(sandbox):
        sandbox.filesystem.write_text(ASK, "/srv/ask.py")

    @pytest.mark.parametrize("number", range(2))
    @pytest.mark.sandbox(network="test", alias="db")
    def test_the_network_of_a_test(sandbox, app, sandbox_factory, number):
        serve(sandbox)
        assert app.run("python3", "/srv/ask.py", "db", "5432", check=True).stdout == "served\\n"
        assert ask(sandbox_factory(), "db") == ask(sandbox_factory(alias="x"), "db") == "served"
        assert ask(sandbox_factory(network="none"), "db") == "gaierror"

    @pytest.mark.sandbox(network="test", alias="db")
    def test_a_sandbox_that_is_restored_keeps_its_place(sandbox, sandbox_factory):
        client, image = sandbox_factory(), sandbox.snapshot_filesystem()
        sandbox.restore(image)
        serve(sandbox)
        assert ask(client, "db") == "served"

    def test_what_is_refused(sandbox_network, sandbox_factory, sandbox_engine):
        net = sandbox_network()
        db = sandbox_factory(network=net, alias="db", name="the-first")
        with pytest.raises(exceptions.AlreadyExistsError, match="sandbox 'the-first'"):
            sandbox_factory(network=net, alias="db")
        db.terminate()
        sandbox_factory(network=net, alias=("db", "a.example.com"))
        for match, spec in {
            "network=SandboxNetwork": {"network": None, "alias": "x"},
            "alias 'D' must be in lower case": {"alias": ["x", "D"]},
            "alias '1.2.3.4' would be taken for an address": {"alias": "1.2.3.4"},
            "alias=3 is an int": {"alias": 3},
            "block_network=True and network=SandboxNetwork": {"block_network": True},
            "198.18.1.0/24": {"cidr_allowlist": ["198.18.1.0/24"]},
            r"'a.example.com' is the alias .*'\\*.example.com'": {
                "outbound_domain_allowlist": ["*.example.com"]
            },
            "'test' or a SandboxNetwork, not str 'other'": {"network": "other"},
        }.items():
            with pytest.raises(exceptions.InvalidError, match=match):
                sandbox_factory(**{"network": net, **spec})
        allowing = sandbox_factory(network=net, outbound_domain_allowlist=["*", "b.example.com"])
        with pytest.raises(exceptions.InvalidError, match="'b.example.com' is the alias"):
            sandbox_factory(network=net, alias="b.example.com")
        change = allowing._experimental_set_outbound_network_policy
        with pytest.raises(exceptions.InvalidError, match="'a.example.com' is the alias"):
            change(outbound_domain_allowlist=["a.example.com"])
        change(outbound_domain_allowlist=["c.example.com"])
        snapshot = SandboxSnapshot("sn-x", sandbox_engine.client)
        with pytest.raises(exceptions.InvalidError, match="is a str, no SandboxNetwork"):
            Sandbox._experimental_from_snapshot(snapshot, network="open")
    """
    )
    pytester.runpytest().assert_outcomes(passed=5)


def test_the_report_names_the_alias(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD
        + """
    @pytest.mark.sandbox(network="test", alias="db")
    def test_it(sandbox, sandbox_factory):
        client = sandbox_factory(alias=["client", "app"])
        assert ask(client, "db", 5433) == ask(client, "dbs") == "served"
    """
    )
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(
        [
            "*- sandbox sb-*, db in its network -*",
            "*- sandbox sb-*, client, app in its network -*",
            "connection failed: db (198.18.*) port 5433: ECONNREFUSED",
            "connection denied: the name dbs*: no sandbox of its network *; did you mean 'db'?",
        ]
    )
    result.assert_outcomes(failed=1)


def test_mistakes_are_found_at_collection(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD
        + """
    @pytest.mark.sandbox(network="tests", alias="a b")
    def test_it(sandbox):
        pass
    """
    )
    pytester.runpytest().stdout.fnmatch_lines(
        [
            "*network must be 'none', 'open', 'test' or a SandboxNetwork, *; did you mean 'test'?",
            "*alias must be a name such as 'db', or a list of such, not str 'a b'",
        ]
    )
    pytester.makepyfile(
        HEAD
        + """
    @sandbox_template(scope="module", network="test")
    def shared(sandbox):
        pass
    """
    )
    pytester.runpytest().stdout.fnmatch_lines(["*network='test' is for scope='session'*"])
    pytester.makepyfile(
        HEAD
        + """
    pytestmark = pytest.mark.sandbox(network="test")

    @sandbox_template(scope="module")
    def shared(sandbox):
        pass

    def test_it(shared):
        pass
    """
    )
    pytester.runpytest().stdout.fnmatch_lines(
        ["*network='test' is for one test, but the copy of *"]
    )


def test_faults_of_links(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD
        + """
    @pytest.mark.sandbox(network="test")
    def test_it(sandbox_factory, sandbox_network_faults, sandbox_network_log):
        serve(sandbox_factory(alias=["db", "other"]))
        client = sandbox_factory()
        on = sandbox_network_faults.on
        on("db", port=5432).refuse().times(1)
        assert [ask(client, "db"), ask(client, "db")] == ["ConnectionResetError", "served"]
        on("db").reset(after_bytes=3)
        assert [ask(client, "db"), ask(client, "other")] == ["ser", "served"]
        on("other").no_such_name().optional()
        assert ask(client, "other") == "gaierror"
        seen = {(one.name, one.port, one.verdict) for one in sandbox_network_log.connections()}
        assert ("db", 5432, "failed") in seen
        assert ("db", 5432, "allowed") in seen
    """
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_in_memory(pytester: pytest.Pytester) -> None:
    """Scripts of a port are what other sandboxes reach; faults take no time."""
    pytester.makepyfile(
        """
    import pytest
    from pytest_sandbox import exceptions

    async def ask(call):
        try:
            connection = await call.connect("db", int(call.argv[1]), timeout=60)
            return await connection.read_all()
        except OSError as error:
            return type(error).__name__

    @pytest.fixture
    def scripted(fake_sandboxes):
        fake_sandboxes.on_exec("ask", ...).calls(ask)
        fake_sandboxes.on_connect(5432, sandbox="db").reply("3 rows")

    def test_members(scripted, sandbox_network, sandbox_factory, sandbox_network_log):
        net = sandbox_network()
        db = sandbox_factory(network=net, alias="db", name="db")
        app, stranger = sandbox_factory(network=net), sandbox_factory(network=sandbox_network())
        assert app.run("ask", "5432").stdout == "3 rows"
        assert stranger.run("ask", "5432").stdout == "gaierror"
        with pytest.raises(exceptions.AlreadyExistsError):
            sandbox_factory(network=net, alias="db")
        db.terminate()
        assert app.run("ask", "5432").stdout == "gaierror"
        seen = [(one.name, one.port, one.verdict) for one in sandbox_network_log.connections()]
        assert seen == [("db", 5432, "allowed"), ("db", 53, "denied")]

    @pytest.mark.sandbox(network="test")
    def test_faults(scripted, sandbox_factory, sandbox_network_faults, fake_sandboxes):
        app = sandbox_factory()
        sandbox_factory(alias="db", name="db")
        sandbox_network_faults.on("db").delay(30).times(1)
        assert app.run("ask", "5432").stdout == "3 rows"
        assert fake_sandboxes.clock.monotonic() == 30
        sandbox_network_faults.on("db", port=5432).reset(after_bytes=2)
        assert app.run("ask", "5432").stdout == "ConnectionResetError"
        sandbox_network_faults.on("db", port=80).refuse()
        assert app.run("ask", "80").stdout == "ConnectionRefusedError"
    """
    )
    pytester.runpytest().assert_outcomes(passed=2)


@pytest.mark.parametrize("engine", ["auto", "fake"])
def test_two_engines_have_no_network(pytester: pytest.Pytester, engine: str) -> None:
    """A copy comes from the engine of the run; copies among themselves are fine."""
    pytester.makepyfile(
        HEAD
        + """
    @sandbox_template(network="test")
    def web(sandbox):
        pass

    def test_copy_first(fake_sandboxes, web, sandbox_factory):
        sandbox_factory(network="test")

    @pytest.mark.sandbox(network="test")
    def test_copy_last(fake_sandboxes, sandbox, web):
        pass

    def test_copies(fake_sandboxes, web, sandbox):
        pass
    """
    )
    result = pytester.runpytest(f"--sandbox-engine={engine}")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    refused = "the copy of the template 'web' comes from the engine of the run,*"
    result.stdout.fnmatch_lines([refused, refused])
