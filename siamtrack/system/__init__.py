"""The process and the machine: files that are replaced as a whole, signals, clocks, the compiler cache."""
