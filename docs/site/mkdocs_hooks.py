"""What mkdocs does differently for this repository, whose documents are also read on a forge.

Documents outside `docs/` are pages too, and links between documents follow them. A block of code
that has the name of a file shows it as its title. After the build, pages that would load anything
from another host are an error.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).parents[2]
#: The documents that are not below `docs/`, by their paths in the repository.
OUTSIDE = [
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "examples/**/README.md", "tests/README.md")
    for path in sorted(ROOT.glob(pattern))
]
FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
OPENING = re.compile(r"^( *```\w+) (\S+)$", re.MULTILINE)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")
#: What the theme loads so that the search works without a server; `worker.js` takes its place.
SHIM = "https://unpkg.com/iframe-worker/shim"
#: What a page loads while it is read; links to follow are not among it.
LOADED = re.compile(r"""<(?:script|img|link rel="stylesheet")[^>]* (?:src|href)="(?:https?:)?//""")


def on_files(files: Files, config: Any) -> Files:
    """Add the documents outside of `docs/`."""
    for path in OUTSIDE:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Rewrite the links of a page, and the first lines of its blocks of code."""
    source = page.file.src_uri
    place = source if source in OUTSIDE else f"docs/{source}"
    return _outside_of_fences(
        markdown, lambda text: LINK.sub(lambda link: _link(link, place, source, files), text)
    )


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Take the script that the offline search needs from this site."""
    return output.replace(SHIM, get_relative_url("site/worker.js", page.file.url))


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """The same for pages that no document is behind, such as `404.html`."""
    return output.replace(SHIM, "site/worker.js")


def on_post_build(config: Any) -> None:
    """Refuse pages that load something from elsewhere."""
    pages = Path(config.site_dir).rglob("*.html")
    loading = [page.name for page in pages if LOADED.search(page.read_text())]
    if loading:
        raise PluginError(f"these pages load something from another host: {', '.join(loading)}")


def _outside_of_fences(text: str, change: Callable[[str], str]) -> str:
    changed, end = [], 0
    for fence in FENCE.finditer(text):
        changed += [change(text[end : fence.start()]), OPENING.sub(_opening, fence[0], count=1)]
        end = fence.end()
    return "".join([*changed, change(text[end:])])


def _opening(found: re.Match[str]) -> str:
    name = found[2]
    # `run` is for the tests: it says that the script is run.
    return found[1] if name == "run" else f'{found[1]} title="{name}"'


def _link(found: re.Match[str], place: str, source: str, files: Files) -> str:
    picture, text, target, anchor = found.groups(default="")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
    if (ROOT / path / "README.md").exists():
        path = f"{path}/README.md"
    path = path.removeprefix("docs/")
    if files.get_file_from_path(path) is None and (ROOT / path).exists():
        return text  # a file of the repository that is no page, such as source code
    relative = posixpath.relpath(path, posixpath.dirname(source) or ".")
    return f"{picture}[{text}]({relative}{anchor})"
