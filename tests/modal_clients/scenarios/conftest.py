"""What the scenarios share. They run in the environment of a real Modal client, not in ours."""

import modal
import pytest

APP = "scenarios"


@pytest.fixture(scope="session")
def app():
    return modal.App.lookup(APP, create_if_missing=True)


@pytest.fixture
def create(app):
    """Creates sandboxes that end with the scenario."""
    made = []

    def create(*args, **options):
        options.setdefault("timeout", 60)
        made.append(modal.Sandbox.create(*args, app=app, **options))
        return made[-1]

    yield create
    for sandbox in made:
        sandbox.terminate()


@pytest.fixture
def sandbox(create):
    """A sandbox of the default image, whose command sleeps."""
    return create()
