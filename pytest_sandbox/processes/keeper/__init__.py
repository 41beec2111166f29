"""The keeper: a small process that starts sandboxes, ends all their processes, and tidies up."""
