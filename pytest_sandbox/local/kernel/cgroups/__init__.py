"""Control groups, both versions (cgroups(7)): limits of sandboxes, and whether memory ran out.

One group for the engine, in it one for the zygote, and one for all sandboxes, each of which has its
own in there:

    .../pytest-sandbox-PID-RANDOM/zygote
    .../pytest-sandbox-PID-RANDOM/sandboxes/{1,2,...}

Only `sandboxes` is limited as a whole. So if all sandboxes together run out of memory, the kernel
looks for what to kill among them, and not at the zygote, with which all of them would end.

Version 1 has several hierarchies of groups with a controller or two each, version 2 has one with
all of them (Documentation/admin-guide/cgroup-v1/, cgroup-v2.rst); a machine may use both. Nothing
here removes anything but empty groups: rmdir(2) removes a group although it shows files.
"""
