#include <stdlib.h>
#include "floors.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

void floor_memory_give_back(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
