"""Templates: built once, copied for every test. In memory, where nothing depends on the machine."""

from .templates import HEAD, Project


def test_a_template_is_built_once_and_every_test_has_its_own_copy(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            log("built")
            write(sandbox, "fresh")

        @pytest.mark.parametrize("number", range(3))
        def test_it(prepared, number):
            assert read(prepared) == "fresh"
            write(prepared, "spoilt")
        """
    )

    result.assert_outcomes(passed=3)
    assert project.log == ["built"]


def test_a_template_that_no_test_asks_for_is_not_built(project: Project) -> None:
    project.run(
        """
        @sandbox_template
        def prepared(sandbox): log("built")

        def test_it(): ...
        """
    ).assert_outcomes(passed=1)

    assert project.log == []


def test_copies_have_the_environment_and_workdir_of_the_template(project: Project) -> None:
    project.run(
        """
        @sandbox_template(env={"MODE": "test"}, workdir="/srv/app")
        def prepared(sandbox):
            assert sandbox.run("sh", "-c", "echo $MODE $PWD").stdout == "test /srv/app\\n"

        def test_it(prepared):
            assert prepared.run("sh", "-c", "echo $MODE $PWD").stdout == "test /srv/app\\n"
        """
    ).assert_outcomes(passed=1)


def test_the_marker_of_a_test_changes_its_copy(project: Project) -> None:
    project.run(
        """
        @sandbox_template(env={"MODE": "template"}, workdir="/srv")
        def prepared(sandbox): ...

        @pytest.mark.sandbox(env={"MODE": "test"}, name="mine", image="host")
        def test_changed(prepared, sandbox):
            assert prepared.run("sh", "-c", "echo $MODE $PWD").stdout == "test /srv\\n"

        def test_as_it_was(prepared):
            assert prepared.run("sh", "-c", "echo $MODE").stdout == "template\\n"
        """
    ).assert_outcomes(passed=2)


def test_a_template_of_a_module_or_a_class_gives_one_copy_to_all_tests_there(
    project: Project,
) -> None:
    result = project.run(
        """
        @sandbox_template(scope="module")
        def of_module(sandbox):
            log("module")
            write(sandbox, "")

        @sandbox_template(scope="class")
        def of_class(sandbox):
            log("class")
            write(sandbox, "")

        def add(sandbox, letter):
            write(sandbox, read(sandbox) + letter)
            return read(sandbox)

        class TestOne:
            def test_first(self, of_module, of_class):
                assert (add(of_module, "a"), add(of_class, "a")) == ("a", "a")

            def test_second(self, of_module, of_class):
                assert (add(of_module, "b"), add(of_class, "b")) == ("ab", "ab")

        class TestOther:
            def test_third(self, of_module, of_class):
                assert (add(of_module, "c"), add(of_class, "c")) == ("abc", "c")
        """
    )

    result.assert_outcomes(passed=3)
    assert project.log == ["module", "class"]


def test_a_marker_of_a_test_cannot_change_what_others_share(project: Project) -> None:
    result = project.run(
        """
        pytestmark = pytest.mark.sandbox(env={"A": "module"})

        @sandbox_template(scope="module")
        def prepared(sandbox): ...

        def test_module(prepared):
            assert prepared.run("sh", "-c", "echo $A").stdout == "module\\n"

        @pytest.mark.sandbox(env={"A": "test"})
        def test_refused(prepared): ...

        @pytest.mark.sandbox(env={"A": "test"})
        def test_meant_for_another(prepared, sandbox):
            assert prepared.run("sh", "-c", "echo $A").stdout == "module\\n"
            assert sandbox.run("sh", "-c", "echo $A").stdout == "test\\n"
        """
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["@pytest.mark.sandbox gives {'env': {'A': 'test'}}, but prepared is one copy *module*"]
    )


def test_a_shared_copy_ends_with_its_scope(project: Project) -> None:
    project.run(
        """
        shared = []

        @sandbox_template(scope="class")
        def prepared(sandbox): ...

        class TestIt:
            def test_it(self, prepared):
                shared.append(prepared)

        def test_after():
            assert shared[0].poll() is not None
        """
    ).assert_outcomes(passed=2)


def test_a_template_takes_fixtures_of_the_session(project: Project) -> None:
    project.run(
        """
        @pytest.fixture(scope="session")
        def release():
            return "1.2"

        @sandbox_template
        def prepared(release, sandbox):
            write(sandbox, release)

        def test_it(prepared):
            assert read(prepared) == "1.2"
        """
    ).assert_outcomes(passed=1)


def test_a_parameter_with_a_default_is_no_fixture(project: Project) -> None:
    project.run(
        """
        @sandbox_template
        def prepared(sandbox, text="it", *more, **others):
            write(sandbox, text)

        def test_it(prepared):
            assert read(prepared) == "it"
        """
    ).assert_outcomes(passed=1)


def test_a_template_cannot_take_a_fixture_of_narrower_scope(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox, tmp_path): ...

        def test_it(prepared): ...
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ScopeMismatch*tmp_path*session*"])
    assert project.log == []


def test_a_template_stands_on_another_one(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template(env={"A": "base", "B": "base"}, scope="module")
        def base(sandbox):
            log("base")
            write(sandbox, "base", "/srv/base")

        @sandbox_template(env={"A": "layer"}, workdir="/srv")
        def layer(base):
            log("layer")
            assert base.run("sh", "-c", "cat base; echo $A $PWD").stdout == "baselayer /srv\\n"
            write(base, "layer", "/srv/layer")

        def test_both(layer, base):
            assert layer.run("sh", "-c", "cat base layer; echo $A").stdout == "baselayerlayer\\n"
            assert sorted(f.name for f in base.filesystem.list_files("/srv")) == ["base"]
            assert base.run("sh", "-c", "echo $A").stdout == "base\\n"
        """
    )

    result.assert_outcomes(passed=1)
    assert project.log == ["layer", "base"] or project.log == ["base", "layer"]


