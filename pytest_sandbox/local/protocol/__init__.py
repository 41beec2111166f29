"""Messages between engine, zygote, agents and jobs, and how they travel; no behaviour.

    engine ── zygote       `zygote`: make, end and snapshot sandboxes
       │         ├── forker       `forker`: fork PID 1 of a sandbox
       │         ├── helper       `helpers`: one piece of work on the files of a sandbox
       │         │
       ├── agent ┘         `agent`: start processes, short work on files; PID 1 of a sandbox
       │     └── job       `jobs`: long work on files
       └── CRIU helper     `criu`: dump and restore processes

`message` says what a message is and how it is checked, and `wire` how it travels; `common` has the
messages of several conversations. Each class says which descriptors travel with it, and what
answers it. A request has a number, and its answer has the same; any other message has the number 0.

The zygote trusts the engine, and checks what it gets only to find mistakes. The engine trusts the
zygote, its forker and its helpers. It trusts no agent and no job: a sandbox may have taken them
over.
"""
