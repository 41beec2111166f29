"""What tests script: commands, their actions, ports; and the problems found."""