def test_templates_of_a_conftest_are_seen_below_it_and_can_be_overridden(
    project: Project,
) -> None:
    pytester = project.pytester
    pytester.makeconftest(
        HEAD
        + """
@sandbox_template
def base(sandbox):
    write(sandbox, "top")

@sandbox_template
def layer(base):
    write(base, read(base) + " and layer")
"""
    )
    below = pytester.mkpydir("below")
    (below / "conftest.py").write_text(
        HEAD
        + """
@sandbox_template
def base(sandbox):
    write(sandbox, "below")
"""
    )
    (below / "test_below.py").write_text(
        HEAD
        + """
def test_it(base):
    assert read(base) == "below"
"""
    )

    result = project.run(
        """
        @sandbox_template
        def own(layer):
            write(layer, read(layer) + " and own")

        def test_it(own):
            assert read(own) == "top and layer and own"
        """
    )

    result.assert_outcomes(passed=2)


def test_a_template_can_be_imported(project: Project) -> None:
    project.pytester.makepyfile(
        shared=HEAD
        + """
@sandbox_template(params=["a", "b"])
def imported(sandbox, request):
    write(sandbox, request.param)
"""
    )
    project.run(
        """
        from shared import imported

        def test_it(imported):
            assert read(imported) in ("a", "b")
        """
    ).assert_outcomes(passed=2)


