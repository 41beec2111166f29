"""What the reference, which is made without running the code, could not know otherwise.

Methods with two faces, blocking and `.aio`, are shown as what they are called as. The source makes
them with decorators and functions (`dual`, `overloaded`, `faces`, ...), and they would appear as
coroutines or as attributes. Constants are described by the `#:` comment above them.
"""

from typing import Any

import griffe

#: The calls whose arguments are the described functions; the last argument has the description.
MAKERS = ("overloaded", "faces", "_creating")
#: Decorators of functions with two faces.
DECORATORS = ("dual", "dual_function", "dual_iterator", "dual_iterator_function")
#: Classes that only the package makes: their arguments are of no interest.
GIVEN = (
    "BaseClient",
    "Call",
    "ContainerProcess",
    "Extensions",
    "FileIO",
    "Inspector",
    "Peer",
    "PortScript",
    "Sandbox",
    "SandboxBatch",
    "SandboxFactory",
    "SandboxFilesystem",
    "SandboxSnapshot",
    "Script",
    "Secret",
    "StreamReader",
    "StreamWriter",
    "TestClock",
    "Tunnel",
)


class PublicShapes(griffe.Extension):
    """Replaces what makes a method with two faces by the method, and finds `#:` comments."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through all classes, once everything is loaded."""
        self._visit(pkg)

    def _visit(self, where: griffe.Module | griffe.Class) -> None:
        for name, member in list(where.members.items()):
            if member.is_alias:
                continue
            if isinstance(member, (griffe.Module, griffe.Class)):
                self._visit(member)
            elif isinstance(member, griffe.Attribute) and isinstance(where, griffe.Module):
                _describe(member, where)
            elif isinstance(member, griffe.Attribute) and isinstance(where, griffe.Class):
                if (function := _made_of(member)) is not None:
                    where.set_member(name, _named(function, name))
            elif isinstance(member, griffe.Function) and _is_dual(member):
                _label(member)
        if isinstance(where, griffe.Class) and where.name in GIVEN:
            _drop_arguments(where)


def _describe(attribute: griffe.Attribute, module: griffe.Module) -> None:
    """Take the description of a constant from the comment above it."""
    if attribute.docstring is not None or not attribute.lineno:
        return
    comment: list[str] = []
    for line in reversed(module.lines[: attribute.lineno - 1]):
        if not line.startswith("#"):
            break
        comment.insert(0, line)
    if comment and comment[0].startswith("#:"):
        text = "\n".join(line.lstrip("#:").strip() for line in comment)
        attribute.docstring = griffe.Docstring(text, parent=attribute)


def _made_of(attribute: griffe.Attribute) -> griffe.Function | None:
    value = attribute.value
    if not isinstance(value, griffe.ExprCall) or not value.arguments:
        return None
    if str(value.function).partition("[")[0] not in MAKERS:
        return None
    target = _found(attribute.parent, str(value.arguments[-1]))
    if target is not None and target.is_alias:
        target = target.final_target
    return target if isinstance(target, griffe.Function) else None


def _found(
    where: griffe.Module | griffe.Class | None, name: str
) -> griffe.Object | griffe.Alias | None:
    """What a name means in the body of a class."""
    while where is not None:
        if name in where.members:
            return where.members[name]
        where = where.parent if isinstance(where, griffe.Class) else None
    return None


def _named(function: griffe.Function, name: str) -> griffe.Function:
    """A copy under its public name."""
    copy = griffe.Function(
        name,
        parameters=function.parameters,
        returns="Sandbox" if name == "create" else function.returns,
        docstring=function.docstring,
        lineno=function.lineno,
        endlineno=function.endlineno,
    )
    _label(copy)
    return copy


def _is_dual(function: griffe.Function) -> bool:
    return any(str(decorator.value) in DECORATORS for decorator in function.decorators)


def _label(function: griffe.Function) -> None:
    function.labels.discard("async")
    function.labels.add(".aio")


def _drop_arguments(made: griffe.Class) -> None:
    if made.docstring is not None:
        text, _, rest = made.docstring.value.partition("\nArgs:\n")
        _, attributes, described = rest.partition("\nAttributes:\n")
        made.docstring.value = text + attributes + described
    if "__init__" in made.members:
        made.del_member("__init__")
