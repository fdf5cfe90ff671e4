#pragma once
#include <sys/types.h>

// fork(2), which Swift marks as unavailable; for a test of what a forked child inherits.
pid_t ck_fork(void);
