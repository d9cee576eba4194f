# ENV=local: the emulator on this machine.
env        = "local"
account_id = "123456789012" # the emulator's
emulated   = true