def test_parameters_make_an_image_each(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template(params=["x", "y"], ids=["first", "second"])
        def base(sandbox, request):
            log(request.param)
            write(sandbox, request.param)

        @sandbox_template(params=[object()])
        def layer(base, request): ...

        @pytest.mark.parametrize("number", [1, 2])
        def test_base(base, number, request):
            log(f"{request.node.name}:{read(base)}")

        def test_layer(layer, request):
            log(f"{request.node.name}:{read(layer)}")
        """
    )

    result.assert_outcomes(passed=6)
    assert [line for line in project.log if line in ("x", "y")] == ["x", "y"]
    assert sorted(line for line in project.log if ":" in line) == [
        "test_base[first-1]:x",
        "test_base[first-2]:x",
        "test_base[second-1]:y",
        "test_base[second-2]:y",
        "test_layer[layer0-first]:x",
        "test_layer[layer0-second]:y",
    ]


def test_parameters_of_fixtures_below_make_an_image_each(project: Project) -> None:
    project.run(
        """
        @pytest.fixture(scope="session", params=["x", "y"])
        def release(request):
            return request.param

        @sandbox_template
        def prepared(sandbox, release):
            log(release)
            write(sandbox, release)

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(prepared, release, number):
            assert read(prepared) == release
        """
    ).assert_outcomes(passed=4)

    assert project.log == ["x", "y"]


def test_parameters_cannot_come_from_a_test(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox): ...

        @pytest.mark.parametrize("prepared", [7], indirect=True)
        def test_it(prepared): ...
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the template 'prepared' cannot use 7 from parametrize*params=*"])


def test_a_template_has_a_name_of_its_own(project: Project) -> None:
    project.run(
        """
        @sandbox_template(name="prepared")
        def _prepared(sandbox):
            write(sandbox, "it")

        @sandbox_template
        def layer(prepared):
            assert read(prepared) == "it"

        def test_it(prepared, layer): ...
        """
    ).assert_outcomes(passed=1)


def test_two_modules_have_templates_of_the_same_name(project: Project) -> None:
    code = """
@sandbox_template
def prepared(sandbox):
    write(sandbox, __name__)

def test_it(prepared):
    assert read(prepared) == __name__
"""
    project.pytester.makepyfile(test_one=HEAD + code, test_two=HEAD + code)

    result = project.pytester.runpytest("--sandbox-engine=fake")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["prepared of test_one.py: built in *", "prepared of test_two.py: built in *"]
    )


def test_an_async_function_is_awaited(project: Project) -> None:
    project.run(
        """
        import asyncio

        @sandbox_template
        async def prepared(sandbox):
            await asyncio.sleep(0)
            await sandbox.filesystem.write_text.aio("async", "/srv/file")

        def test_it(prepared):
            assert read(prepared) == "async"
        """,
        "-Werror",
    ).assert_outcomes(passed=1)


def test_what_a_template_creates_besides_is_where_it_is(project: Project) -> None:
    project.run(
        """
        from pytest_sandbox import Sandbox

        @sandbox_template
        def prepared(sandbox):
            write(sandbox, "it")
            other = Sandbox.create(image=sandbox.snapshot_filesystem())
            assert read(other) == "it"
            other.terminate()

        def test_it(prepared): ...
        """
    ).assert_outcomes(passed=1)


def test_a_template_can_be_asked_for_in_the_middle_of_a_test(project: Project) -> None:
    project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            write(sandbox, "it")

        def test_it(request):
            assert read(request.getfixturevalue("prepared")) == "it"
        """
    ).assert_outcomes(passed=1)


def test_fixtures_take_templates(project: Project) -> None:
    project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            write(sandbox, "it")

        @pytest.fixture
        def text(prepared):
            return read(prepared)

        def test_it(text, prepared):
            assert text == "it"
        """
    ).assert_outcomes(passed=1)


# What goes wrong


def test_an_image_that_the_engine_let_go_is_built_again(project: Project) -> None:
    result = project.run(
        """
        from pytest_sandbox import Image
        from pytest_sandbox.plugin.templates.copies import TEMPLATES

        @sandbox_template
        def prepared(sandbox):
            log("built")
            write(sandbox, "it")

        def test_one(prepared, pytestconfig, sandbox_engine):
            (use,) = pytestconfig.stash[TEMPLATES].uses.values()
            image = Image.from_id(use.outcome.image)
            sandbox_engine.client.extensions.forget_image(image)

        def test_two(prepared):
            assert read(prepared) == "it"

        def test_three(prepared): ...
        """
    )

    result.assert_outcomes(passed=3)
    assert project.log == ["built", "built"]
