"""A shop and its database: each test orders as it likes, and takes away what it likes."""

import pytest

from pytest_sandbox import NetworkFaults, Sandbox

ASK = """
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen
try:
    answer = urlopen(Request("http://app:8000" + sys.argv[2], method=sys.argv[1]))
except HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""


class Customer:
    """A third machine, from which the shop is used."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def ask(self, method: str, path: str) -> str:
        return self.sandbox.run("python3", "-c", ASK, method, path, check=True).stdout.strip()


@pytest.fixture
def customer(sandbox: Sandbox) -> Customer:
    return Customer(sandbox)


pytestmark = pytest.mark.sandbox(network="test")


@pytest.mark.parametrize("number", range(1, 11))
def test_the_first_order_is_the_first(
    database: Sandbox, app: Sandbox, customer: Customer, number: int
) -> None:
    assert customer.ask("POST", "/orders/7") == "200 9"
    assert customer.ask("GET", "/stock/7") == "200 9"


def test_what_is_sold_out_cannot_be_ordered(
    database: Sandbox, app: Sandbox, customer: Customer
) -> None:
    sold_out = "UPDATE products SET stock = 0 WHERE id = 7"
    database.run("psql", "-h", "/tmp", "-U", "postgres", "-c", sold_out, check=True)
    assert customer.ask("POST", "/orders/7") == "409 none left"


def test_the_database_is_gone(database: Sandbox, app: Sandbox, customer: Customer) -> None:
    database.terminate()
    assert customer.ask("GET", "/stock/7") == "503 there is no database"


def test_the_database_is_slow(
    database: Sandbox, app: Sandbox, customer: Customer, sandbox_network_faults: NetworkFaults
) -> None:
    sandbox_network_faults.on("db", port=5432).delay(5)
    assert customer.ask("GET", "/stock/7") == "504 the database is slow"
