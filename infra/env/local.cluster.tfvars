task = { units = 4 } # a task fleet, so that the emulator shows one come and go
