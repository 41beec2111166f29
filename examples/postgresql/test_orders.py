"""Tests that write whatever they like: none sees what another one wrote."""

import pytest
from database import PRODUCTS, Database

from pytest_sandbox import exceptions

ORDER = """
UPDATE products SET stock = stock - 1 WHERE id = {product};
INSERT INTO orders (product) VALUES ({product}) RETURNING id;
"""


@pytest.mark.parametrize("number", range(96))
def test_the_first_order_is_the_first(database: Database, number: int) -> None:
    product = 1 + number % 3
    stock = f"SELECT stock FROM products WHERE id = {product}"

    assert database.sql(ORDER.format(product=product) + stock) == "1\n9\n"


def test_what_is_sold_out_cannot_be_ordered(database: Database) -> None:
    database.sql("UPDATE products SET stock = 0")

    with pytest.raises(exceptions.CommandFailedError, match="products_stock_check"):
        database.sql(ORDER.format(product=1))


def test_what_does_not_exist_cannot_be_ordered(database: Database) -> None:
    with pytest.raises(exceptions.CommandFailedError, match="orders_product_fkey"):
        database.sql(ORDER.format(product=PRODUCTS + 1))


@pytest.mark.parametrize("function", ["count", "max"])
def test_all_products_are_there(database: Database, function: str) -> None:
    assert database.sql(f"SELECT {function}(id) FROM products") == f"{PRODUCTS}\n"
