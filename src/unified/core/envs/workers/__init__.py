"""Workers that step one environment each: in this process or in a process of its own."""
