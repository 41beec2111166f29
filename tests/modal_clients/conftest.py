"""The scenarios are run by the pytest of their own environment, not by this one."""

collect_ignore = ["scenarios", "with_plugin", "without_tls"]
