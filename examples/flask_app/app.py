"""Notes over HTTP, in SQLite."""

import sqlite3
from pathlib import Path

from flask import Flask, Response, request

DATABASE = Path("/srv/app/notes.sqlite")

app = Flask(__name__)


def connected() -> sqlite3.Connection:
    connection = sqlite3.connect(DATABASE)
    connection.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT)")
    return connection


@app.get("/notes")
def notes() -> Response:
    """All of them."""
    with connected() as connection:
        rows = connection.execute("SELECT text FROM notes ORDER BY id").fetchall()
    return Response("".join(f"{text}\n" for (text,) in rows), mimetype="text/plain")


@app.post("/notes")
def add() -> Response:
    """One more."""
    text = request.get_data(as_text=True).strip()
    if not text:
        return Response("a note needs a text\n", status=400, mimetype="text/plain")
    with connected() as connection:
        number = connection.execute("INSERT INTO notes (text) VALUES (?)", [text]).lastrowid
    return Response(f"{number}\n", status=201, mimetype="text/plain")


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=5000)
