"""What this package's client does not have of Modal's names, and why; all else it must have."""

from __future__ import annotations

#: Names by class and what is true of them: `refused` for those that are there and refuse each
#: call by name. All others are not there.
NO_PAGES = "there are no web pages"
NO_FUNCTIONS = "about functions, which need Modal's scheduler"
NO_DEPLOYMENT = "about what is deployed at Modal"
OF_OBJECTS = "machinery of Modal's client, which newer ones do not show"
DEPRECATED = "deprecated there"
OWN_TESTS = "for tests of Modal's client"
NO_CREDENTIALS = "engines are on this machine; their clients need no credentials"
ONE_PLACE = "about Modal's data centres"
OPENED_BY_SANDBOX = "`Sandbox.open` and its friends do this, here and there"
NO_STORE = "images have ids only"
OTHER_INSTALLERS = "`pip_install` and `run_commands` do it"
NO_DECRYPTION = "it replaces headers of HTTPS, which nothing here decrypts"
#: Of work that is not done yet.
LATER = "not implemented yet"

#: Names that are there and refuse each call.
REFUSED = {
    "App.cls": NO_FUNCTIONS,
    "App.deploy": NO_DEPLOYMENT,
    "App.function": NO_FUNCTIONS,
    "App.get_dashboard_url": NO_PAGES,
    "App.get_tags": NO_DEPLOYMENT,
    "App.include": NO_FUNCTIONS,
    "App.info": NO_DEPLOYMENT,
    "App.local_entrypoint": "there is no `modal run`",
    "App.server": NO_FUNCTIONS,
    "App.set_tags": NO_DEPLOYMENT,
    "App.stats": NO_DEPLOYMENT,
    "App.stop": NO_DEPLOYMENT,
    "Client.anonymous": NO_CREDENTIALS,
    "Client.from_credentials": NO_CREDENTIALS,
    "Client.from_oauth_credentials": NO_CREDENTIALS,
    "Client.verify": NO_CREDENTIALS,
    "ContainerProcess.attach": "there is no interactive terminal",
    "Image.from_aws_ecr": "`from_registry` with a password of `aws ecr get-login-password` does it",
    "Image.from_name": NO_STORE,
    "Image.get_dashboard_url": NO_PAGES,
    "Image.micromamba": OTHER_INSTALLERS,
    "Image.micromamba_install": OTHER_INSTALLERS,
    "Image.pip_install_private_repos": OTHER_INSTALLERS,
    "Image.poetry_install_from_file": OTHER_INSTALLERS,
    "Image.publish": NO_STORE,
    "Image.run_function": NO_FUNCTIONS,
    "Image.uv_sync": OTHER_INSTALLERS,
    "Proxy.get_dashboard_url": NO_PAGES,
    "Sandbox._experimental_pause": "`_experimental_snapshot` does it",
    "Sandbox._experimental_resume": "`_experimental_from_snapshot` does it",
    "Sandbox._experimental_update_outbound_policy": NO_DECRYPTION,
    "Sandbox.get_dashboard_url": NO_PAGES,
    "SandboxSnapshot.get_dashboard_url": NO_PAGES,
    "Secret.get_dashboard_url": NO_PAGES,
    "Volume.get_dashboard_url": NO_PAGES,
}

#: Arguments that refuse each value but the default.
REFUSED_ARGUMENTS: dict[tuple[str, str], str] = {
    ("App", "tags"): NO_DEPLOYMENT,
    ("App.run", "interactive"): "there is no interactive terminal",
    **{
        (f"Image.{method}", "gpu"): "steps get no GPU"
        for method in (
            *("apt_install", "dockerfile_commands", "pip_install", "pip_install_from_pyproject"),
            *("pip_install_from_requirements", "run_commands", "uv_pip_install"),
        )
    },
    ("Image.from_dockerfile", "gpu"): "steps get no GPU",
    ("Image.run_commands", "volumes"): LATER,
    ("Sandbox._experimental_create", "_experimental_outbound_policy"): NO_DECRYPTION,
    ("Sandbox._experimental_create", "custom_domain"): ONE_PLACE,
    ("Sandbox.create", "_experimental_outbound_policy"): NO_DECRYPTION,
    ("Sandbox.create", "_experimental_persistent"): "no sandbox outlives its run",
    ("Sandbox.create", "custom_domain"): ONE_PLACE,
    ("Sandbox.create", "environment_name"): DEPRECATED,
    ("Sandbox.create", "network_file_systems"): DEPRECATED,
    ("Sandbox.create", "pty_info"): DEPRECATED,
    ("Sandbox.exec", "_pty_info"): DEPRECATED,
    ("Sandbox.exec", "pty_info"): DEPRECATED,
    ("Sandbox.set_tags", "client"): DEPRECATED,
    ("Volume.ephemeral", "create_options"): "about Modal's file system",
    ("Volume.from_name", "create_options"): "about Modal's file system",
    ("Volume.objects.create", "experimental_options"): "about Modal's file system",
}

