"""The filesystem in memory: inodes, disks, mounts, paths, file operations. No processes."""
