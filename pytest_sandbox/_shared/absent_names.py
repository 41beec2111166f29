"""Names of Modal's package that `import pytest_sandbox as modal` does not have, and why."""

_FUNCTIONS = (
    "it is about functions, which need Modal's scheduler; replace it in the test by a double"
)
_DEPLOYED = "it is about what is deployed at Modal: replace it by a double"
_MANAGED = "Modal's own client has it, with the fixture modal_server or with pytest-sandbox serve"

#: What to say of each.
ABSENT = {
    "CloudBucketMount": "mount a Volume, and put the objects into it with batch_upload",
    "Environment": f"environments are made by presets; {_MANAGED}",
    "FilePatternMatcher": "ignore= takes a list of patterns, or a function",
    "NetworkFileSystem": "use Volume",
    "SchedulerPlacement": "there are no data centres to choose from; region= is accepted",
    "Workspace": _DEPLOYED,
    "billing": _DEPLOYED,
    "experimental": f"its calls about sandboxes are methods of Client.extensions; {_MANAGED}",
    "forward": "use create(unencrypted_ports=[...]) and Sandbox.tunnels()",
    **dict.fromkeys(
        (
            *("Cls", "Cluster", "Cron", "Dict", "Function", "FunctionCall", "Period", "Queue"),
            *("Retries", "Server", "asgi_app", "batched", "clustered", "concurrent"),
            *("current_function_call_id", "current_input_id", "enter", "exit", "fastapi_endpoint"),
            *("interact", "is_local", "method", "parameter", "sessioned", "web_endpoint"),
            *("web_server", "wsgi_app"),
        ),
        _FUNCTIONS,
    ),
}