#: Names that are not there.
ABSENT = {
    "App.image": DEPRECATED,
    "App.is_interactive": "there is no interactive terminal",
    "App.registered_classes": NO_FUNCTIONS,
    "App.registered_entrypoints": NO_FUNCTIONS,
    "App.registered_functions": NO_FUNCTIONS,
    "App.registered_web_endpoints": NO_FUNCTIONS,
    "App.sandboxes": "`Sandbox.list` and `Sandbox.usage` tell of them",
    "App.set_description": DEPRECATED,
    "Client.get_input_plane_metadata": NO_FUNCTIONS,
    "Client.get_stub": OF_OBJECTS,
    "Client.set_env_client": OWN_TESTS,
    "Client.stub": OF_OBJECTS,
    "FileIO.create": OPENED_BY_SANDBOX,
    "FileIO.ls": OPENED_BY_SANDBOX,
    "FileIO.mkdir": OPENED_BY_SANDBOX,
    "FileIO.rm": OPENED_BY_SANDBOX,
    "FileIO.watch": OPENED_BY_SANDBOX,
    "Image.imports": NO_FUNCTIONS,
    "Image.logs": "`enable_output` shows them, and `ImageBuildError` their end",
    "Secret.create_deployed": DEPRECATED,
    "Volume.create_deployed": DEPRECATED,
    **{
        f"{kind}.{name}": OF_OBJECTS
        for kind in ("Image", "Proxy", "Sandbox", "SandboxSnapshot", "Secret", "Volume")
        for name in ("clone", "deps", "is_hydrated", "local_uuid")
    },
}

#: Arguments that are not there.
ABSENT_ARGUMENTS = {
    ("Image.from_gcp_artifact_registry", "kwargs"): "of Modal's own code",
    ("Image.from_registry", "kwargs"): "of Modal's own code",
    ("Client.from_env", "_override_config"): OWN_TESTS,
    ("Sandbox._experimental_create", "i6pn"): ONE_PLACE,
    ("Sandbox._experimental_create", "mounts"): "`Image.add_local_dir` and its friends do it",
    ("Secret.from_name", "namespace"): DEPRECATED,
    ("Volume.ephemeral", "_heartbeat_sleep"): OWN_TESTS,
    ("Volume.from_name", "namespace"): DEPRECATED,
}

#: Our own arguments, of functions that are Modal's.
OWN_ARGUMENTS = {
    ("Image.from_dockerfile", "target"),
    # It takes what `create` takes.
    *(
        ("Sandbox._experimental_create", name)
        for name in (
            *("alias", "cidr_allowlist", "environment_name", "gpu", "network"),
            *("network_file_systems", "pty_info", "_experimental_persistent"),
        )
    ),
    ("Sandbox._experimental_from_snapshot", "alias"),
    ("Sandbox._experimental_from_snapshot", "network"),
    ("Sandbox.create", "alias"),
    ("SidecarContainer.exec", "_pty_info"),
    ("SidecarContainer.exec", "pty_info"),
    ("Sandbox.create", "network"),
}

#: Exceptions that are not there.
ABSENT_EXCEPTIONS = {
    "AsyncUsageWarning": "`BlockingCallWarning` is the same",
    "DeprecationError": OF_OBJECTS,
    "DeserializationError": NO_FUNCTIONS,
    "FunctionTimeoutError": NO_FUNCTIONS,
    "InputCancellation": NO_FUNCTIONS,
    "InteractiveTimeoutError": "there is no interactive terminal",
    "InternalAPIWarning": OF_OBJECTS,
    "InternalFailure": NO_FUNCTIONS,
    "ModuleNotMountable": "it is an `InvalidError`",
    "MountUploadTimeoutError": "uploads to this machine have no limit of their own",
    "OutputExpiredError": NO_FUNCTIONS,
    "PendingDeprecationError": OF_OBJECTS,
    "RequestSizeError": "it is a `ResourceExhaustedError`",
    "SerializationError": NO_FUNCTIONS,
    "VersionError": "client and server are of one package",
    "VolumeUploadTimeoutError": "uploads to this machine have no limit of their own",
    "WorkspaceManagementError": NO_DEPLOYMENT,
}

#: Of what the package lists, what is not there.
ABSENT_PACKAGE = {
    "CloudBucketMount": "mount a `Volume`",
    "Environment": "environments are made by their names; Modal's client manages them",
    "FilePatternMatcher": "`ignore=` takes patterns",
    "NetworkFileSystem": DEPRECATED,
    "SchedulerPlacement": ONE_PLACE,
    "Workspace": NO_DEPLOYMENT,
    "__version__": "`importlib.metadata.version('pytest-sandbox')`",
    "billing": NO_DEPLOYMENT,
    "experimental": "its calls that are about sandboxes are methods of `Client.extensions`",
    "forward": "`Sandbox.tunnels`",
    **dict.fromkeys(
        (
            *("Cls", "Cluster", "Cron", "Dict", "Function", "FunctionCall", "Period", "Queue"),
            *("Retries", "Server", "asgi_app", "batched", "clustered", "concurrent"),
            *("current_function_call_id", "current_input_id", "enter", "exit", "fastapi_endpoint"),
            *("interact", "is_local", "method", "parameter", "sessioned", "web_endpoint"),
            *("web_server", "wsgi_app"),
        ),
        NO_FUNCTIONS,
    ),
}
