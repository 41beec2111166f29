"""The filesystem in memory: inodes, disks, mounts, paths, and file operations on them."""
